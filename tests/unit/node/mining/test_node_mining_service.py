"""Mining on the event loop: which template is searched when, and what becomes of tickets."""

from pathlib import Path

import pytest

from esper.node.chain.recent_usefulness import usefulness_per_mille
from esper.node.events import ProveHandedIn
from esper.node.mining.mining_service import REFRESH_S, MinedStale
from esper.primitives.ids import Txid
from tests.support.node.heard_events import heard
from tests.support.node.mining_world import mining, payee_at, searched
from tests.support.node.node_world import go, jump, pay, rest, until
from tests.support.vm_world import BOB, CAROL, MINER, address


def test_a_new_tip_is_followed_at_once(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            for _ in range(3):
                count = len(world.searcher.jobs)
                await world.others_turn()
                await rest()
                assert len(world.searcher.jobs) == count + 1
                assert searched(world) == world.node.chain.tip

    go(main)


def test_content_is_followed_at_most_once_in_a_while(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            count = len(world.searcher.jobs)
            empty = world.searcher.job.pre.tx_root
            await world.send(BOB, pay(CAROL))
            await world.send(BOB, pay(CAROL))
            await rest()
            jump(REFRESH_S - 0.01)
            await rest()
            assert len(world.searcher.jobs) == count
            jump(0.02)
            await rest()
            assert len(world.searcher.jobs) == count + 1
            assert world.searcher.job.pre.tx_root != empty
            # And the next news, again after a while.
            await world.send(BOB, pay(CAROL))
            await rest()
            assert len(world.searcher.jobs) == count + 1
            jump(REFRESH_S + 0.01)
            await rest()
            assert len(world.searcher.jobs) == count + 2

    go(main)


def test_what_a_payee_handed_in_is_followed_as_content_is(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            count = len(world.searcher.jobs)
            world.node.events.publish(ProveHandedIn(Txid(bytes(64))))
            await rest()
            jump(REFRESH_S + 0.01)
            await rest()
            assert len(world.searcher.jobs) == count + 1

    go(main)


def test_a_ticket_is_proven_and_joins_and_the_search_goes_on(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            height, count = world.height, len(world.searcher.jobs)
            world.prover.hold("prove_work")
            await world.searcher.find()
            await rest()
            assert world.service.doing == "proving a block"
            # Another template of this parent would be worth nothing.
            jump(REFRESH_S + 0.01)
            await world.send(BOB, pay(CAROL))
            jump(REFRESH_S + 0.01)
            await rest()
            assert len(world.searcher.jobs) == count
            world.prover.release("prove_work")
            await until(lambda: world.height == height + 1)
            await rest()
            assert searched(world) == world.node.chain.tip
            assert world.service.doing == f"searching for block {height + 2}"
            rates = world.service.statistics.rates()
            assert (rates.found, rates.stale) == (1, 0)
            assert payee_at(world, height + 1) == address(MINER)

    go(main)


def test_two_tickets_of_one_parent_are_proven_once(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            first = world.searcher.job
            await world.send(BOB, pay(CAROL))
            await rest()
            jump(REFRESH_S + 0.01)
            await rest()
            assert world.searcher.job.number == first.number + 1
            world.prover.hold("prove_work")
            await world.searcher.find(first)
            await world.searcher.find()
            await rest()
            assert world.prover.asked.count("prove_work") == 1
            world.prover.release("prove_work")
            await rest()
            assert world.prover.asked.count("prove_work") == 1

    go(main)


def test_somebody_else_s_block_during_a_proof(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            height = world.height
            world.prover.hold("prove_work")
            await world.searcher.find()
            await rest()
            other = await world.others_turn()
            await rest()
            # Rivals that come far apart draw no lots: the first one stays.
            jump(60)
            # The search goes on at the new tip while the proof is made.
            assert searched(world) == other.header.block_id == world.node.chain.tip
            assert world.service.doing == f"searching for block {height + 2}"
            seen = set(world.node.manager.known.headers)
            with world.node.events.subscribe(MinedStale) as stale:
                world.prover.release("prove_work")
                await rest()
                [ours] = set(world.node.manager.known.headers) - seen
                assert await heard(stale) == [MinedStale(height + 1, ours)]
            assert world.node.chain.tip == other.header.block_id != ours
            rates = world.service.statistics.rates()
            assert (rates.found, rates.stale) == (0, 1)

    go(main)


def test_a_ticket_of_an_old_tip_is_not_proven(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            old = world.searcher.job
            await world.others_turn()
            await rest()
            await world.searcher.find(old)
            await rest()
            assert "prove_work" not in world.prover.asked
            assert world.service.statistics.rates().stale == 1

    go(main)


def test_a_template_for_the_old_payee_is_not_searched(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            old = world.searcher.job
            world.service.pay(address(BOB))
            await rest()
            assert world.searcher.job.pre.payee == address(BOB)
            await world.searcher.find(old)
            await rest()
            assert "prove_work" not in world.prover.asked
            await world.mine()
            assert payee_at(world, world.height) == address(BOB)

    go(main)


def test_calls_come_into_the_block_and_are_counted(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            await world.send_calls(50, 51)
            await rest()
            jump(REFRESH_S + 0.01)
            await rest()
            await world.mine()
            assert world.mining.control.standing().rates.calls_answered == 2
            assert usefulness_per_mille(world.node.chain.view) > 0
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_a_template_executes_nothing_that_its_draft_has_executed(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(*_: object) -> None:
        raise AssertionError("executed for the template")

    async def main() -> None:
        async with mining(datadir) as world:
            monkeypatch.setattr("esper.consensus.template.execute_block", again)
            await world.send(BOB, pay(CAROL))
            jump(REFRESH_S + 0.01)
            await rest()
            await world.mine(2)
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_the_provers_are_closed_in_the_end(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            provers = (world.prover, world.answerer)
        assert [prover.asked[-1] for prover in provers] == ["close", "close"]

    go(main)
