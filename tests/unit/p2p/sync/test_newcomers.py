"""Newcomers among two liars, as a search found them: they stayed on a lighter sound chain.

A liar's chain of few heavy blocks parts from the honest one about as deep as a node goes back. The
node was on the honest chain before, so it has all its blocks, more than the horizon; but the chain
changes over to what was left only when it is told to. Headers that relay overtook are among it.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.property.net.test_sync_machine import NewcomerMachine

LIAR = {"boasts": False, "delay": 5, "weight": 3_000}
Step = tuple[str, dict[str, Any]]
ONE: Step = ("grow", {"count": 1})

FIRST: tuple[Step, ...] = (
    ("begin", {"threads": 1, "stem": 2, "more": 51}),
    ("wait", {"ms": 15_000}),
    *(ONE,) * 5,
    ("grow", {"count": 3}),
    ("join_liar", {**LIAR, "count": 21, "kind": "bad state", "place": 0}),
    ("wait", {"ms": 500}),
    ("grow", {"count": 15}),
    ("join_liar", {**LIAR, "count": 14, "kind": "sound", "place": 28}),
)
SECOND: tuple[Step, ...] = (
    ("begin", {"threads": 2, "stem": 0, "more": 51}),
    ("wait", {"ms": 90_000}),
    ONE,
    ("join_liar", {**LIAR, "count": 26, "kind": "bad state", "place": 0}),
    ONE,
    ("wait", {"ms": 15_000}),
    ("grow", {"count": 16}),
    *(ONE,) * 3,
    ("join_liar", {**LIAR, "count": 17, "kind": "sound", "place": 34}),
)


@pytest.mark.parametrize("steps", [FIRST, SECOND], ids=["first", "second"])
def test_a_newcomer_ends_on_the_heaviest_sound_chain(steps: tuple[Step, ...]) -> None:
    machine = NewcomerMachine()
    for name, given in steps:
        getattr(machine, name)(**given)
        machine.bounded()
        machine.undone_as_deep_as_was_kept()
    machine.teardown()
