"""The text of an answer, token by token: what is given out is never taken back.

The pieces are together what ``decode_answer`` makes of the whole answer. What is still open waits:
a character that spans tokens, and with byte fallback all neighbouring bytes, because the package
shows each of them as U+FFFD if one is wrong.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

from tokenizers import Tokenizer

from esper.model.tokenizer import added_text, decode_answer, special_tokens

_BYTE_PIECE: Final = re.compile(r"<0x(?:[0-9A-Fa-f]{2}|\+[0-9A-Fa-f])>")
_BLANK: Final = "\u2581"
_LOCAL: Final = ("Metaspace", "WordPiece", "BPEDecoder")
_BROKEN: Final = "\ufffd"


class AnswerPieces(Protocol):
    """The text of one answer; for one caller."""

    def add(self, token: int) -> tuple[str, str]:
        """Take a token; return the text of tokens before it that waited, and that of its own.

        Raises TokenizerError as ``decode_answer``.
        """

    def add_all(self, tokens: Sequence[int]) -> str:
        """Take tokens; return the text that ``add`` of each returns, side by side.

        Raises TokenizerError as ``decode_answer``.
        """

    def end(self) -> str:
        """Return what still waited; bytes that are no UTF-8 show as U+FFFD. Call it once.

        Raises TokenizerError as ``decode_answer``.
        """


class AnswerDecoder:
    """How one tokenizer's tokens become text. Made once, it serves every answer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """``tokenizer``: as ``tokenizer_of`` makes it; it is only read."""
        self._tokenizer = tokenizer
        self._special = frozenset(special_tokens(tokenizer))
        self._kind = _kind(tokenizer)

    @property
    def streams(self) -> bool:
        """Whether text comes before the end; with a decoder of an unusual make it does not."""
        return self._kind != "whole"

    def pieces(self, prompt: Sequence[int]) -> AnswerPieces:
        """Begin the answer to ``prompt``, whose tokens are not part of the text."""
        if self._kind == "bytes":
            return _ByteLevel(self, prompt)
        return _Units(self, prompt, bytes_hold=self._kind == "fallback", whole=not self.streams)

    def piece(self, token: int) -> str | None:
        """A token's piece of text; None for special and unknown tokens, which have none."""
        return None if token in self._special else self._tokenizer.id_to_token(token)

    def token_bytes(self, token: int) -> bytes:
        """What a token writes, which may be part of a character; nothing for a special one."""
        piece = self.piece(token)
        if piece is None:
            return b""
        if self._kind == "bytes":
            return _letters_bytes(piece)
        if self._kind == "fallback" and _is_byte(piece):
            return bytes([int(piece[3:-1], 16)])
        return piece.replace(_BLANK, " ").encode()

    def first_text(self, prompt: list[int], answer: list[int]) -> str:
        """The text of an answer's beginning."""
        return decode_answer(self._tokenizer, prompt, answer)

    def next_text(self, context: list[int], tokens: list[int]) -> str:
        """The text of tokens behind others of the same answer."""
        return added_text(self._tokenizer, context, tokens)


class _ByteLevel:
    """Pieces are bytes written as letters: the text is their UTF-8."""

    def __init__(self, decoder: AnswerDecoder, prompt: Sequence[int]) -> None:
        self._decoder = decoder
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        # Three bytes are the most that wait for a fourth.
        tail = b""
        for token in reversed(prompt):
            if len(tail) >= 4:
                break
            tail = self._bytes(token) + tail
        tail = _from_a_start(tail)
        self._utf8.decode(tail)
        # Half a character at the end of the prompt showed there already, as so many U+FFFD.
        self._shown = len(self._utf8.getstate()[0].decode(errors="replace"))

    def add(self, token: int) -> tuple[str, str]:
        return "", self._gone_on(self._utf8.decode(self._bytes(token)))

    def add_all(self, tokens: Sequence[int]) -> str:
        if self._shown:
            return "".join(self.add(token)[1] for token in tokens)
        return self._utf8.decode(b"".join(map(self._bytes, tokens)))

    def end(self) -> str:
        return self._gone_on(self._utf8.decode(b"", final=True))

    def _gone_on(self, text: str) -> str:
        if text and self._shown:
            text = text[min(self._shown, len(text) - len(text.lstrip(_BROKEN))) :]
            self._shown = 0
        return text

    def _bytes(self, token: int) -> bytes:
        piece = self._decoder.piece(token)
        return b"" if piece is None else _letters_bytes(piece)


