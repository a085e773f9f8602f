"""`esper verify` of receipts, with the native verifier and the embedded tokenizer."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from esper.cli.esper.app import application
from esper.cli.esper.receipts.receipt_text import verdict_words
from esper.cli.esper.receipts.surroundings import NamedTip, NodeWord
from esper.primitives.networks import REGTEST
from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.verdict import Link, Status, Verdict
from esper.rpc.client import NodeError, NodeUnreachableError, RpcClient
from esper.rpc.errors import NOT_FOUND
from tests.support.real_receipt import real_receipt
from tests.support.receipt_world import around, promise_receipt, receipt_world


def verify(*words: str | Path) -> Result:
    typed = ["verify", *map(str, words)]
    return CliRunner().invoke(application(["verify"]), typed)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "answer.json"
    made.write_bytes(encode_receipt(real_receipt()))
    return made


def links(done: Result) -> dict[str, tuple[str, str]]:
    document = json.loads(done.stdout)
    assert document["exit"] == done.exit_code
    return {one["name"]: (one["status"], one["detail"]) for one in document["links"]}


def test_a_line_a_link(file: Path) -> None:
    done = verify(file)
    lines = done.stdout.splitlines()
    assert done.exit_code == 3, done.stdout + done.stderr
    assert [line.split()[:2] for line in lines[:-1]] == [
        *(["ok", name] for name in ("form", "network", "model", "call", "group", "header")),
        *(["ok", "text"], ["absent", "instant"], ["ok", "proof"], ["absent", "work"]),
        *(["open", "chain"], ["open", "paid"]),
    ]
    assert lines[2] == "ok   model    tier 0, genesis"
    assert lines[6] == "ok   text     encodes to the same tokens"
    assert "bits, 4 + 4 tokens" in lines[8]
    assert lines[10] == "open chain    no anchor: get the receipt again"
    assert lines[12] == "Nothing fails, but not everything was shown: instant, work, chain, paid."


def test_programs_read_the_same(file: Path) -> None:
    found = links(verify(file, "--json", "--tokenizer", "genesis"))
    assert found["proof"][0] == "ok"
    assert found["model"] == ("ok", "tier 0, genesis")


def test_a_forged_one_names_its_link(file: Path) -> None:
    for old, new, name in (
        ("The little", "A little", "text"),
        ('"rows":128', '"rows":64', "proof"),
        ('"format"', '"fromat"', "form"),
        ('"name":"regtest"', '"name":"devnet"', "network"),
    ):
        changed = file.with_name("changed.json")
        changed.write_text(file.read_text().replace(old, new))
        done = verify(changed, "--json")
        assert done.exit_code == 1
        assert list(links(done))[-1] == name
        assert verify(changed).stdout.endswith(f"NOT proven: {name} fails.\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--strict",), "name it with --datadir"),
        (("--tip", "5"), "64"),
        (("--tip", "x:00"), "HEIGHT:ID"),
        (("--tip", "5:" + "00" * 64, "--node", "http://127.0.0.1:1"), "is enough"),
        (("--model", "00"), "64"),
        (("--binding", "00" * 64), "of proofs, not"),
        (("--node", "http://127.0.0.1:1"), ""),
        (("--datadir", "nowhere"), "nowhere"),
        (("--tokenizer", "nowhere"), "nowhere"),
    ],
)
def test_misuse(file: Path, words: tuple[str, ...], says: str) -> None:
    done = verify(file, *words)
    if words[0] == "--node":
        # Nothing is asked for a receipt without an anchor.
        assert done.exit_code == 3
        return
    if words[0] == "--datadir":
        words = ("--datadir", str(file.parent / "nowhere"))
        done = verify(file, *words)
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stdout == ""


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    done = verify(tmp_path / "absent", "--json")
    assert (done.exit_code, json.loads(done.stderr)["error"]["name"]) == (2, "UnreadableFileError")


def test_options_of_the_other_kind_of_file(tmp_path: Path) -> None:
    proof = tmp_path / "a.proof"
    proof.write_bytes(b"ESPRPROF")
    assert "model to trust" in verify(proof).stderr
    model = ("--model-id", REGTEST.model.model_id.hex())
    assert "of receipts, not" in verify(proof, *model, "--tip", "5:" + "00" * 64).stderr
    done = verify(proof, *model)
    assert (done.exit_code, "invalid" in done.stderr) == (1, True)


def test_junk_is_no_receipt(tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"\x1b]0;title\x07")
    done = verify(junk)
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    junk.write_bytes(b'{"\\u001b[2J":1}')
    assert "\x1b" not in verify(junk).stdout


def test_the_last_sentence() -> None:
    world = receipt_world()
    full = encode_receipt(world.promised(world.alone))
    shown = "The model gives this answer: proven. That the chain holds it: "
    assert verdict_words(judge_bytes(full, around())) == shown + "shown."
    assert verdict_words(judge_bytes(full, around(chain=False))) == shown + "not shown."
    promise = encode_receipt(promise_receipt())
    signed = "A gateway signed this answer: not proven."
    assert verdict_words(judge_bytes(promise, around())) == signed
    broken = Verdict((Link("form", Status.FAIL, "no"),))
    assert verdict_words(broken) == "NOT proven: form fails."


class Node:
    """Answers get_block."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    def call(self, method: Any, request: Any) -> Any:
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


def test_a_node_s_word() -> None:
    assert NodeWord(Node(SimpleNamespace(hash="ab" * 64))).block_id(3) == b"\xab" * 64
    assert NodeWord(Node(SimpleNamespace(hash="no hex"))).block_id(3) == b""
    assert NodeWord(Node(NodeError(NOT_FOUND, "no such block"))).block_id(3) is None
    with pytest.raises(NodeError):
        NodeWord(Node(NodeError(-1, "else"))).block_id(3)
    with pytest.raises(NodeUnreachableError):
        NodeWord(RpcClient("http://127.0.0.1:1")).block_id(3)
    tip = NamedTip(7, b"\1" * 64)
    assert (tip.block_id(7), tip.block_id(8)) == (b"\1" * 64, None)
