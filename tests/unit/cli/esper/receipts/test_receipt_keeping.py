"""Receipts from a node that nobody believes: what is written and refused, and how one waits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.cli.esper import environment
from esper.cli.esper.calls.receipt_keeping import check_receipt, fetched_receipt, keep_receipt
from esper.cli.esper.models.out_file import OutFileError
from esper.cli.esper.session import Session
from esper.primitives.ids import ModelId, Txid
from esper.primitives.networks import REGTEST
from esper.receipts.build import build_proof
from esper.receipts.call_proof import UnprovenError
from esper.receipts.form import encode_receipt
from esper.receipts.links.model import call_in
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.client import NodeError
from esper.rpc.errors import METHOD_NOT_FOUND, NOT_FOUND
from esper.wallet.errors import CallOverdueError
from tests.support.block_workshop import PARAMS
from tests.support.real_receipt import real_receipt
from tests.support.receipt_world import GENESIS as WORKSHOP_GENESIS
from tests.support.receipt_world import (
    FakeJudge,
    WorkshopSource,
    around,
    promise_receipt,
    receipt_world,
)

NO_MODELS: frozenset[ModelId] = frozenset()


def honest() -> str:
    """Made when a test asks for it: its proof takes seconds, and every worker reads this file."""
    return encode_receipt(real_receipt()).decode()


def call_id() -> Txid:
    """Of the call that it answers."""
    receipt = real_receipt()
    assert receipt.call is not None
    return call_in(receipt.call, REGTEST).txid


class Node:
    """Hands out one receipt; its chain grows with the time that is waited."""

    def __init__(self, receipt: str | None = None, *, grows: bool = True) -> None:
        """``receipt``: another one than the honest one."""
        self.receipt = honest() if receipt is None else receipt
        self.height = 3
        self.anchored_at = 13
        self.grows = grows
        self.asked: list[s.ReceiptParams] = []
        self.error: NodeError | None = None

    def call(self, method: Any, request: Any) -> Any:
        if method.name == m.GET_STATUS.name:
            return type("Status", (), {"height": self.height, "network": "regtest"})
        assert method.name == m.GET_RECEIPT.name
        if self.error is not None:
            raise self.error
        self.asked.append(request)
        final = self.height >= self.anchored_at
        return s.ReceiptReply(
            txid=request.txid,
            receipt=self.receipt,
            height=1,
            block="cd" * 64,
            confirmations=self.height,
            anchor=self.anchored_at - 6 if final else None,
            anchored_at=self.anchored_at,
            lacking="" if final else "the anchor comes later",
            as_of=s.AsOf(self.height, True),
        )

    def sleep(self, seconds: float) -> None:
        self.height += self.grows


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Keeps a node's receipt in a file, on a clock of its own."""

    def keep(node: Node, file: Path, **more: Any) -> tuple[dict[str, Any], str]:
        clock = [0.0]

        def sleep(seconds: float) -> None:
            clock[0] += seconds
            node.sleep(seconds)

        monkeypatch.setattr(environment, "sleep", sleep)
        monkeypatch.setattr(environment, "now", lambda: clock[0])
        found = Session(tmp_path, None, True, True)
        monkeypatch.setattr(Session, "any_node", node)
        options = {"final": False, "force": False} | more
        return keep_receipt(found, call_id(), NO_MODELS, file, **options)

    return keep


def test_a_receipt_is_written_as_it_came(kept: Callable[..., Any], tmp_path: Path) -> None:
    file, node = tmp_path / "answer.json", Node()
    told, line = kept(node, file)
    assert file.read_text() == honest()
    assert told == {
        "file": str(file),
        "bytes": len(honest()),
        "anchor": None,
        "lacking": "the anchor comes later",
    }
    assert "the anchor comes later" in line
    assert f"esper verify {file}" in line
    with pytest.raises(OutFileError, match="exists already"):
        kept(node, file)
    kept(node, file, force=True)


