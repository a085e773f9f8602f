"""How a node stands to its network, in words: the cause, and numbers where there are some."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from esper.node.chain.sync_state import why_not_connected
from esper.node.peers.standing import NetworkStanding
from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.service.peer_table import Left
from esper.p2p.sync.sync_state import Phase, SyncState

NOW = 100_000
NEAR = SyncState(
    phase=Phase.NEAR,
    near=True,
    parted=False,
    busy=False,
    owed=0,
    settled=True,
    height=7,
    target_height=7,
    blocks_per_s=0.0,
    seconds_left=None,
    words="at block 7",
)
CATCHING = replace(
    NEAR,
    phase=Phase.BLOCKS,
    near=False,
    settled=False,
    target_height=1_204,
    blocks_per_s=12.25,
    seconds_left=98,
    words="fetches",
)


def peer(*, outbound: bool = True, skew_ms: int = 0) -> Any:
    link = SimpleNamespace(outbound=outbound)
    return SimpleNamespace(connection=SimpleNamespace(link=link), skew_ms=skew_ms)


def gone(why: str, *, outbound: bool = True, at_ms: int = 60_000) -> Left:
    address = PeerAddress(ip_from_text("192.0.2.7"), 9333, bytes(38))
    return Left(address, outbound, at_ms, why)


def standing(
    state: SyncState = NEAR,
    peers: tuple[Any, ...] = (),
    left: tuple[Any, ...] = (),
    *,
    book: int = 0,
    static: tuple[Any, ...] = (),
    alone: bool = False,
    minimum_weight: int = 0,
    old_release: bool = False,
    own_fault: bool = False,
    trouble: str = "",
    mistakes: tuple[str, ...] = (),
) -> NetworkStanding:
    service: Any = SimpleNamespace(
        following=SimpleNamespace(state=state),
        table=SimpleNamespace(settled=lambda: list(peers), left=left),
        settings=SimpleNamespace(alone=alone, minimum_weight=minimum_weight, static=static),
        gate=SimpleNamespace(named=SimpleNamespace(mistakes=lambda static: list(mistakes))),
        parts=SimpleNamespace(
            book=[None] * book,
            plan=SimpleNamespace(static=()),
            penalties=SimpleNamespace(
                release_may_be_old=lambda now: old_release, is_own_fault=lambda now: own_fault
            ),
        ),
        chain_port=SimpleNamespace(tip=SimpleNamespace(weight=50)),
        steady=lambda: NOW,
        trouble=trouble,
    )
    return NetworkStanding(service)


@pytest.mark.parametrize(
    ("stands", "objection"),
    [
        (standing(peers=(peer(),)), ""),
        (standing(alone=True), ""),
        (standing(), "it knows no other node"),
        (standing(book=3), "nobody has answered yet"),
        (standing(static=(None,)), "nobody has answered yet"),
        (standing(peers=(peer(outbound=False),)), "(1 dialled this node, which does not count)"),
        (
            standing(left=(gone("went", outbound=False, at_ms=99_000), gone("late: no pong"))),
            "(40 seconds ago 192.0.2.7:9333: late: no pong)",
        ),
        (
            standing(peers=(peer(outbound=False),), left=(gone("not reached: refused"),)),
            "(1 dialled this node, which does not count; 40 seconds ago 192.0.2.7:9333: not reach",
        ),
        (
            standing(CATCHING, (peer(),)),
            "block 7 of 1204, 12.2 blocks a second, 98 seconds to go",
        ),
        (standing(replace(NEAR, busy=True), (peer(),)), "a better chain is being fetched"),
        (standing(replace(NEAR, owed=2), (peer(),)), "2 branches"),
        (standing(peers=(peer(),), minimum_weight=51), "weighs less"),
        (standing(peers=(peer(),), minimum_weight=50), ""),
    ],
)
def test_objections_name_their_cause(stands: NetworkStanding, objection: str) -> None:
    found = why_not_connected(stands)
    assert objection in found
    assert bool(objection) == bool(found)


def test_a_halt_is_told_in_its_own_words() -> None:
    halted = replace(NEAR, phase=Phase.HALTED, near=False, words="halted at block 7: why")
    assert standing(halted, (peer(),)).halted == "halted at block 7: why"
    assert standing(peers=(peer(),)).halted == ""


@pytest.mark.parametrize(
    ("skews", "words"),
    [
        ((40_000, 41_000, -90_000), "40 s behind"),
        ((-31_000, -31_000, -31_000), "31 s ahead of"),
        ((30_000, 30_000, 30_000), ""),
        ((90_000, 90_000), ""),
    ],
)
def test_a_clock_that_is_off_is_told_by_three_peers_of_our_choice(
    skews: tuple[int, ...], words: str
) -> None:
    strangers = tuple(peer(outbound=False, skew_ms=10**7) for _ in range(9))
    warnings = standing(peers=(*strangers, *(peer(skew_ms=one) for one in skews))).warnings()
    assert words in " ".join(warnings)
    assert bool(words) == bool(warnings)


def test_what_an_operator_should_see_to_is_told() -> None:
    assert "release may be old" in standing(old_release=True).warnings()[0]
    assert "nobody is blamed" in standing(own_fault=True).warnings()[0]
    assert standing(trouble="the disk is full").warnings() == (
        "blocks cannot be taken here: the disk is full",
    )
    assert standing(mistakes=("the configured peer",)).warnings() == ("the configured peer",)


def test_a_node_that_parted_from_its_peers_says_so_with_what_helps() -> None:
    (told,) = standing(replace(NEAR, parted=True), (peer(),)).warnings()
    assert "half of the outbound peers follow a heavier chain" in told
    assert "esperd resync" in told
    assert standing(peers=(peer(),)).warnings() == ()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (NEAR, ""),
        (replace(CATCHING, phase=Phase.ASKING), "fetches"),
        (replace(CATCHING, phase=Phase.HEADERS, blocks_per_s=0.0, seconds_left=None), "block 7 of"),
        (replace(CATCHING, target_height=3), "block 7 of 7, 12.2 blocks a second, 98 seconds to"),
    ],
    ids=["near", "asks", "headers", "further than any target"],
)
def test_its_words_say_what_it_does(state: SyncState, words: str) -> None:
    found = standing(state, (peer(),)).words
    assert found.startswith(words)
    assert bool(found) == bool(words)