class _Units:
    """Pieces are words, each decoded as it follows the one before; bytes wait for the last."""

    def __init__(
        self, decoder: AnswerDecoder, prompt: Sequence[int], *, bytes_hold: bool, whole: bool
    ) -> None:
        self._decoder = decoder
        self._bytes_hold = bytes_hold
        self._whole = whole
        self._context = list(prompt)
        self._at_start = True
        self._waiting: list[int] = []
        self._bytes_wait = False

    def add(self, token: int) -> tuple[str, str]:
        piece = self._decoder.piece(token)
        is_bytes = self._bytes_hold and _is_byte(piece)
        if self._whole or piece is None or is_bytes:
            self._waiting.append(token)
            self._bytes_wait |= is_bytes
            return "", ""
        before = self._unit() if self._bytes_wait else ""
        self._waiting.append(token)
        return before, self._unit()

    def add_all(self, tokens: Sequence[int]) -> str:
        pieces = [self._decoder.piece(token) for token in tokens]
        if self._whole or not self._bytes_hold:
            return self._together(tokens, pieces)
        shown, begin = "", 0
        for at, piece in enumerate(pieces):
            if _is_byte(piece):
                shown += self._together(tokens[begin:at], pieces[begin:at])
                shown += "".join(self.add(tokens[at]))
                begin = at + 1
        return shown + self._together(tokens[begin:], pieces[begin:])

    def _together(self, tokens: Sequence[int], pieces: Sequence[str | None]) -> str:
        """The text of tokens that are no bytes, decoded at once."""
        # What has no piece waits for the next that has one.
        count = 0 if self._whole else len(tokens)
        while count and pieces[count - 1] is None:
            count -= 1
        shown = self._unit() if count and self._bytes_wait else ""
        self._waiting += tokens[:count]
        shown += self._unit() if count else ""
        self._waiting += tokens[count:]
        return shown

    def end(self) -> str:
        return self._text()

    def _unit(self) -> str:
        """The text of what waits, which nothing that follows changes."""
        text, unit = self._text(), self._waiting
        self._waiting, self._bytes_wait = [], False
        # The start of a text is decoded in its own way: what follows needs some text before it.
        if self._decoder.next_text([], unit):
            self._context, self._at_start = unit, False
        else:
            self._context = [*self._context, *unit]
        return text

    def _text(self) -> str:
        if self._at_start:
            return self._decoder.first_text(self._context, self._waiting)
        return self._decoder.next_text(self._context, self._waiting)


def _is_byte(piece: str | None) -> bool:
    # All bytes are written in six characters: most pieces are told apart without a look at them.
    return piece is not None and len(piece) == 6 and _BYTE_PIECE.fullmatch(piece) is not None


def _kind(tokenizer: Tokenizer) -> str:
    """bytes, fallback, words; whole for a decoder whose pieces may change with what follows."""
    if tokenizer.decoder is None:
        return "words"
    state = tokenizer.decoder.__getstate__()
    fields: dict[str, Any] = json.loads(state)
    steps = list(_steps(fields))
    names = [step["type"] for step in steps]
    if names == ["ByteLevel"]:
        return "bytes"
    if len(names) == 1 and names[0] in _LOCAL:
        return "words"
    if all(map(_is_usual, steps)) and names == sorted(names, key=_ORDER.index):
        if len(set(names)) < len(names):
            return "whole"
        return "fallback" if "ByteFallback" in names else "words"
    return "whole"


_ORDER: Final = ("Replace", "ByteFallback", "Fuse", "Strip")
"""The steps of sentencepiece models as they are exported."""


def _is_usual(step: dict[str, Any]) -> bool:
    if step["type"] == "Replace":
        return bool(step["pattern"] == {"String": _BLANK} and step["content"] == " ")
    if step["type"] == "Strip":
        return bool(step["stop"] == 0)
    return step["type"] in ("ByteFallback", "Fuse")


def _steps(fields: dict[str, Any]) -> list[dict[str, Any]]:
    if fields["type"] != "Sequence":
        return [fields]
    return [step for one in fields["decoders"] for step in _steps(one)]


def _letters_bytes(piece: str) -> bytes:
    """The bytes of a byte-level piece."""
    try:
        return bytes(map(_BYTE_OF.__getitem__, piece))
    except KeyError:  # a token that was added as a text
        return piece.encode()


def _from_a_start(tail: bytes) -> bytes:
    """The last bytes of a text without those that continue a character begun before them."""
    for back in range(1, min(4, len(tail)) + 1):
        if tail[-back] & 0xC0 != 0x80:
            return tail[-back:]
    return b""


def _byte_letters() -> dict[str, int]:
    """Byte-level models write printable bytes as themselves, and the others from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }


_BYTE_OF: Final = _byte_letters()
