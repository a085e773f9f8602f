"""Ids by their first digits, and the small words of the wallet's commands."""

import json
from pathlib import Path

import msgspec

from esper.rpc import schema as s
from esper.rpc.client import NodeError
from esper.rpc.errors import NOT_FOUND
from tests.support.wallet.wallet_console import Console, console
from tests.unit.cli.esper.test_wallet_cli_money import OTHER

__all__ = ["console"]


def test_the_first_digits_of_an_id_will_do(console: Console) -> None:
    console.wallet()
    txid = console.run("send", OTHER, "1").strip()
    assert txid in console.run("tx", txid[:8])
    assert txid in console.run("tx", txid[:17].upper())
    fresh = console.run("bump", txid[:16]).strip()
    gone = console.run("tx", txid[:16])
    assert f"replaced  by {fresh}" in gone
    assert "from" not in gone, "no empty fields"
    last = console.run("cancel", fresh[:9]).strip()
    assert "only one that waits" in console.error("bump", fresh[:16])
    console.node.mine()
    assert json.loads(console.run("tx", last[:10], "--json"))["transaction"]["txid"] == last
    for short in (txid[:7], "12 45678", "x" * 8):
        assert "first 8" in console.error("tx", short, status=2)
        assert "first 8" in console.error("bump", short, status=2)
        assert "first 8" in console.error("cancel", short, status=2)


def test_a_node_that_gives_another_transaction_is_not_believed(console: Console) -> None:
    console.wallet()
    txid = console.run("send", OTHER, "1").strip()
    honest = console.node.transaction

    def mistaken(params: s.TransactionParams) -> s.TransactionReply:
        return honest(s.TransactionParams(txid))

    console.node.transaction = mistaken  # type: ignore[method-assign]
    other = "0" * 8 if not txid.startswith("0" * 8) else "1" * 8
    assert "another transaction" in console.error("tx", other)
    assert "another transaction" in console.error("bump", other)


def test_one_of_something_is_no_plural(console: Console) -> None:
    console.wallet()
    txid = console.run("send", OTHER, "1").strip()
    assert "waiting     1 transaction, 0 calls" in console.run("status")
    console.node.mine()
    assert "1 confirmation," in console.run("tx", txid)
    assert "1 confirmation\n" in console.run("block", "1")
    console.node.mine()
    assert "2 confirmations," in console.run("tx", txid)


def test_options_without_a_value_are_not_said_to_take_one(console: Console) -> None:
    for command in (("tx",), ("wallet", "new"), ("build", "call"), ()):
        assert "<bool>" not in console.run(*command, "--help")


def test_hints_can_be_pasted(console: Console, tmp_path: Path) -> None:
    console.wallet()
    console.wallet("second")
    unsigned = tmp_path / "pay.unsigned"
    out = console.run("build", "send", OTHER, "1", "--out", unsigned, "--wallet", "main")
    assert out.endswith(": esper sign pay.unsigned --out pay.signed\n")
    signed = tmp_path / "pay.signed"
    out = console.run("sign", unsigned, "--out", signed, "--wallet", "main")
    hint = out.splitlines()[-1].partition(": esper ")[2].split()
    txid = console.run(*hint).strip()
    assert txid in console.node.pending
    said = console.error("send", OTHER, "1", "--from", "nobody", "--wallet", "main", status=2)
    assert "--wallet main" in said


def test_digits_alone_are_a_height_or_else_the_beginning_of_a_hash(console: Console) -> None:
    console.node.mine()
    known = console.node.block(s.BlockParams(height=1))

    def block(params: s.BlockParams) -> s.BlockReply:
        if params.height in (1, 12_345_678) or params.hash in ("87654321", "abcdef01"):
            return known
        raise NodeError(NOT_FOUND, f"nothing at {params.height or params.hash}")

    console.node.block = block  # type: ignore[method-assign]
    for which in ("1", "12345678", "87654321", "abcdef01", "ABCDEF01"):
        assert console.run("block", which).startswith("block 1 ")
    assert "nothing at 2\n" in console.error("block", "2")
    assert "nothing at 11111111\n" in console.error("block", "11111111")


def test_block_0(console: Console) -> None:
    honest = console.node.block

    def genesis(params: s.BlockParams) -> s.BlockReply:
        assert params.height == 0
        empty = {"payee": "", "reward": "0", "size": 0, "transactions": [], "work": []}
        return msgspec.structs.replace(honest(s.BlockParams()), height=0, **empty)

    console.node.block = genesis  # type: ignore[method-assign]
    lines = console.run("block", "0").splitlines()
    assert [line.split()[0] for line in lines] == ["block", "time", "genesis"]
    assert console.json("block", "0")["height"] == 0


def test_a_transaction_says_what_its_evidence_took(console: Console) -> None:
    console.wallet()
    txid = console.run("send", OTHER, "1").strip()
    assert "taken" not in console.run("tx", txid)
    honest = console.node.transaction
    penalty = s.PenaltyReply("ab" * 64, OTHER, "1", "0", "30000000", "30000001", "15000000", "1")

    def accusing(params: s.TransactionParams) -> s.TransactionReply:
        return msgspec.structs.replace(honest(params), penalty=penalty)

    console.node.transaction = accusing  # type: ignore[method-assign]
    lines = console.run("tx", txid).splitlines()
    of = "0.00000001 ESP of rewards, 0.3 ESP of unbonding"
    assert f"taken     0.30000001 ESP from {OTHER}: {of}" in lines
    assert "paid      0.15 ESP to the accuser; 0.00000001 ESP burned" in lines
    told = console.json("tx", txid)["transaction"]["penalty"]
    assert (told["gateway"], told["stake"], told["taken"]) == (OTHER, "0", "30000001")
