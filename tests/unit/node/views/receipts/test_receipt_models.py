"""Receipts of models that the network did not begin with."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from esper.dao.registry import Puzzle
from esper.dao.schedule import Activation, Scheduled
from esper.node.calls.text_service import TextService
from esper.node.views.receipts.stored_anchor import (
    HeadersMissingError,
    NotInStateError,
    StoredAnchor,
)
from esper.node.views.receipts.stored_source import ModelUnknownError, StoredSource
from esper.primitives.ids import ModelId
from esper.receipts.form import decode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.links.model import model_bytes
from esper.receipts.parts import BURIED
from esper.receipts.ports import NamedModel
from esper.receipts.verdict import EXIT_PROVEN
from esper.storage.history.history_records import Place
from esper.vm.llm_call import LlmCall
from esper.vm.records import tier_path
from tests.support.node.node_world import PARAMS, SpelledText, copied, go, node_world, running
from tests.support.node.receipt_asking import around, receipt_of, refused
from tests.support.node.rotation_world import (
    NEW,
    NEW_ONE,
    OLD_ONE,
    confirmed_by_block,
    rotating,
)
from tests.support.node.rpc_asking import mined_with_what_waits
from tests.support.receipt_world import FakeJudge
from tests.support.vm_world import ALICE

TEXTS = TextService(
    dict.fromkeys((PARAMS.model.model_id, NEW.model.model_id), SpelledText())  # type: ignore[arg-type]
)


def test_a_model_that_came_by_a_vote(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = NamedModel(NEW.model, NEW.puzzle)

    async def main() -> None:
        async with rotating(copied(grown, tmp_path / "n"), texts=TEXTS) as node:
            world = node.world
            confirms, active = node.height + 1, node.height + 4
            confirmed_by_block(monkeypatch, confirms, Scheduled(active, Activation(NEW, 0)))
            await node.mine(OLD_ONE, active - 1)
            call = LlmCall(NEW.model.model_id, (1, 50), 8, PARAMS.credits.minimum_bid)
            sent = await world.send(ALICE, call)
            await node.mine(NEW_ONE, active + 1 + 2 * BURIED)
            reply = await receipt_of(world, sent.txid)
            assert reply.height in (active, active + 1)
            receipt = decode_receipt(reply.receipt.encode())
            assert receipt.models == (model_bytes(named),)
            # The state knows nothing of this schedule: an anchor would not show the model.
            assert receipt.anchor is None
            assert "left its tier" in reply.lacking
            error = await refused(world, sent.txid, anchor=True)
            assert error.data == {"status": "no_anchor"}
            chain = world.node.chain
            at: Any = SimpleNamespace(answered=Place(reply.height, 0))
            source = StoredSource(chain.view, at, TEXTS, chain.headers_of)
            assert source.model(NEW.model.model_id, active) == named
            with pytest.raises(ModelUnknownError):
                source.model(NEW.model.model_id, active - 1)
            with pytest.raises(HeadersMissingError, match="reindex"):
                StoredSource(chain.view, at, TEXTS, lambda _: None).model(
                    NEW.model.model_id, active
                )
            anchor = StoredAnchor(
                chain.view, node.height, chain.view.store.state, at.answered, chain.headers_of
            )
            anchor.prove(tier_path(0))
            with pytest.raises(NotInStateError):
                anchor.prove(tier_path(200))
            trusting = replace(around(world), models=[named], judge=FakeJudge(NEW.model))
            verdict = judge_bytes(reply.receipt.encode(), trusting)
            assert verdict.exit_code == EXIT_PROVEN, verdict.links

    go(main)


def test_the_anchor_names_a_model_that_genesis_does_not(grown: Path, tmp_path: Path) -> None:
    """The node looks at its chain as one that began with another model."""
    stranger = replace(PARAMS.model, model_id=ModelId(b"s" * 64))
    strange = replace(PARAMS, model=stranger)

    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "n")) as world:
            [call] = await world.send_calls(50)
            async with running(world):
                await mined_with_what_waits(world)
            for _ in range(2 * BURIED):
                await world.others_turn()
            chain = world.node.chain
            chain._view = replace(chain._view, params=strange)
            reply = await receipt_of(world, call, anchor=True)
            receipt = decode_receipt(reply.receipt.encode())
            assert receipt.models == (
                model_bytes(NamedModel(PARAMS.model, Puzzle.of(PARAMS.puzzle))),
            )
            assert receipt.anchor is not None
            assert len(receipt.anchor.tiers) == 1
            known = around(world)
            judging = replace(known, networks={strange.name: (strange, world.genesis)})
            verdict = judge_bytes(reply.receipt.encode(), judging)
            assert verdict.exit_code == EXIT_PROVEN, verdict.links
            assert verdict.status("chain") == verdict.status("paid") == "ok"
            [said] = [link.detail for link in verdict.links if link.name == "model"]
            assert said == "tier 0, by the anchor"

    go(main)
