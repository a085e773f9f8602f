"""A block whose parent this node lost is no fault of the peer that gave its header."""

from functools import partial
from pathlib import Path

import pytest

from esper.p2p.ports import Adopt
from esper.primitives.errors.rule_violation import Consequence
from esper.storage.chain_store import ChainStore
from esper.storage.errors import WriteFailedError
from tests.support.node.deep_world import DeepWorld, RealMakers


def test_a_parent_that_was_lost_here_blames_nobody(tmp_path: Path) -> None:
    makers = RealMakers()
    made = makers.chain(makers.genesis, 2)
    world = DeepWorld(tmp_path / "node", makers=makers)
    judge = partial(world.service.judging.judge, made[1].data, made[0].headers)
    judged = world._await(judge)
    adopted = world._await(partial(world.jobs.run, Adopt("key", (judged,))))
    world.close()
    assert adopted.failure.consequence is Consequence.RETRY
    assert adopted.failure.offence is None


def test_a_group_that_the_disk_refused_costs_no_peer_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sync looks at the tree while a group is being written, and the system refuses the group."""
    makers = RealMakers()
    tip = makers.chain(makers.genesis, 40)[-1]
    world = DeepWorld(tmp_path / "node", makers=makers)
    commit = ChainStore._journal_commit
    refused: list[int] = []

    def once(self: ChainStore) -> None:
        if world.tip.height >= 8 and not refused:
            refused.append(1)
            # Any event of the network meanwhile: an answer, a judged block.
            world._do(world.sync.on_time(world.now))
            raise WriteFailedError(self.datadir, "no space left on device")
        commit(self)

    monkeypatch.setattr(ChainStore, "_journal_commit", once)
    world.honest(tip)
    world.until(lambda: bool(refused), ms=120_000)
    world.run(30_000)
    found, blamed = world.tip, world.blamed
    world.close()
    assert blamed == []
    assert found is tip


def test_a_branch_that_finds_no_room_beside_the_chain_does_not_keep_a_node_busy_for_good(
    tmp_path: Path,
) -> None:
    """Its lead is tried again each second and never set aside: the node is never near again."""
    makers = RealMakers()
    stem = makers.chain(makers.genesis, 12)[-1]
    ours = makers.chain(stem, 4)[-1]
    theirs = makers.chain(stem, 12)
    world = DeepWorld(tmp_path / "node", makers=makers)
    world.current = True
    world.stand_on(ours)
    world._await(world.service.note_synced)
    world.restart()
    one = theirs[0].data
    world.disk.manager.known.branches.limit = 3 * len(one.header + one.body + one.proof) + 1_000
    number = world.honest(theirs[-1])
    world.until(lambda: len(world.disk.manager.known.branches.on_disk) >= 3, ms=120_000)
    world.leave(number)
    world.honest(ours)
    world.run(3_600_000)
    leads, state = world.sync.statistics().leads, world.sync.state
    world.close()
    assert (leads, state.near) == (0, True)
