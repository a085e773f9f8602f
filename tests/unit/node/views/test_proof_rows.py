"""Rows of the proofs of old calls: those of their block, whatever votes have moved since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.cli.esper.calls.proof_checking import claim_of
from esper.consensus.ports import WorkClaim
from esper.dao.records import SettingValue, SettingValues
from esper.dao.registry import TierRegistry
from esper.dao.settings import ROWS_KEY
from esper.node.chain.chain_view import ChainView
from esper.node.views.proof_rows import claim_that_holds, rows_then
from esper.node.workers.native_work import NativeVerifier
from esper.primitives.ids import ModelId, Txid
from esper.prover import Statement, proof_file
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay
from tests.support.fake_work import FakeProver, FakeVerifier
from tests.support.golden_proofs import FOLDER
from tests.support.node.node_world import PARAMS, NodeWorld, copied, go, node_world, running
from tests.support.node.rpc_asking import mined_with_what_waits

ROWS = PARAMS.calls.rows_per_call
HEIGHT = 13
"""Of the block that answers."""
OTHER = ModelId(bytes(64))


def moved(view: ChainView, rows: int, height: int) -> ChainView:
    """As a vote leaves it that made rows_per_call this at a height."""
    state: Any = Overlay(view.state)
    values = SettingValues((SettingValue(ROWS_KEY, rows, height),), ())
    DaoLedger(Ledger(state)).set_settings(values)
    return replace(view, state=state)


def rotated(view: ChainView) -> ChainView:
    """The first tier has another model, of fewer positions."""
    (tier,) = view.context.registry.tiers
    model = replace(tier.model, model_id=OTHER, shape=replace(tier.model.shape, max_seq=32))
    tiers = TierRegistry((replace(tier, model=model),))
    return replace(view, context=replace(view.context, tip_registry=tiers))


def strangers(view: ChainView) -> ChainView:
    """No tier has the model of before, and the network did not begin with it."""
    found = rotated(view)
    model = found.context.registry.tiers[0].model
    params = replace(found.context.params, model=model)
    return replace(found, context=replace(found.context, params=params))


@contextmanager
def seen(world: NodeWorld, view: ChainView) -> Iterator[None]:
    """The node looks at this."""
    chain = world.node.chain
    before, chain._view = chain._view, view
    yield
    chain._view = before


async def proven(world: NodeWorld, txid: Txid) -> Statement:
    """The statement that a node hands out with a call's proof, which shows it."""
    reply = await world.ask(m.GET_PROOF, s.ProofParams(txid=txid.hex()))
    statement, _ = proof_file.decode(bytes.fromhex(reply.file))
    return statement


def test_a_proof_is_handed_out_by_the_rows_of_its_block(grown: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node")) as world, running(world):
            [call] = await world.send_calls(50)
            await mined_with_what_waits(world)
            view = world.node.chain.view
            assert view.context.height == HEIGHT
            for rows in (ROWS // 2, 2 * ROWS):
                for height in (HEIGHT, HEIGHT + 90):
                    with seen(world, moved(view, rows, height)):
                        assert (await proven(world, call)).rows == ROWS
            with seen(world, strangers(view)):
                assert (await proven(world, call)).rows == ROWS
            # It moved before that block: there is nothing to find out.
            with seen(world, moved(view, 2 * ROWS, HEIGHT - 1)):
                assert (await proven(world, call)).rows == 2 * ROWS

    go(main)


def test_rows_that_a_call_may_have_had(grown: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node"), mines=False) as world:
            view, model = world.node.chain.view, PARAMS.model.model_id
            assert rows_then(model, 1, view) == (ROWS,)
            assert rows_then(model, 8, moved(view, 2 * ROWS, 7)) == (2 * ROWS,)
            found = rows_then(model, 7, moved(view, 2 * ROWS, 7))
            assert found == (2 * ROWS, 4 * ROWS, ROWS, ROWS // 2)
            assert rows_then(model, 1, rotated(view)) == (ROWS,)
            assert rows_then(OTHER, 1, rotated(view)) == (32,)
            assert rows_then(OTHER, 7, moved(rotated(view), 2 * ROWS, 7)) == (32,)
            assert rows_then(model, 1, strangers(view)) == (ROWS, 64, 32, 16, 8, 4, 2)
            found = rows_then(model, 7, moved(strangers(view), 64, 7))
            assert found == (64, 512, 256, 128, 32, 16, 8, 4, 2)

    go(main)


def claim(rows: int) -> WorkClaim:
    return WorkClaim(PARAMS.model.model_id, bytes(64), rows, (), 1, (), ())


def test_one_claim_is_not_verified_again() -> None:
    verifier = FakeVerifier(PARAMS.model)
    assert claim_that_holds([claim(64)], b"", verifier) == claim(64)
    assert verifier.verified == 0


@pytest.mark.parametrize(("proof", "rows"), [(FakeProver().prove(claim(32)), 32), (b"", 64)])
def test_the_proof_says_which(proof: bytes, rows: int) -> None:
    claims = [claim(64), claim(128), claim(32), claim(16)]
    assert claim_that_holds(claims, proof, FakeVerifier(PARAMS.model)) == claim(rows)


@pytest.mark.parametrize("name", ["every_mode", "some_modes", "genesis", "smollm2"])
def test_the_verifier_takes_one_number_of_rows_alone(name: str) -> None:
    statement, proof = proof_file.read(FOLDER / f"{name}.proof")
    right = claim_of(statement)
    claims = [replace(right, rows=1 << bit) for bit in range(10, 0, -1)]
    assert len(claims) == len({one.rows for one in claims} | {right.rows})
    assert claim_that_holds(claims, proof, NativeVerifier()) == right
