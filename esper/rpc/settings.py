"""What the RPC is told: where its cookie lies, who may steer, and every limit of its calls."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from esper.http.settings import HttpSettings

SECRET_BYTES: Final = 32
"""Length of the cookie's secret."""


class RpcSettingsError(ValueError):
    """A setting that no RPC can run with; the message names it."""


@dataclass(frozen=True, slots=True)
class RpcSettings(HttpSettings):
    """Settings of a server with the RPC on it.

    Raises RpcSettingsError and HttpSettingsError for those that cannot be meant.
    """

    datadir: Path
    """Where ``rpc.cookie`` is written."""
    secret: bytes = field(repr=False)
    """32 fresh random bytes: the cookie's token. A new one for every start."""
    token_hashes: frozenset[str] = field(default=frozenset(), repr=False)
    """SHA3-256 in hex of further tokens that may spend and steer."""
    max_body_bytes: int = 256 * 1024
    """Of a request without a token."""
    max_token_body_bytes: int = 3 * 1024 * 1024
    """Of a request with one: a transaction may come with two proofs of 1 MiB, in base64."""
    max_reply_bytes: int = 16 * 1024 * 1024
    """Of an answer, all answers of a batch together."""
    max_batch: int = 50
    """Requests in one body."""
    max_requests: int = 32
    """Bodies that are answered at once, until their clients have taken the answers."""
    body_timeout_s: float = 10.0
    """For the whole body."""
    method_timeout_s: float = 10.0
    """For a method; no request of a batch begins later than this after the batch arrived."""
    generate_timeout_s: float = 600.0
    """For ``generate``, which mines."""
    wrong_token_delay_s: float = 0.2
    """What a guess costs, beside its connection."""

    def __post_init__(self) -> None:
        HttpSettings.__post_init__(self)
        if len(self.secret) != SECRET_BYTES:
            raise RpcSettingsError(f"secret has {len(self.secret)} bytes, must have {SECRET_BYTES}")
        for digest in self.token_hashes:
            if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
                raise RpcSettingsError("token_hashes: each must be 64 lower-case hex digits")
