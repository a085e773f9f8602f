"""What a server is told: where it listens, whom it serves, and every limit of its connections."""

from dataclasses import dataclass


class HttpSettingsError(ValueError):
    """A setting that no server can run with; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Settings of one server. Raises HttpSettingsError for those that cannot be meant."""

    host: str = "127.0.0.1"
    """Address or name to listen on; a request that names it is served."""
    port: int = 9334
    """0 takes any that is free."""
    allowed_hosts: frozenset[str] = frozenset()
    """Names in Host headers that are taken beside the loopback's own, lower case, no port."""
    allowed_origins: frozenset[str] = frozenset()
    """Web pages that may call, such as ``https://wallet.example``. None by default."""
    max_connections: int = 1024
    """Open sockets, as far as the process may have so many; further ones are told to come back."""
    kept_connections: int = 64
    """The last of them, a quarter at most: essential routes alone are answered there, one request
    on each."""
    max_connections_per_address: int = 128
    """Of them from one IPv4 address, or one IPv6 network of 64 bits."""
    header_timeout_s: float = 5.0
    """For the whole head of a request, and for a new connection to begin one."""
    idle_timeout_s: float = 30.0
    """How long a connection may lie idle after an answer."""
    send_timeout_s: float = 10.0
    """For a client to take an answer, or each part of a streamed one."""
    shutdown_s: float = 1.5
    """How long requests that are being answered may delay the end."""
    access_log: bool = False
    """One line per answer in the log ``esper.http.access``, without headers and bodies."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise HttpSettingsError(f"port is {self.port}, must be from 0 to 65535")
        if "*" in self.allowed_origins | self.allowed_hosts:
            raise HttpSettingsError("allowed_origins and allowed_hosts take names, never *")
        for name in ("max_connections", "max_connections_per_address"):
            if getattr(self, name) < 1:
                raise HttpSettingsError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.kept_connections < 0:
            raise HttpSettingsError("kept_connections cannot be below 0")
