"""A page before it is written: which template, with what."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from esper.explorer.port import ChainReader


@dataclass(frozen=True, slots=True)
class Asking:
    """What a page is asked."""

    params: Mapping[str, str]
    """Of its path."""
    query: Mapping[str, str]
    """After the question mark; of several of a name the last."""
    now_ms: int
    """The node's clock."""
    is_local: bool
    """Whether somebody on the node's machine asks."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page to be written."""

    template: str
    """Name of its file."""
    title: str
    """What stands in the window."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What the template shows."""
    status: int = 200
    """Of HTTP."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another page has what was looked for."""

    path: str
    """On this server; nothing of a request stands in it that was not checked."""


MakePage = Callable[[ChainReader, Asking], Awaitable[Page | Elsewhere]]
"""Reads what a page shows. May raise RpcError: what is not there, or cannot be meant."""
