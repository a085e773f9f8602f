"""Texts at which an answer ends: found however the answer is cut into pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from esper.model.errors import InvalidFieldError

MOST_STOPS: Final = 4
LONGEST_STOP: Final = 64
"""Characters."""


def checked_stops(stops: Sequence[str]) -> tuple[str, ...]:
    """Return the stop texts of a request. Raises InvalidFieldError, which names the one meant."""
    if len(stops) > MOST_STOPS:
        raise InvalidFieldError("stop", len(stops), f"at most {MOST_STOPS} texts")
    for place, stop in enumerate(stops):
        if not 1 <= len(stop) <= LONGEST_STOP:
            expected = f"1 to {LONGEST_STOP} characters"
            raise InvalidFieldError(f"stop[{place}]", f"{len(stop)} characters", expected)
        if any(0xD800 <= ord(letter) < 0xE000 for letter in stop):
            raise InvalidFieldError(f"stop[{place}]", "half a surrogate pair", "whole characters")
    return tuple(stops)


class StopTexts:
    """Cuts one text before the stop that is complete first; of several that end there, the longest.

    What may be the beginning of a stop waits. A character costs a bounded number of steps.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        """``stops``: as ``checked_stops`` takes them. Raises InvalidFieldError."""
        self._stops = checked_stops(stops)
        self._borders = [_borders(stop) for stop in self._stops]
        self._matched = [0] * len(self._stops)
        self._held = ""
        self._found: str | None = None

    @property
    def found(self) -> str | None:
        """The stop that ended the text; None while there was none."""
        return self._found

    def add(self, text: str) -> str:
        """Return what of the text so far is certain; nothing once a stop was found."""
        if self._found is not None:
            return ""
        if not self._stops:
            return text
        whole = self._held + text
        for place, letter in enumerate(text, start=len(self._held) + 1):
            complete = [stop for index, stop in enumerate(self._stops) if self._step(index, letter)]
            if complete:
                self._found = max(complete, key=len)
                self._held = ""
                return whole[: place - len(self._found)]
        certain = len(whole) - max(self._matched)
        self._held = whole[certain:]
        return whole[:certain]

    def end(self) -> str:
        """Return what waited: no stop comes any more."""
        text, self._held = self._held, ""
        return text

    def _step(self, index: int, letter: str) -> bool:
        """Go on by a letter (Knuth, Morris, Pratt). Whether the stop is complete."""
        stop, borders, matched = self._stops[index], self._borders[index], self._matched[index]
        while matched and stop[matched] != letter:
            matched = borders[matched - 1]
        matched += stop[matched] == letter
        self._matched[index] = matched
        return matched == len(stop)


def _borders(stop: str) -> list[int]:
    """For each beginning of a text its longest end that is a shorter beginning of it too."""
    borders = [0]
    for letter in stop[1:]:
        border = borders[-1]
        while border and stop[border] != letter:
            border = borders[border - 1]
        borders.append(border + (stop[border] == letter))
    return borders
