"""Calls over an activation: they name own models, and lanes are answered by who may be mined."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from esper.dao.registry import ONE, Entry
from esper.dao.schedule import Activation, Scheduled
from esper.mempool.call_queue import CallBudget
from esper.node.calls.call_book import CallBook
from esper.node.calls.ready_calls import ReadyGroup
from esper.node.workers.call_answerer import OpenCall
from esper.node.workers.loadable import Loadable
from esper.primitives.ids import Txid
from esper.vm.llm_call import LlmCall
from tests.support.node.node_world import PARAMS, copied, go, grown_datadir, node_params, rest
from tests.support.node.rotation_world import (
    NEW,
    NEW_ONE,
    OLD,
    OLD_ONE,
    RotationCrew,
    RotationWorld,
    confirmed_by_block,
    rotating,
)
from tests.support.vm_world import ALICE, BOB

LONG = node_params(inline_answer_bytes=4, lane_expiry_blocks=6)
"""Every answer of more than a token or two is long."""
AFTER = 3
"""The activation comes so many blocks after the one that confirms it."""


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("grown"))


@pytest.fixture(scope="module")
def grown_long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("long"), LONG)


def call_to(entry: Entry, token: int = 50) -> LlmCall:
    return LlmCall(entry.model.model_id, (1, token), 8, PARAMS.credits.minimum_bid)


async def confirmed(node: RotationWorld, monkeypatch: pytest.MonkeyPatch) -> int:
    """The height of an activation that our next block confirms."""
    active = node.height + 1 + AFTER
    confirmed_by_block(monkeypatch, node.height + 1, Scheduled(active, Activation(NEW, 0)))
    await node.mine(OLD_ONE, node.height + 1)
    assert node.loaded() == {OLD_ONE, NEW_ONE}
    return active


def status(node: RotationWorld, call_id: Txid) -> str | None:
    found = node.world.calls.state(call_id)
    return None if found is None else found.status


def keep_all_that_waits(node: RotationWorld) -> None:
    """As a mempool that looks at nobody's line who is not touched: nothing leaves it."""
    chain = node.world.node.chain
    chain._followers = [one for one in chain._followers if one is not node.world.node.mempool]


