"""An answer for its reader: text as it becomes certain, and the tokens that belong to it."""

from __future__ import annotations

from collections.abc import Sequence

from esper.model.answers.answer_pieces import AnswerDecoder
from esper.model.answers.stop_texts import StopTexts


class AnswerText:
    """Tokens in, whole characters out, cut before the first stop. No clock and no chance."""

    def __init__(
        self, decoder: AnswerDecoder, prompt: Sequence[int], stops: Sequence[str] = ()
    ) -> None:
        """Begin the answer to ``prompt``. Raises InvalidFieldError for stops that are none."""
        self._pieces = decoder.pieces(prompt)
        self._stops = StopTexts(stops)
        self._has_stops = bool(stops)
        self._tokens: list[int] = []
        self._ended = False

    @property
    def tokens(self) -> tuple[int, ...]:
        """The answer's tokens. After a stop: up to the one that its last character came with.

        Where bytes of neighbouring tokens are one text, all of them stay.
        """
        return tuple(self._tokens)

    @property
    def stop(self) -> str | None:
        """The stop text that ended the answer; None while none did."""
        return self._stops.found

    def add(self, token: int) -> str:
        """Take a token; return text to show. After a stop, or ``end``, it is left out."""
        if self._ended:
            return ""
        before = len(self._tokens)
        self._tokens.append(token)
        held, own = self._pieces.add(token)
        shown = self._stops.add(held)
        if self.stop is not None:
            del self._tokens[before:]
        else:
            shown += self._stops.add(own)
        self._ended = self.stop is not None
        return shown

    def add_all(self, tokens: Sequence[int]) -> str:
        """Take tokens; return text to show: the same as ``add`` of each, for a part of its work."""
        if self._has_stops:
            return "".join(map(self.add, tokens))
        if self._ended:
            return ""
        self._tokens += tokens
        return self._pieces.add_all(tokens)

    def end(self) -> str:
        """The answer is over: return what waited. A second call returns nothing."""
        if self._ended:
            return ""
        self._ended = True
        shown = self._stops.add(self._pieces.end())
        return shown + ("" if self.stop is not None else self._stops.end())
