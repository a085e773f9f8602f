"""`esper call`: what is said before anything is signed, and a wait that ends."""

import json
from typing import Any

import msgspec
import pytest

from esper.cli.esper import environment as wallet_machine
from esper.rpc import schema as s
from esper.rpc.client import NodeAnswerError, NodeError, NodeUnreachableError
from esper.rpc.errors import INTERNAL_ERROR
from tests.support.wallet.wallet_console import Console, console
from tests.unit.cli.esper.test_wallet_cli_money import earning

__all__ = ["console"]

PAUSED = "mining is paused at this node: go on with `esperd resume`"


@pytest.fixture
def asking(console: Console) -> Console:
    console.wallet()
    earning(console)
    console.run("call", "First", "--no-wait", "--yes")
    console.node.mine()
    return console


# --- the prompt ---


def test_standard_input_is_the_prompt(asking: Console) -> None:
    for given, prompt in ((b"Hi\n", "Hi"), (b"Hi\r\n", "Hi"), ("Ü\n\nx".encode(), "Ü\n\nx")):
        seen: list[Any] = []
        usual = asking.node.estimate_call

        def remembered(params: s.EstimateParams, usual: Any = usual, seen: Any = seen) -> Any:
            seen.append(params.text)
            return usual(params)

        asking.node.estimate_call = remembered  # type: ignore[method-assign]
        asking.run("call", "-", "--no-wait", given=given)
        assert seen == [prompt]


@pytest.mark.parametrize(
    ("typed", "given", "says"),
    [
        ("", b"", "the prompt is empty"),
        (" \n\t", b"", "the prompt is empty"),
        ("-", b"", "the prompt is empty"),
        ("-", b"\n", "the prompt is empty"),
        ("-", b"caf\xe9", "standard input is not UTF-8 (byte 3)"),
        ("-", b"a" * 65_537, "has 65537 characters, at most 65536"),
        ("-", b"a" * (4 * 65_536 + 1), "more than 262144 bytes"),
        ("a" * 65_537, b"", "has 65537 characters, at most 65536"),
        ("caf\udce9", b"", "is not UTF-8"),
    ],
)
def test_what_is_no_prompt_is_neither_charged_nor_published(
    asking: Console, typed: str, given: bytes, says: str
) -> None:
    for flags in ((), ("--json",)):
        out, err = asking.both("call", typed, "--no-wait", *flags, status=2, given=given)
        assert (out, says in err) == ("", True)
    assert json.loads(err)["error"]["name"] == "MisuseError"
    assert asking.node.pending == {}


def test_standard_input_that_is_closed(asking: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallet_machine, "standard_input", lambda most: b"")
    assert "the prompt is empty" in asking.error("call", "-", status=2)


def test_the_length_that_is_named_is_taken(asking: Console) -> None:
    told = asking.error("call", "Hi", "--max-tokens", 1000, status=2)
    assert "must be 1 to 127 after a prompt of 2 tokens on regtest" in told
    asking.run("call", "Hi", "--max-tokens", 127, "--no-wait")
    told = asking.error("call", "Hi", "--max-tokens", 128, status=2)
    assert "must be 1 to 127" in told
    # 4 characters a token at this node: 130 of them, and BOS.
    long = "a" * (4 * 130)
    told = asking.error("call", long)
    assert "the prompt has 131 tokens, regtest takes at most 128" in told
    assert "shorten it by 3" in told
    asking.run("call", long[: 4 * 127], "--max-tokens", 1, "--no-wait")
    told = asking.error("call", long[: 4 * 127], "--max-tokens", 2, status=2)
    assert "must be 1 to 1 after a prompt of 128" in told


# --- nobody answers ---


def test_that_nobody_answers_is_said_before_anything_is_signed(asking: Console) -> None:
    asking.node.answering = PAUSED
    told = asking.error("call", "Hi")
    assert told.startswith(f"nobody at this node would answer: {PAUSED}. The call would wait until")
    assert "--yes" in told
    assert "about" not in told
    error = json.loads(asking.error("call", "Hi", "--json"))["error"]
    assert error["name"] == "NobodyAnswersError"
    assert asking.node.pending == {}
    asking.terminal, asking.typed = True, ["n"]
    assert "nothing was done" in asking.error("call", "Hi")
    assert asking.node.pending == {}
    asking.typed = ["y", "y"]
    _, err = asking.both("call", "Hi", "--no-wait")
    assert f"nobody at this node would answer: {PAUSED}" in err
    assert len(asking.node.pending) == 1


def test_who_says_yes_is_warned_and_goes_on(asking: Console) -> None:
    asking.node.answering = PAUSED
    _, err = asking.both("call", "Hi", "--no-wait", "--yes")
    assert err.count("nobody at this node would answer") == 1
    found = asking.json("call", "Hi", "--no-wait", "--yes")
    assert PAUSED in found["warning"]


def test_a_node_that_does_not_say_whether_it_answers(asking: Console) -> None:
    asking.node.answering = None
    assert "about 2 blocks" in asking.both("call", "Hi")[1]


def test_blocks_that_must_be_asked_for(asking: Console) -> None:
    asking.node.answering = "yes, in blocks that `generate` must be asked for"
    err = asking.both("call", "Hi", "--no-wait")[1]
    assert "about 2 blocks, in blocks that `generate` must be asked for" in err


