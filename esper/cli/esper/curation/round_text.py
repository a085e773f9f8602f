"""Rounds of hidden sets as lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from esper.rpc.schema import RoundReply, Rounds, SetScore
from esper.wallet.amounts import esp_text


def rounds_text(found: Rounds) -> list[str]:
    """Both rounds of a model, and who opened what."""
    return [line for one in found.rounds for line in _round(one)]


def _round(one: RoundReply) -> Iterator[str]:
    at = "" if one.height is None else f"at {one.height}: "
    yield f"round     {one.round}: {at}{one.words}"
    for scored in one.sets:
        yield from _set(scored)
    if one.rollback is not None:
        yield f"          the vote: {one.rollback[:16]}…"


def _set(one: SetScore) -> Iterator[str]:
    proven = sum(item.proven for item in one.drawn)
    right = sum(item.right for item in one.drawn)
    opened = sum(item.opened for item in one.drawn)
    yield (
        f"          set {one.set[:16]}…  {opened} of {len(one.drawn)} opened, {right} of {proven} "
        f"right, by {one.curator}"
    )
    if one.earned != "0" or one.burned != "0":
        yield f"          earned {esp_text(one.earned)}, burned {esp_text(one.burned)}"
