"""The programs under examples/, as their readers run them, against a node that mines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.test_node_cli import NETWORK, account, confirmed, spendable_credits, units
from tests.functional.test_openai_page import answers
from tests.support.node.node_process import PATIENCE_S, User, environment, running, until

pytestmark = pytest.mark.nodes

EXAMPLES = Path(__file__).parents[2] / "examples"
COIN = 10**8


def example(
    name: str, *arguments: str | Path, user: User | None = None, said: str = "", status: int = 0
) -> tuple[str, str]:
    """What it printed, and what it complained of."""
    whose = {}
    if user is not None:
        whose = {"ESPER_DATADIR": str(user.datadir), "ESPER_PASSWORD": user.password}
        whose |= {"ESPER_WALLET": user.wallet} if user.wallet else {}
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=5 * PATIENCE_S,
        env=environment(**whose),
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_an_agent_an_oracle_and_a_character(tmp_path: Path) -> None:
    datadir, story = tmp_path / "node", tmp_path / "story"
    owner = User(datadir, "a long password", wallet="alice")
    owner.run("wallet", "new", *NETWORK, "--wallet", "alice")
    alice = owner.json("wallet", "address")["addresses"][0]["address"]

    with running("mine", datadir, *NETWORK, "--payee", alice, gateway=True) as node:
        until(
            "a reward to mature",
            lambda: units(account(owner, "alice")["available"]) > 30 * COIN or None,
        )
        confirmed(owner, owner.json("stake", "20", "--yes")["txid"])
        until("credits", lambda: spendable_credits(owner) > 10_000 or None)

        # It pays, checks, and keeps books that say what the wallet says.
        told, _ = example("agent.py", "--turns", "2", "--into", story, user=owner)
        assert len(told.splitlines()) == 2
        assert (story / "story.txt").read_text().startswith("Once upon a time")
        books = [json.loads(line) for line in (story / "ledger.jsonl").read_text().splitlines()]
        for entry in books:
            assert (story / entry["receipt"]).is_file()
            assert owner.json("tx", entry["call"])["call"]["status"] == "answered"
        # It begins nothing that could cost more than it has left.
        few = ("--budget", str(books[0]["cost"] - 1), "--into", tmp_path / "few")
        _, why = example("agent.py", *few, user=owner, status=1)
        assert "of the budget" in why
        assert not (tmp_path / "few" / "ledger.jsonl").exists()

        answer = tmp_path / "answer.json"
        example("oracle.py", "Lily saw a big", "--into", answer, user=owner)

        until("a model that answers", lambda: answers(node.url.rstrip("/")))
        lines, receipts = example(
            "game_character.py", "--url", f"{node.url.rstrip('/')}/v1", said="Hello, Lily!\nWhy?\n"
        )
        assert [line.partition(" ")[0] for line in lines.splitlines()] == ["Lily:"] * 2
        assert receipts.count("/v1/receipts/") == 2

    # Whoever acts on an answer has the file alone.
    told, _ = example("consumer.py", answer, "Lily saw a big")
    held = json.loads(answer.read_bytes())
    assert told == held["text"]["answer"] + "\n"
    _, why = example("consumer.py", answer, "Lily saw a small", status=1)
    assert "another question" in why
    held["text"]["answer"] += "ger"
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(held, separators=(",", ":")))
    assert "not believed: " in example("consumer.py", forged, "Lily saw a big", status=1)[1]
    _, why = example("consumer.py", tmp_path / "none", "x", status=1)
    assert why.startswith("not believed: ")
    assert "No such file" in why
    assert "{" not in why


def test_a_character_without_a_node_is_silent_in_one_line() -> None:
    unused = "http://127.0.0.1:1/v1"
    _, why = example("game_character.py", "--url", unused, said="Hello!\n", status=1)
    assert why == "Lily is silent: Connection error.\n"


def test_a_wallet_without_credits_ends_an_agent_in_words(tmp_path: Path) -> None:
    _, why = example("agent.py", user=User(tmp_path / "nobody", ""), status=1)
    assert why.startswith("stopped: ")
    assert "Traceback" not in why
