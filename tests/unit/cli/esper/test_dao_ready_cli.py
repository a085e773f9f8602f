"""`esper dao ready --sign`: what a node rehearsed, fetched, signed and handed back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replaced

from esper.dao.ready import ReadyBody, ready_bytes
from esper.primitives.work_outputs import WorkOutputs
from esper.rpc import schema as s
from esper.rpc.client import NodeError
from esper.rpc.errors import REFUSED
from esper.vm.governance.prove import Prove
from tests.support.wallet.voting_console import model_under_way
from tests.support.wallet.wallet_console import Console, console, own_key

__all__ = ["console"]

OWN = own_key().address.to_text("resp")
HEIGHT = 26
BODY = ready_bytes(ReadyBody(HEIGHT - 1, WorkOutputs((), ())))


@pytest.fixture
def passed(console: Console, monkeypatch: pytest.MonkeyPatch) -> str:
    """Id of a model whose height is drawn; signatures are not the subject."""
    console.wallet()
    console.run("stake", "500")
    while console.node.world.height < 10:
        console.node.mine()
    monkeypatch.setattr(console.node.world, "checked", False)
    return model_under_way(console, HEIGHT)


def reply(proposal: str, **fields: Any) -> s.RehearsalReply:
    found = s.RehearsalReply(
        number=1,
        id=proposal,
        room=300,
        body=BODY.hex(),
        nonce=0,
        reward_height=HEIGHT - 1,
        last_height=HEIGHT + 3,
        signed=None,
        lapsed="",
        as_of=s.AsOf(HEIGHT, True),
    )
    return replaced(found, **fields)


def waiting(console: Console) -> Any:
    [found] = console.node.pending.values()
    return found


def test_what_the_node_rehearsed_is_signed_and_handed_back(console: Console, passed: str) -> None:
    console.node.rehearsed = reply(passed)
    txid = console.run("dao", "ready", passed[:10], "--sign").strip()
    assert console.node.rehearsals == [s.RehearsalParams(passed, OWN)]
    found = waiting(console)
    assert found.txid.hex() == txid
    payload = found.payload
    assert payload == Prove(1, payload.target, 300, BODY)
    assert payload.target.hex() == passed
    # No block after that of the last height can have it.
    assert found.expiry == HEIGHT + 3


def test_its_nonce_is_behind_what_the_account_does_not_tell_of(
    console: Console, passed: str
) -> None:
    nonce = console.node.world.account(own_key()).nonce
    console.node.rehearsed = reply(passed, nonce=nonce + 2)
    console.run("dao", "ready", passed, "--sign")
    assert waiting(console).nonce == nonce + 2


def test_a_wallet_elsewhere_signs_what_is_written(
    console: Console, passed: str, tmp_path: Path
) -> None:
    console.node.rehearsed = reply(passed)
    unsigned, signed = tmp_path / "ready.unsigned", tmp_path / "ready.signed"
    said = console.run("dao", "ready", passed, "--out", str(unsigned))
    assert f"for the model of proposal {passed}" in said
    assert console.node.pending == {}
    console.run("sign", str(unsigned), "--out", str(signed))
    console.run("submit", str(signed))
    assert waiting(console).payload.target.hex() == passed


def test_it_is_signed_here_or_elsewhere(console: Console, passed: str, tmp_path: Path) -> None:
    said = console.error("dao", "ready", passed, "--sign", "--out", str(tmp_path / "x"), status=2)
    assert "--sign or --out" in said


def test_why_nothing_is_there_to_sign_is_said(console: Console, passed: str) -> None:
    console.node.rehearsed = NodeError(REFUSED, "not rehearsed", {"rule": "NotRehearsedError"})
    said = json.loads(console.error("dao", "ready", passed, "--sign", "--json"))
    assert said["error"]["data"]["data"]["rule"] == "NotRehearsedError"
    assert console.node.pending == {}


def test_why_it_has_to_be_signed_again_is_said(console: Console, passed: str) -> None:
    console.node.rehearsed = reply(passed, lapsed="its nonce was used")
    assert "its nonce was used" in console.both("dao", "ready", passed, "--sign")[1]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"id": "ab" * 64}, "something else"),
        ({"nonce": -1}, "something else"),
        ({"nonce": 1 << 64}, "something else"),
        ({"room": -1}, "something else"),
        ({"room": 1 << 32}, "something else"),
        ({"body": "00"}, "shows nothing"),
        ({"body": "zz"}, "shows nothing"),
        ({"last_height": HEIGHT}, "no block after height"),
    ],
)
def test_what_a_node_makes_up_is_not_signed(
    console: Console, passed: str, fields: dict[str, Any], says: str
) -> None:
    console.node.rehearsed = reply(passed, **fields)
    said = json.loads(console.error("dao", "ready", passed, "--sign", "--json"))
    assert said["error"]["name"] == "NodeContradictionError"
    assert says in said["error"]["message"]
    assert console.node.pending == {}


def test_the_fee_is_capped(console: Console, passed: str) -> None:
    console.node.rehearsed = reply(passed, room=(1 << 32) - 1)
    said = json.loads(console.error("dao", "ready", passed, "--sign", "--json"))
    assert said["error"]["name"] == "FeeCapError"


def test_how_to_sign_is_told(console: Console, passed: str) -> None:
    assert f"esper dao ready {passed[:16]} --sign" in console.run("dao", "ready", passed)