@pytest.mark.parametrize("error", [NodeUnreachableError, NodeAnswerError])
def test_a_node_that_goes_away_while_it_takes_the_call(
    asking: Console, error: type[NodeUnreachableError | NodeAnswerError]
) -> None:
    taken = asking.node.submit

    def cut(params: s.SubmitParams) -> s.Submitted:
        taken(params)
        raise error("http://127.0.0.1:1/", "status 502")

    asking.node.submit = cut  # type: ignore[method-assign]
    told = json.loads(asking.error("call", "Hi", "--json"))["error"]
    (txid,) = asking.node.pending
    assert (
        f"Whether it took the transaction is not known; look with: esper tx {txid}"
        in told["message"]
    )
    assert told["data"] == {"txid": txid}


def test_a_node_that_fails_while_a_call_is_followed(asking: Console) -> None:
    def fails(params: s.TransactionParams) -> s.CallReply:
        raise NodeError(INTERNAL_ERROR, "the node failed")

    asking.node.asked_about = fails  # type: ignore[method-assign]
    told = asking.error("call", "Hi")
    assert "the node failed. The call is not lost" in told


# --- waiting ---


def standing_still(console: Console) -> None:
    """The node answers, but no block comes."""
    usual = console.node.asked_about

    def still(params: s.TransactionParams) -> s.CallReply:
        console.node.asked.pop(params.txid, None)
        return usual(params)

    console.node.asked_about = still  # type: ignore[method-assign]


def test_a_chain_that_stands_still_ends_the_wait(asking: Console) -> None:
    standing_still(asking)
    _, err = asking.both("call", "Hi", status=1)
    assert "no block for 60 seconds: the chain stands at 13" in err
    assert "no block for 120 seconds" in err
    assert "no block for 480 seconds" in err
    assert "no block came for 600 seconds (the chain stands at 13), and the call is queued" in err
    (txid,) = asking.node.pending
    assert f"esper tx {txid}" in err
    assert f"esper proof {txid}" in err
    assert "lapses after height" in err


def test_a_time_of_one_s_own(asking: Console) -> None:
    standing_still(asking)
    error = json.loads(asking.error("call", "Hi", "--timeout", "7", "--json"))["error"]
    assert error["name"] == "CallOverdueError"
    assert error["message"].startswith("after 7 seconds the call is queued. The call is not lost")
    assert error["data"]["txid"] in asking.node.pending
    assert 7 <= asking.seconds < 8
    # Longer than anybody waits for a block unasked.
    assert "after 2000 seconds" in asking.error("call", "Hi", "--timeout", "2000")
    for wrong in ("-1", "nan"):
        assert asking.error("call", "Hi", "--timeout", wrong, status=2)


class Going:
    """A node that goes away while a call is followed, for so many questions."""

    def __init__(self, console: Console, monkeypatch: pytest.MonkeyPatch, questions: int) -> None:
        self.left = questions
        self.connected = 0
        usual = console.node.asked_about

        def away(params: s.TransactionParams) -> s.CallReply:
            if console.node.asked.get(params.txid) == 1 and self.left:
                self.left -= 1
                raise NodeUnreachableError("http://127.0.0.1:1/", "refused")
            return usual(params)

        def connect(_: object) -> object:
            self.connected += 1
            return console.node

        console.node.asked_about = away  # type: ignore[method-assign]
        monkeypatch.setattr(wallet_machine, "connect", connect)


def test_a_node_that_comes_back_is_asked_again(
    asking: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = Going(asking, monkeypatch, 20)
    out, err = asking.both("call", "Hi")
    assert "there was a fox" in out
    assert err.count("the node is away, asking again: no node answers at") == 1
    assert err.index("the node is back") < err.index("in block")
    # Each time where its cookie says now.
    assert going.connected == 1 + 20


def test_a_node_that_stays_away(asking: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    Going(asking, monkeypatch, 10**6)
    _, err = asking.both("call", "Hi", status=1)
    (txid,) = asking.node.pending
    assert "the node is away for 120 seconds. The call is not lost" in err
    assert f"esper tx {txid}" in err
    assert 120 <= asking.seconds < 125


def test_a_node_that_comes_back_on_another_network(
    asking: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = Going(asking, monkeypatch, 1)

    def elsewhere(_: object) -> object:
        going.connected += 1
        if going.connected > 1:
            asking.node.genesis = "22" * 64
        return asking.node

    monkeypatch.setattr(wallet_machine, "connect", elsewhere)
    assert "genesis 2222" in asking.error("call", "Hi")


# --- prompts are shown ---


def test_a_prompt_is_shown_where_its_call_is(console: Console) -> None:
    console.wallet()
    earning(console)
    long = "Once\x1b[31m upon a time " * 40
    usual = console.node.transaction

    def described(params: s.TransactionParams) -> s.TransactionReply:
        return msgspec.structs.replace(usual(params), prompt=long)

    console.node.transaction = described  # type: ignore[method-assign]
    txid = console.run("call", "Hi", "--no-wait").strip()
    shown = console.run("tx", txid)
    assert "prompt    Once\ufffd[31m upon a time" in shown
    assert f"… ({len(long)} characters)" in shown
    assert "\x1b" not in shown
    assert console.json("tx", txid)["transaction"]["prompt"] == long
    console.node.history_events = (
        s.Event(9, 1_793_491_200_000, "bb" * 64, "called", "1500000", "0", "", "What\nis rain?"),
    )
    assert "asked 'What is rain?'  bbbb" in console.run("history")
