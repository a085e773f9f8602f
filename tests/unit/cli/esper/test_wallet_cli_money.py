"""Money and calls on the command line: sent, staked, replaced, signed elsewhere, asked, watched."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.block import proof_hash
from esper.primitives.networks import REGTEST
from esper.rpc import schema as s
from esper.rpc.client import NodeUnreachableError
from tests.support.vm_world import BOB, COIN
from tests.support.wallet.fake_wallet_node import FAKE_PROOF
from tests.support.wallet.wallet_console import Console, console, own_key

__all__ = ["console"]

OWN = own_key().address.to_text("resp")
OTHER = BOB.address.to_text("resp")


def bob(console: Console) -> int:
    return console.node.world.account(BOB).balance


def earning(console: Console) -> None:
    """The wallet has staked for a while, under rules that let it burn what it earned."""
    world = console.node.world
    rules = replace(REGTEST.credits, rate_per_staked_unit=1 << 32)
    world.params = replace(REGTEST, credits=rules)
    console.run("stake", "100")
    for _ in range(12):
        console.node.mine()


def test_send(console: Console) -> None:
    console.wallet()
    txid = console.run("send", OTHER, "1.5").strip()
    assert list(console.node.pending) == [txid]
    pending = console.run("balance")
    assert "going out  1.500" in pending
    console.node.mine()
    assert bob(console) == 150_000_000
    assert console.json("send", OTHER, "0.25", "--fee", "0.01")["replaced"] is None
    (waiting,) = console.node.pending.values()
    assert (waiting.fee, waiting.key, waiting.nonce) == (COIN // 100, b"", 1)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("send", OTHER, "1.123456789"), 2, "at most 8"),
        (("send", OTHER, "0"), 2, "nothing would move"),
        (("send", OTHER[:-1], "1"), 2, "address"),
        (("send", BOB.address.to_text("esp"), "1"), 2, "of regtest"),
        (("send", OTHER, "5000"), 1, "the balance is 1000 ESP, this needs 5000 ESP and 0.00"),
        (("send", OTHER, "0.00000001"), 1, "is new to the chain"),
        (("send", OTHER, "1", "--fee", "0.00000001"), 2, "at least"),
        (("send", OTHER, "1", "--from", "nobody"), 2, "no address called 'nobody'"),
        (("unstake", "1"), 1, "0 ESP are staked"),
        (("credits", "send", OTHER, "2"), 1, "stake some ESP"),
        (("call", "Hi", "--max-tokens", "200"), 2, "must be 1 to 127 after a prompt of 2 tokens"),
        (("call", "Hi"), 1, "stake some ESP"),
    ],
)
def test_refusals_are_sentences(
    console: Console, arguments: tuple[str, ...], status: int, says: str
) -> None:
    console.wallet()
    assert says in console.error(*arguments, status=status)
    assert console.node.pending == {}
    error = json.loads(console.error(*arguments, "--json", status=status))["error"]
    assert says in error["message"]
    assert error["name"].endswith("Error")


def test_a_terminal_is_asked_unless_told(console: Console) -> None:
    console.wallet()
    console.terminal, console.typed = True, ["n"]
    out, err = console.both("send", OTHER, "1", status=1)
    assert out == ""
    assert f"1 ESP to {OTHER}" in err
    assert "nothing was done" in err
    assert console.node.pending == {}
    console.typed = ["y"]
    console.run("send", OTHER, "1")
    console.run("send", OTHER, "1", "--yes")
    assert len(console.node.pending) == 2


def test_labels_choose_the_sender(console: Console) -> None:
    console.wallet()
    second = console.run("wallet", "address", "--new", "--label", "savings").split()[0]
    console.run("send", second, "10")
    console.node.mine()
    console.run("send", OTHER, "1", "--from", "savings")
    console.node.mine()
    assert console.node.world.account(own_key(1)).nonce == 1
    console.run("wallet", "label", OWN, "savings")
    said = console.error("send", OTHER, "1", "--from", "savings", status=2)
    assert "several addresses" in said


def test_stake_unstake_and_credits(console: Console) -> None:
    console.wallet()
    earning(console)
    assert "staked     100 ESP" in console.run("balance")
    assert "stake earns   1024 credits a block" in console.run("credits")
    assert console.json("credits")["accounts"][0]["credits"]["per_block"] == "1024000000"
    console.run("credits", "send", OTHER, "2")
    console.run("unstake", "40")
    console.node.mine()
    assert console.node.world.account(own_key()).stake == 60 * COIN


def test_a_node_of_another_network_is_refused(console: Console) -> None:
    console.wallet()
    console.node.genesis = "22" * 64
    for arguments in (("balance",), ("send", OTHER, "1"), ("call", "Hi"), ("history",)):
        assert "genesis 2222" in console.error(*arguments)


def test_no_node(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    console.wallet()

    def unreachable() -> s.Status:
        raise NodeUnreachableError("http://127.0.0.1:1/", "refused")

    monkeypatch.setattr(console.node, "status", unreachable)
    assert "no node answers at http://127.0.0.1:1/" in console.error("balance")
    error = json.loads(console.error("send", OTHER, "1", "--json"))["error"]
    assert error["name"] == "NodeUnreachableError"


def test_a_node_that_takes_another_transaction(console: Console) -> None:
    console.wallet()
    console.node.submit = lambda params: s.Submitted("00" * 64)  # type: ignore[method-assign]
    assert "ask another node" in console.error("send", OTHER, "1")


def test_what_the_node_refuses(console: Console) -> None:
    console.wallet()
    error = json.loads(console.error("tx", "00" * 64, "--json"))["error"]
    assert error["message"] == "there is no such transaction"
    assert error["data"]["code"] == -32002


def test_bump_and_cancel(console: Console) -> None:
    console.wallet()
    txid = console.run("send", OTHER, "1").strip()
    found = console.json("bump", txid)
    assert found["replaced"] == txid
    found = console.json("bump", found["txid"], "--fee", "0.1")
    assert console.node.pending[found["txid"]].fee == COIN // 10
    out, err = console.both("cancel", found["txid"])
    assert len(out.split()) == 1, "a script takes the id from it"
    assert f"in the place of {found['txid']}" in err
    console.node.mine()
    assert bob(console) == 0
    assert console.node.world.account(own_key()).nonce == 1


def test_signed_elsewhere(console: Console, tmp_path: Path) -> None:
    unsigned, signed = tmp_path / "t.unsigned", tmp_path / "t.signed"
    console.wallet()
    console.run("wallet", "watch", OWN, "--network", "regtest")
    console.run("build", "send", OTHER, "1.5", "--out", unsigned, "--wallet", "watch")
    document = json.loads(unsigned.read_text())
    assert document["summary"]["send"] == f"1.5 ESP to {OTHER}"
    # Whoever carries the file may lie about it: the bytes are what is shown and signed.
    document["summary"] = {"send": "0.1 ESP to yourself"}
    unsigned.write_text(json.dumps(document))
    online, console.node = console.node, None  # type: ignore[assignment]
    shown = console.run("sign", unsigned, "--out", signed, "--wallet", "main")
    assert f"1.5 ESP to {OTHER}" in shown
    assert "yourself" not in shown
    assert "exists" in console.error("sign", unsigned, "--out", signed, "--wallet", "main")
    assert "only watches" in console.error(
        "sign", unsigned, "--out", tmp_path / "x", "--wallet", "watch"
    )
    console.node = online
    txid = console.json("submit", signed)["txid"]
    assert txid in console.node.pending
    assert "unsigned transaction" in console.error("submit", unsigned)
    console.node.mine()
    assert bob(console) == 150_000_000
    console.node.genesis = "22" * 64
    assert "genesis 2222" in console.error("submit", signed)


@pytest.mark.parametrize("what", ["stake", "unstake", "credits"])
def test_every_kind_can_be_built(console: Console, tmp_path: Path, what: str) -> None:
    console.wallet()
    earning(console)
    unsigned, signed = tmp_path / "a", tmp_path / "b"
    arguments = [OTHER, "2"] if what == "credits" else ["2"]
    console.run("build", what, *arguments, "--out", unsigned)
    console.run("sign", unsigned, "--out", signed)
    console.run("submit", signed)
    console.node.mine()
    assert console.node.world.account(own_key()).nonce == 2


# --- calls ---


def test_a_call_is_waited_for(console: Console) -> None:
    console.wallet()
    earning(console)
    out, err = console.both("call", "Once upon a time", "--max-tokens", "8")
    assert "readable to everyone, for ever" in err
    assert "costs at most 0.00074 credits at a bid of 20 micro-credits a token; " in err
    assert "waiting before it: 3 calls, about 2 blocks" in err
    told = ["queued, 2 before it", "answering", "proving", "not final yet", "proven", "in block 13"]
    places = [err.index(text) for text in told]
    assert places == sorted(places)
    lines = out.splitlines()
    assert lines[:3] == [
        " there was a fox",
        f"block 13  {'cd' * 64}",
        f"proof {proof_hash(FAKE_PROOF).hex()}",
    ]
    assert lines[3].startswith("proven  1 token of answer to a prompt of 5 tokens, at most 8")
    assert lines[-1] == "cost  0.00018 credits for 5 + 1 tokens"
    # It was said once; the wallet remembers.
    assert "for ever" not in console.both("call", "Again")[1]


def test_a_call_on_a_terminal(console: Console) -> None:
    console.wallet()
    earning(console)
    console.terminal, console.typed = True, ["n"]
    assert "nothing was done" in console.error("call", "Hi")
    assert console.node.pending == {}
    console.typed = ["y", "y"]
    out, err = console.both("call", "Hi")
    assert "there was a fox" in out
    assert "0.00132 credits at most" in err
    console.typed = ["y"]
    console.run("call", "Hi")
    assert console.typed == []
    console.run("call", "Hi", "--yes")


def test_yes_accepts_that_prompts_are_public(console: Console) -> None:
    console.wallet()
    earning(console)
    console.terminal = True
    console.run("call", "Hi", "--yes", "--no-wait")
    assert json.loads((console.datadir / "wallets/main.json").read_text())["prompts_are_public"]


def test_calls_for_programs(console: Console) -> None:
    console.wallet()
    earning(console)
    found = console.json("call", "Hi", "--bid", "30", "--chat")
    assert (found["status"], found["price"], found["answer"]) == (
        "answered",
        30,
        " there was a fox",
    )
    assert console.json("call", "Hi", "--no-wait")["status"] == "queued"


def test_ctrl_c_leaves_the_call_running(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    console.wallet()
    earning(console)

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("esper.cli.esper.environment.sleep", interrupted)
    _, err = console.both("call", "Hi")
    (txid,) = console.node.pending
    assert f"esper tx {txid}" in err
    shown = console.run("tx", txid)
    assert "status    pending" in shown
    assert "call      answering" in shown


@pytest.mark.parametrize(
    ("status", "says"), [("dropped", "its nonce was used"), ("lapsed", "credits are back")]
)
def test_a_call_that_comes_to_nothing(console: Console, status: str, says: str) -> None:
    console.wallet()
    earning(console)
    console.node.last_status = status
    assert says in console.error("call", "Hi")


# --- looking ---


def test_balance_tells_its_age(console: Console) -> None:
    console.wallet()
    assert console.run("balance").startswith("as of height 0\n")
    console.node.synced = False
    console.node.immature = (s.Release(7, "5000000000"),)
    console.node.unbonding = (s.Release(9, "100000000"),)
    out = console.run("balance")
    assert out.startswith("as of height 0, not synced: the tip is 3 hours old\n")
    assert "immature   50 ESP until height 7" in out
    assert "unbonding  1 ESP until height 9" in out
    found = console.json("balance")
    assert found["available"] == "100000000000"
    assert found["as_of"] == {"height": 0, "synced": False}


def test_history(console: Console) -> None:
    console.wallet()
    assert "nothing happened" in console.run("history")
    console.node.history_events = (
        s.Event(8, 1_793_491_200_000, "aa" * 64, "sent", "150000000", "20000", OTHER),
        s.Event(9, 1_793_491_200_000, "bb" * 64, "called", "1500000", "0", ""),
        s.Event(7, 1 << 80, "", "mined", "5000000000", "0", ""),
    )
    lines = console.run("history").splitlines()
    assert [line.split()[0] for line in lines] == ["9", "8", "7"]
    assert "2026-11-01 00:00:00  called           1.5 credits" in lines[0]
    assert "1.5 ESP, fee 0.0002 ESP" in lines[1]
    shown = console.run("history", OTHER, "--limit", 1)
    assert f"more: esper history {OTHER} --limit 1 --before 00000009" in shown
    assert console.json("history")["history"][OWN]["cursor"] is None


def test_the_chain_needs_no_wallet(console: Console) -> None:
    status = console.run("status")
    assert status.startswith("regtest, as of height 0\n")
    assert "12.3 %" in status
    assert console.json("status")["height"] == 0
    assert "tier 0" in console.run("models")
    assert "height 7" in console.error("block", "7")
    for text in ("x", "00" * 65, "1.5", "1234567z", "0" * 127 + "g"):
        assert "hex digits" in console.error("block", text, status=2)
        assert "hex digits" in console.error("tx", text, status=2)


def test_blocks_and_transactions(console: Console) -> None:
    console.wallet()
    txid = console.run("send", OTHER, "1").strip()
    console.node.mine()
    shown = console.run("tx", txid)
    assert "status    confirmed" in shown
    assert f"to        {OTHER}  1 ESP" in shown
    block = console.run("block", "1")
    assert txid[:16] in block
    assert "proof pruned" in block
    assert console.json("block")["height"] == 1
    assert console.json("block", "cd" * 64)["height"] == 1
    earning(console)
    txid = console.run("call", "Hi", "--no-wait").strip()
    for _ in range(5):
        shown = console.run("tx", txid)
    assert "there was a fox" in shown
    assert "proof     9999" in shown


def test_nothing_that_a_node_says_steers_the_terminal(console: Console) -> None:
    console.wallet()
    assert "\x1b" not in console.run("block", "0")
    assert "Hi \ufffd[31m" in console.run("block", "0")
    earning(console)
    console.node.answer_text = "\x1b]0;owned\x07 \u202e"
    out, err = console.both("call", "Hi")
    assert not set("\x1b\x07\u202e") & set(out + err)


def test_options_that_cannot_be_meant(console: Console) -> None:
    for arguments in ((), ("send",), ("send", OTHER, "1", "--expires", "0"), ("frob",)):
        result: Any = console.both(*arguments, status=2)
        assert result


def test_a_node_that_mines_on_demand_is_not_said_to_mine(console: Console) -> None:
    assert "mining      when blocks are asked for: `esperd generate`" in console.run("status")
