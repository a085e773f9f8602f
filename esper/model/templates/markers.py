"""Tokens of a laid out chat: markers of the template are tokens, those of users are text."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator

from tokenizers import AddedToken, Tokenizer

from esper.model.templates.own_text import mask_of
from esper.model.tokenizer import encode_text, special_tokens

_OWN_RUN = re.compile(b"\1+")


class MarkerTokenizer:
    """Encodes texts that know which of their characters are a template's own.

    The tokenizer reads every special token as text. For each there is a stand-in of random letters
    that it takes for a token, with the same rules for the blanks around it; where the template
    wrote the token, the text is given its stand-in. So the text is encoded as one piece, as others
    do it, and nobody can spell a marker.
    """

    def __init__(
        self, tokenizer: Tokenizer, random: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        """``tokenizer`` is this object's from now on: stand-ins are added to it.

        ``random`` gives so many bytes that nobody can foresee.
        """
        self._tokenizer = tokenizer
        self._stand_ins: dict[str, str] = {}
        added, meant = [], {}
        for identity, token in special_tokens(tokenizer).items():
            stand_in = f"\ue000{random(16).hex()}\ue001"
            self._stand_ins[token.content] = stand_in
            added.append(
                AddedToken(
                    stand_in,
                    single_word=token.single_word,
                    lstrip=token.lstrip,
                    rstrip=token.rstrip,
                    normalized=False,
                    special=False,
                )
            )
            meant[stand_in] = identity
        tokenizer.add_tokens(added)
        self._ids = {tokenizer.token_to_id(one): identity for one, identity in meant.items()}
        markers = [marker for marker in self._stand_ins if marker]
        self._lengths = sorted({len(marker) for marker in markers}, reverse=True)
        firsts = "".join(sorted({re.escape(marker[0]) for marker in markers}))
        self._firsts = re.compile(f"[{firsts}]") if firsts else None

    def encode(self, text: str) -> list[int]:
        """Token ids of a laid out text. Raises TokenizerError as ``encode_text``."""
        return self.as_read(encode_text(self._tokenizer, self.with_stand_ins(text)))

    def with_stand_ins(self, text: str) -> str:
        """The text with a stand-in for every marker of the template's own."""
        plain, done = "".join(text), 0
        pieces: list[str] = []
        for start, end in self._markers(plain, mask_of(text)):
            pieces += (plain[done:start], self._stand_ins[plain[start:end]])
            done = end
        pieces.append(plain[done:])
        return "".join(pieces)

    def as_read(self, ids: list[int]) -> list[int]:
        """Token ids with every stand-in's replaced by its marker's."""
        return [self._ids.get(one, one) for one in ids]

    def _markers(self, plain: str, mask: bytes) -> Iterator[tuple[int, int]]:
        """Where the template wrote markers: from the left, the longest first."""
        if self._firsts is None:
            return
        for run in _OWN_RUN.finditer(mask):
            position, end = run.span()
            while found := self._firsts.search(plain, position, end):
                position = found.start()
                length = next(
                    (
                        n
                        for n in self._lengths
                        if position + n <= end and plain[position : position + n] in self._stand_ins
                    ),
                    0,
                )
                if length:
                    yield position, position + length
                position += length or 1
