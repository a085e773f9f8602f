"""Which leading tokens of a chat its template writes whatever anybody says.

How soon an answer comes tells whether the beginning of its prompt has run before. That may be told
of these tokens alone: whoever has the model knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from esper.model.errors import ModelError
from esper.model.templates.own_text import mask_of

PROBES: Final = ("The", "1.", "\n\nB", " <", "  c", " ")
"""Contents that begin so differently that a token which reaches into one is not in all chats.

Blanks and common words are often read together with what is before them."""
_OPENINGS: Final = {"system": ("system", "user"), "user": ("user",)}
"""Roles of the chats that are tried, by the first message's: without a system message a template
may write one of its own."""


@dataclass(frozen=True, slots=True)
class ReadChat:
    """A chat as its template lays it out, and as its tokenizer reads that."""

    text: str
    """Says of each character whether it is the template's own (``own_text.mask_of``)."""
    tokens: list[int]
    """BOS included."""


class PublicPrefix:
    """Knows a template's own beginnings, which it learns by trying it, once for each."""

    def __init__(self, read: Callable[[Sequence[Mapping[str, str]]], ReadChat]) -> None:
        """``read`` lays a chat out. May raise ModelError."""
        self._read = read
        self._known: dict[str, ReadChat] = {}

    def count(self, messages: Sequence[Mapping[str, str]], chat: ReadChat) -> int:
        """Leading tokens of ``chat``, which ``messages`` gave, that are the template's own.

        All of such a beginning or 0: a part would tell by its length how a content differs.
        Nothing counts that stands in a message, even if the template writes the same elsewhere.
        """
        known = self._beginning(messages[0]["role"])
        own, tokens = len(known.text), len(known.tokens)
        same = chat.tokens[:tokens] == known.tokens and chat.text.startswith(known.text)
        return tokens if own and same and _own_length(chat.text) >= own else 0

    def _beginning(self, role: str) -> ReadChat:
        if role not in self._known:
            self._known[role] = self._tried(_OPENINGS.get(role, ()))
        return self._known[role]

    def _tried(self, roles: Sequence[str]) -> ReadChat:
        """What all chats of these roles begin with; nothing if the template takes not all."""
        if not roles:
            return ReadChat("", [])
        try:
            chats = [
                self._read([{"role": role, "content": content} for role in roles])
                for content in PROBES
            ]
        except ModelError:
            # Not tried again: a template that was ended would cost its time with every chat.
            return ReadChat("", [])
        # A part that is not the template's own for sure stays in the text: no chat has it as that.
        text = chats[0].text[: _same([chat.text for chat in chats])]
        return ReadChat(text, chats[0].tokens[: _same([chat.tokens for chat in chats])])


def _own_length(text: str) -> int:
    """Characters at the front that are the template's own."""
    mask = mask_of(text)
    return len(mask) - len(mask.lstrip(b"\1"))


def _same(rows: Sequence[Sequence[object]]) -> int:
    """How many leading elements all have in common."""
    columns = zip(*rows, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