def test_answers_of_the_old_model_are_let_go_and_the_new_one_answers(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rotating(copied(grown, tmp_path / "n")) as node:
            active = await confirmed(node, monkeypatch)
            keep_all_that_waits(node)
            old, new = node.crew.call_prover(OLD_ONE), node.crew.call_prover(NEW_ONE)
            old.hold("prove_calls")
            asked = await node.world.send(ALICE, call_to(OLD))
            await rest()
            assert status(node, asked.txid) == "proving"
            await node.mine(OLD_ONE, active - 1)
            # No block may hold it any more: neither its answer nor its proof is kept.
            assert status(node, asked.txid) is None
            old.release("prove_calls")
            await rest()
            assert node.world.desk.ready.groups == []
            assert old.asked == ["answer", "prove_calls"]
            later = await node.world.send(BOB, call_to(NEW))
            await rest()
            assert status(node, later.txid) == "proven"
            assert new.asked == ["answer", "prove_calls"]
            # Nobody works for the call to the old model, and it keeps nobody waiting.
            assert old.asked == ["answer", "prove_calls"]

    go(main)


def test_an_answer_that_comes_too_late_is_let_go(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rotating(copied(grown, tmp_path / "n")) as node:
            active = await confirmed(node, monkeypatch)
            keep_all_that_waits(node)
            old = node.crew.call_prover(OLD_ONE)
            old.hold("answer")
            asked = await node.world.send(ALICE, call_to(OLD))
            await rest()
            assert status(node, asked.txid) == "answering"
            await node.mine(OLD_ONE, active - 1)
            old.release("answer")
            await rest()
            assert status(node, asked.txid) is None
            assert old.asked == ["answer"]

    go(main)


def test_calls_to_two_tiers_are_answered_and_proven_apart(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = Entry(replace(NEW.model, tier=1), ONE, NEW.puzzle)
    side_one = Loadable.of(side)

    async def main() -> None:
        crew = RotationCrew(here={OLD_ONE, side_one})
        async with rotating(copied(grown, tmp_path / "n"), crew, tier=None) as node:
            active = node.height + 3
            comes = Scheduled(active, Activation(side, ONE // 4))
            confirmed_by_block(monkeypatch, active - 2, comes)
            await node.mine(OLD_ONE, active - 1)
            provers = {one: crew.call_prover(one) for one in (OLD_ONE, side_one)}
            for prover in provers.values():
                prover.hold("answer")
            calls = [
                await node.world.send(key, call_to(entry, token))
                for token in (50, 51)
                for key, entry in ((ALICE, OLD), (BOB, side))
            ]
            await rest()
            for prover in provers.values():
                prover.release("answer")
            await rest()
            assert [status(node, call.txid) for call in calls] == ["proven"] * 4
            for entry, prover in provers.items():
                own = [
                    call.txid
                    for call in calls
                    if isinstance(call.payload, LlmCall) and call.payload.model_id == entry.model_id
                ]
                assert sorted(prover.answered) == sorted(own)
                groups = [
                    ready
                    for ready in node.world.desk.ready.groups
                    if ready.group.model_id == entry.model_id
                ]
                said = [call for ready in groups for call in ready.calls]
                assert len(said) == 2
                assert {call.call.model_id for call in said} == {entry.model_id}
                assert prover.asked.count("prove_calls") == len(groups)

    go(main)


def test_calls_to_a_model_that_is_only_scheduled_are_not_answered(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rotating(copied(grown, tmp_path / "n")) as node:
            active = await confirmed(node, monkeypatch)
            asked = await node.world.send(ALICE, call_to(OLD))
            await rest()
            assert status(node, asked.txid) == "proven"
            assert node.crew.call_prover(NEW_ONE).asked == []
            # What is proven in time is in the last block of the old model.
            assert node.world.service.room.mined is not None
            assert active == node.height + AFTER

    go(main)


def test_a_lane_of_the_old_model_is_answered_by_the_old_model(
    grown_long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rotating(copied(grown_long, tmp_path / "n"), params=LONG) as node:
            active = await confirmed(node, monkeypatch)
            await node.mine(OLD_ONE, active - 2)
            old = node.crew.call_prover(OLD_ONE)
            old.hold("prove_lane")
            call = node.world.signed(ALICE, call_to(OLD))
            await node.world.others_turn(call, answers=[None])
            await rest()
            await node.mine(NEW_ONE, active)
            old.release("prove_lane")
            await rest()
            assert list(node.world.desk.ready.lanes) == [call.txid]
            assert old.asked == ["answer", "prove_lane"]
            assert "answer" not in node.crew.call_prover(NEW_ONE).asked

    go(main)


def test_a_book_forgets_what_other_models_said(grown: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with rotating(copied(grown, tmp_path / "n")) as node:
            await node.world.send(ALICE, call_to(OLD))
            await rest()
            [group] = node.world.desk.ready.groups
            [said] = group.calls
            assert isinstance(group, ReadyGroup)
            book = CallBook()
            book.ready.groups.append(group)
            book.ready.long_answers[said.call_id] = said
            book.keep_unproven([said])
            book.forget_models({OLD.model.model_id})
            assert (book.ready.groups, list(book.unproven)) == ([group], [said.call_id])
            assert list(book.ready.long_answers) == [said.call_id]
            book.forget_models({NEW.model.model_id})
            assert (book.ready.groups, book.unproven, book.ready.long_answers) == ([], {}, {})

    go(main)


def test_a_group_is_of_one_model(grown: Path, tmp_path: Path) -> None:
    """Two tiers: what the one said is never proven together with what the other said."""

    async def main() -> None:
        async with rotating(copied(grown, tmp_path / "n")) as node:
            desk, rules = node.world.desk, PARAMS.calls
            await node.world.send(ALICE, call_to(OLD))
            await node.world.send(BOB, call_to(OLD, 51))
            await rest()
            first, second = (call for group in desk.ready.groups for call in group.calls)
            other = type(second)(second.call_id, call_to(NEW), second.answer, second.logits)
            desk._book.unproven.clear()
            desk._book.keep_unproven([first, other])
            assert desk._next_group(rules) == [first]
            desk._book.unproven.pop(first.call_id)
            assert desk._next_group(rules) == [other]
            waiting = [OpenCall(first.call_id, call_to(entry)) for entry in (OLD, NEW)]
            assert desk._has_room([first], waiting[:1], rules)
            assert not desk._has_room([first], waiting[1:], rules)

    go(main)


def test_the_queue_is_asked_for_own_models_that_are_here(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rotating(copied(grown, tmp_path / "n")) as node:
            asked: list[Collection[bytes] | None] = []
            mempool = node.world.node.mempool
            choose = mempool._calls_of

            def noted(height: int, budget: CallBudget) -> object:
                asked.append(budget.models)
                return choose(height, budget)

            monkeypatch.setattr(mempool, "_calls_of", noted)
            active = await confirmed(node, monkeypatch)
            assert set(asked) == {frozenset({OLD.model.model_id})}
            await node.mine(OLD_ONE, active - 1)
            asked.clear()
            node.world.desk.wake()
            await rest()
            assert asked == [frozenset({NEW.model.model_id})]
            assert OLD.omega == NEW.omega == ONE

    go(main)
