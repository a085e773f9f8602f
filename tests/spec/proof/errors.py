"""How a proof is refused."""

from __future__ import annotations


class RefusedError(Exception):
    """The proof does not show its statement, for whatever reason."""


class MalformedError(RefusedError):
    """The bytes do not decode."""


class RejectedError(RefusedError):
    """The bytes decode, but do not show the statement."""
