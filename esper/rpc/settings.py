"""What a server is told: where it listens, whom it serves, and every limit."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
SECRET_BYTES: Final = 32
"""Length of the cookie's secret."""


class RpcSettingsError(ValueError):
    """A setting that no server can run with; the message names it."""


@dataclass(frozen=True, slots=True)
class RpcSettings:
    """Settings of one server. Raises RpcSettingsError for those that cannot be meant."""

    datadir: Path
    """Where ``rpc.cookie`` is written."""
    secret: bytes = field(repr=False)
    """32 fresh random bytes: the cookie's token. A new one for every start."""
    host: str = "127.0.0.1"
    """Address to listen on. Beyond loopback nothing is answered without a token."""
    port: int = 9334
    """0 takes any that is free."""
    token_hashes: frozenset[str] = field(default=frozenset(), repr=False)
    """SHA3-256 in hex of further tokens that may spend and steer."""
    allowed_hosts: frozenset[str] = frozenset()
    """Names in Host headers that are taken beside the loopback's own, lower case, no port."""
    allowed_origins: frozenset[str] = frozenset()
    """Web pages that may call, such as ``https://wallet.example``. None by default."""
    max_body_bytes: int = 256 * 1024
    """Of a request."""
    max_reply_bytes: int = 16 * 1024 * 1024
    """Of an answer, all answers of a batch together."""
    max_batch: int = 50
    """Requests in one body."""
    max_requests: int = 32
    """Bodies that are read or answered at once."""
    max_connections: int = 128
    """Open sockets; further ones are told to come back."""
    header_timeout_s: float = 5.0
    """For the whole head of a request, and how long a connection may lie idle."""
    body_timeout_s: float = 10.0
    """For the whole body."""
    method_timeout_s: float = 10.0
    """For a method; no request of a batch begins later than this after the batch arrived."""
    generate_timeout_s: float = 600.0
    """For ``generate``, which mines."""
    send_timeout_s: float = 10.0
    """For a client to take what it asked for."""
    wrong_token_delay_s: float = 0.2
    """What a guess costs, beside its connection."""
    shutdown_s: float = 1.5
    """How long requests that are being answered may delay the end."""
    access_log: bool = False
    """One line per request in the log ``esper.rpc.access``, without headers and bodies."""

    def __post_init__(self) -> None:
        if len(self.secret) != SECRET_BYTES:
            raise RpcSettingsError(f"secret has {len(self.secret)} bytes, must have {SECRET_BYTES}")
        if not 0 <= self.port <= 65_535:
            raise RpcSettingsError(f"port is {self.port}, must be from 0 to 65535")
        for digest in self.token_hashes:
            if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
                raise RpcSettingsError("token_hashes: each must be 64 lower-case hex digits")
        if "*" in self.allowed_origins | self.allowed_hosts:
            raise RpcSettingsError("allowed_origins and allowed_hosts take names, never *")


def is_loopback(host: str) -> bool:
    """Whether an address or name can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES
