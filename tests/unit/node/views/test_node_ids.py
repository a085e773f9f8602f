"""Ids by their first digits, the genesis, what waits for an address, and who replaced whom."""

from pathlib import Path
from typing import Any

import pytest

from esper.consensus.genesis import genesis_header
from esper.node.views.id_names import only_one
from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import Txid
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.vm.payload import Output
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from tests.support.node.node_world import PARAMS, go, node_world, pay
from tests.support.node.rpc_asking import refusal
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, FEE, address


def text(key: Any) -> str:
    return address_text(address(key), PARAMS)


def test_the_first_digits_name_a_transaction_wherever_it_is(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            sent = await world.send(BOB, pay(CAROL))
            [call] = await world.send_calls(50)
            for digits in (8, 9, 64, 127, 128):
                asked = s.TransactionParams(txid=sent.txid.hex()[:digits])
                assert (await world.ask(m.GET_TRANSACTION, asked)).txid == sent.txid.hex()
                asked = s.TransactionParams(txid=call.hex()[:digits])
                assert (await world.ask(m.GET_CALL, asked)).txid == call.hex()
            await world.others_turn(sent)
            asked = s.TransactionParams(txid=sent.txid.hex()[:9])
            there = await world.ask(m.GET_TRANSACTION, asked)
            assert (there.status, there.txid) == ("confirmed", sent.txid.hex())
            beaten = await world.send(CAROL, pay(BOB))
            await world.others_turn(world.signed(CAROL, pay(ALICE), nonce=beaten.nonce))
            asked = s.TransactionParams(txid=beaten.txid.hex()[:8])
            assert (await world.ask(m.GET_TRANSACTION, asked)).status == "dropped"
            error = await refusal(
                world.ask(m.GET_TRANSACTION, s.TransactionParams(txid="0123456789"))
            )
            assert (error.code, "no transaction 0123456789…" in error.message) == (
                e.NOT_FOUND,
                True,
            )

    go(main)


def test_too_few_digits_are_no_name() -> None:
    for method, field in ((m.GET_TRANSACTION, "txid"), (m.GET_CALL, "txid"), (m.GET_BLOCK, "hash")):
        for wrong in ("1234567", "0" * 129, "12345678\n", "ABCDEF01", "x" * 8):
            with pytest.raises(e.RpcError) as error:
                method.read({field: wrong})
            assert error.value.data == {"field": field}


def test_several_names_are_told() -> None:
    names = [Txid(b"\xab\xcd\xef\x01" + bytes([number]) * 60) for number in range(7)]
    with pytest.raises(e.RpcError) as error:
        only_one("abcdef01", names, "transactions", "txid")
    assert "several transactions begin with abcdef01" in error.value.message
    assert error.value.message.count("…") == 5
    assert error.value.data["field"] == "txid"  # type: ignore[index]
    assert only_one("abcdef01", names[:1], "transactions", "txid") == names[0]


def test_the_first_digits_name_a_block(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            whole = await world.ask(m.GET_BLOCK, s.BlockParams(height=5))
            for digits in (8, 9, 127, 128):
                asked = s.BlockParams(hash=whole.hash[:digits])
                assert await world.ask(m.GET_BLOCK, asked) == whole

    go(main)


def test_the_genesis_is_block_0(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            found = await world.ask(m.GET_BLOCK, s.BlockParams(height=0))
            header = genesis_header(PARAMS)
            assert found.hash == header.block_id.hex()
            assert (found.height, found.confirmations) == (0, 13)
            assert found.parent == "00" * 64
            assert found.state_root == header.pre.state_root.hex()
            assert found.time_ms == PARAMS.genesis_time_ms
            assert found.target == header.pre.target.hex()
            assert (found.transactions, found.work, found.payee) == ([], [], "")
            first = await world.ask(m.GET_BLOCK, s.BlockParams(height=1))
            assert first.parent == found.hash
            for digits in (8, 128):
                asked = s.BlockParams(hash=found.hash[:digits])
                assert await world.ask(m.GET_BLOCK, asked) == found

    go(main)


def test_an_empty_chain_has_block_0_as_its_tip(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, wanted=0) as world:
            found = await world.ask(m.GET_BLOCK, s.BlockParams())
            assert (found.height, found.confirmations) == (0, 1)
            error = await refusal(world.ask(m.GET_BLOCK, s.BlockParams(height=1)))
            assert "blocks here are 0 alone" in error.message

    go(main)


def test_a_submit_replaces_only_what_it_names(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            first = await world.send(BOB, pay(CAROL))
            other = world.signed(BOB, pay(ALICE), nonce=first.nonce, fee=3 * FEE)

            def asked(replaces: list[str] | None) -> s.SubmitParams:
                return s.SubmitParams(other.to_bytes().hex(), replaces)

            for replaces in ([], ["ab" * 64]):
                error = await refusal(world.ask(m.SUBMIT_TRANSACTION, asked(replaces)))
                assert error.code == e.REFUSED
                assert error.data == {
                    "rule": "NonceWaitsError",
                    "retry": True,
                    "waiting": first.txid.hex(),
                }
                assert "nothing was replaced" in error.message
            assert first.txid in world.node.mempool.pool
            # What waits already is no replacement of itself.
            again = s.SubmitParams(first.to_bytes().hex(), [])
            assert (await world.ask(m.SUBMIT_TRANSACTION, again)).replaced is None
            said = await world.ask(m.SUBMIT_TRANSACTION, asked([first.txid.hex()]))
            assert said.replaced == first.txid.hex()
            gone = await world.ask(m.GET_TRANSACTION, s.TransactionParams(first.txid.hex()))
            assert (gone.status, gone.replaced_by) == ("dropped", other.txid.hex())
            assert (gone.kind, gone.sender, gone.nonce) == ("transfer", text(BOB), first.nonce)
            assert (gone.fee, gone.size) == (str(FEE), len(first.to_bytes()))
            assert gone.expiry == first.expiry

    go(main)


def test_what_waits_for_an_address(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            twice = Transfer((Output(address(CAROL), COIN), Output(address(CAROL), 2 * COIN)))
            sent = await world.send(BOB, twice)
            staked = await world.send(BOB, Stake(5 * COIN))
            own = await world.ask(m.GET_PENDING, s.AccountParams(text(BOB)))
            assert own.events == [
                s.PendingEvent(
                    sent.txid.hex(), "sent", str(3 * COIN), str(FEE), text(CAROL), sent.nonce,
                    sent.expiry,
                ),
                s.PendingEvent(
                    staked.txid.hex(), "staked", str(5 * COIN), str(FEE), "", staked.nonce,
                    staked.expiry,
                ),
            ]  # fmt: skip
            [coming] = (await world.ask(m.GET_PENDING, s.AccountParams(text(CAROL)))).events
            assert (coming.what, coming.amount, coming.fee) == ("received", str(3 * COIN), "0")
            assert coming.other == text(BOB)
            [call] = await world.send_calls(50)
            [called] = (await world.ask(m.GET_PENDING, s.AccountParams(text(ALICE)))).events
            assert (called.txid, called.what) == (call.hex(), "called")
            assert int(called.amount) > 0

    go(main)


def test_any_event_can_begin_a_page(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            for _ in range(3):
                await world.others_turn(world.signed(CAROL, pay(BOB)))
            asked = s.HistoryParams(text(CAROL), limit=200)
            whole = (await world.ask(m.GET_HISTORY, asked)).events
            assert len(whole) >= 6
            for number, event in enumerate(whole):
                asked = s.HistoryParams(text(CAROL), limit=200, before=event.cursor)
                page = await world.ask(m.GET_HISTORY, asked)
                assert page.events == whole[number + 1 :]

    go(main)
