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
    commit, refused = ChainStore._journal_commit, []

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
