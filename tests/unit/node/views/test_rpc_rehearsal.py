"""`dao_rehearsal`, and a Prove that `submit_transaction` takes for the next own block."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import trio

from esper.node.mining.ready_errors import OtherPayeeError
from esper.node.views.dao.dao_views import DaoViews
from esper.node.views.pool_views import PoolViews
from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import txid_of
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.vm.governance.prove import Prove
from esper.vm.payload import Output
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from tests.support.node.node_world import go, node_world
from tests.support.node.ready_world import FIRST, PARAMS, REWARD, DeskWorld, signed
from tests.support.node.rpc_asking import refusal, text
from tests.support.vm_world import ALICE, BOB, COIN, address

T = TypeVar("T")
AS_OF = s.AsOf(0, True)
ASKED = s.RehearsalParams(FIRST.hex(), address_text(address(ALICE), PARAMS))


class Views:
    """The views over a desk, and a mempool that notes what it is given."""

    def __init__(self) -> None:
        self.world = DeskWorld()
        self.prove = self.world.wait()
        self.pooled: list[bytes] = []
        chain: Any = self.world
        mempool: Any = SimpleNamespace(submit=self._pool)
        sync: Any = SimpleNamespace(as_of=lambda _: AS_OF)
        history: Any = None
        self.dao = DaoViews(chain, sync, history, self.world.desk)
        self.pool = PoolViews(chain, mempool, lambda: 0, self.world.desk)

    async def _pool(self, data: bytes, replaces: object) -> Any:
        self.pooled.append(data)
        return SimpleNamespace(txid=FIRST, replaced=None)

    async def submit(self, transaction: Transaction) -> s.Submitted:
        return await self.pool.submit(s.SubmitParams(transaction.to_bytes().hex(), []))


def ran(asked: Awaitable[T]) -> T:
    async def main() -> T:
        return await asked

    return trio.run(main)


def test_what_is_asked_for_makes_what_is_taken() -> None:
    views = Views()
    found = ran(views.dao.rehearsal(ASKED))
    assert (found.number, found.id, found.nonce) == (1, FIRST.hex(), 0)
    assert (found.reward_height, found.signed, found.lapsed) == (REWARD, None, "")
    assert found.last_height == REWARD + PARAMS.reward.maturity - 1
    assert found.as_of == AS_OF
    prove = Prove(1, txid_of(found.id), found.room, bytes.fromhex(found.body))
    transaction = signed(prove, nonce=found.nonce)
    taken = ran(views.submit(transaction))
    assert taken == s.Submitted(transaction.txid.hex(), None)
    assert views.world.handed.of(views.prove) == transaction
    # It is nobody else's to have: the mempool, which tells others, never sees it.
    assert views.pooled == []
    assert ran(views.dao.rehearsal(ASKED)).signed == transaction.txid.hex()


def test_all_other_kinds_go_to_the_mempool() -> None:
    views = Views()
    transfer = signed(Transfer((Output(address(BOB), COIN),)))
    ran(views.submit(transfer))
    assert views.pooled == [transfer.to_bytes()]


def test_why_nothing_is_offered_is_told() -> None:
    asked = s.RehearsalParams(FIRST.hex(), address_text(address(BOB), PARAMS))
    error = ran(refusal(Views().dao.rehearsal(asked)))
    assert error.code == e.REFUSED
    assert error.data == {"rule": "OtherPayeeError", "retry": False}
    assert error.message == str(OtherPayeeError())


@pytest.mark.parametrize(
    ("break_it", "rule", "retry"),
    [
        ("waits no more", "NotRehearsedError", True),
        ("false proof", "AuditProofViolation", False),
        ("gap", "NonceGapViolation", True),
    ],
)
def test_why_nothing_is_taken_is_told(break_it: str, rule: str, retry: bool) -> None:
    views = Views()
    transaction = signed(views.prove, nonce=int(break_it == "gap"))
    waiting = views.world.proofs.waiting
    if break_it == "waits no more":
        waiting.clear()
    if break_it == "false proof":
        waiting[FIRST] = _with_false_proof(waiting[FIRST])
    error = ran(refusal(views.submit(transaction)))
    assert error.code == e.REFUSED
    assert error.data == {"rule": rule, "retry": retry}


def _with_false_proof(rehearsal: Any) -> Any:
    return replace(rehearsal, proof=b"x" * len(rehearsal.proof))


def test_a_node_that_does_not_mine_has_nothing_and_takes_nothing(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            asked = s.RehearsalParams("ab" * 8, text(ALICE))
            error = await refusal(world.ask(m.DAO_REHEARSAL, asked))
            assert error.code == e.NOT_MINING
            data = signed(DeskWorld().wait()).to_bytes().hex()
            error = await refusal(world.ask(m.SUBMIT_TRANSACTION, s.SubmitParams(data, [])))
            assert (error.data or {})["rule"] == "NotMinedHereError"

    go(main)


def test_a_mining_node_knows_its_payee(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=0, payee=ALICE) as world:
            asked = s.RehearsalParams("ab" * 8, text(ALICE))
            error = await refusal(world.ask(m.DAO_REHEARSAL, asked))
            assert error.code == e.NOT_FOUND
            for key, rule in ((BOB, "OtherPayeeError"), (ALICE, "ProveTargetViolation")):
                prove = world.signed(key, DeskWorld().wait())
                data = prove.to_bytes().hex()
                error = await refusal(world.ask(m.SUBMIT_TRANSACTION, s.SubmitParams(data, [])))
                assert (error.data or {})["rule"] == rule

    go(main)