def test_a_final_one_is_waited_for(kept: Callable[..., Any], tmp_path: Path) -> None:
    node = Node()
    told, _ = kept(node, tmp_path / "answer.json", final=True)
    assert (told["anchor"], told["lacking"], node.height) == (7, "", 13)
    assert node.asked[0] == s.ReceiptParams(call_id().hex(), work=False, anchor=False)
    assert node.asked[-1] == s.ReceiptParams(call_id().hex(), anchor=True)


def test_an_answer_that_moves_up_is_waited_for_longer(
    kept: Callable[..., Any], tmp_path: Path
) -> None:
    class Moving(Node):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            self.anchored_at = 15 if self.height > 3 else 13

    node = Moving()
    told, _ = kept(node, tmp_path / "answer.json", final=True)
    assert (told["anchor"], node.height) == (9, 15)


def test_nobody_waits_for_ever(kept: Callable[..., Any], tmp_path: Path) -> None:
    still = Node(grows=False)
    with pytest.raises(CallOverdueError, match="no block came for 600 seconds"):
        kept(still, tmp_path / "answer.json", final=True)
    with pytest.raises(CallOverdueError, match="after 2 seconds"):
        kept(still, tmp_path / "answer.json", final=True, timeout_s=2.0)
    assert not (tmp_path / "answer.json").exists()


def test_nobody_waits_for_a_height_that_no_answer_has(
    kept: Callable[..., Any], tmp_path: Path
) -> None:
    node = Node()
    node.anchored_at = node.height + 13
    with pytest.raises(UnprovenError, match="final at block 16, and stands at 3"):
        kept(node, tmp_path / "answer.json", final=True)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (lambda data: data.replace("The little", "A little"), "does not hold: text"),
        (lambda data: data.replace('"rows":128', '"rows":64'), "does not hold: proof"),
        (lambda _: "{}", "does not hold: form"),
        (lambda data: f"{data} ", "does not hold: form"),
        (lambda _: "\u00e9", "not ASCII"),
        (lambda _: "x" * ((1 << 22) + 1), "too long"),
    ],
)
def test_no_lie_is_written(
    changed: Callable[[str], str], says: str, kept: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "answer.json"
    with pytest.raises(UnprovenError, match=says):
        kept(Node(changed(honest())), file)
    assert not file.exists()


def test_another_call_s_receipt_is_none_of_this_one() -> None:
    with pytest.raises(UnprovenError, match="of another call"):
        fetched_receipt(Node(), Txid(bytes(64)), NO_MODELS)


def test_a_promise_is_no_proof() -> None:
    promise = encode_receipt(promise_receipt()).decode()
    with pytest.raises(UnprovenError):
        fetched_receipt(Node(promise), call_id(), NO_MODELS)


def test_a_stranger_s_model_is_not_the_network_s() -> None:
    world = receipt_world()
    plain = encode_receipt(world.receipt(world.alone, anchor=False))
    check_receipt(plain, world.alone, around())
    strange = replace(PARAMS, model=replace(PARAMS.model, model_id=ModelId(b"s" * 64)))
    networks = {strange.name: (strange, WORKSHOP_GENESIS)}
    foreign = WorkshopSource(world.tip, params=strange)
    data = encode_receipt(build_proof(foreign, world.alone, FakeJudge()))
    known = replace(around(), networks=networks)
    with pytest.raises(UnprovenError, match="a model that regtest does not name"):
        check_receipt(data, world.alone, known)
    trusting = replace(known, trusted=frozenset((PARAMS.model.model_id,)))
    check_receipt(data, world.alone, trusting)


def test_what_the_node_refuses() -> None:
    node = Node()
    node.error = NodeError(METHOD_NOT_FOUND, "no such method")
    with pytest.raises(UnprovenError, match="older than this program"):
        fetched_receipt(node, call_id(), NO_MODELS)
    node.error = NodeError(NOT_FOUND, "not yet", {"status": "queued"})
    with pytest.raises(NodeError):
        fetched_receipt(node, call_id(), NO_MODELS)
