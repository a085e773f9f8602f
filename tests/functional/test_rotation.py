"""A model on regtest: proposed, voted, fetched, rehearsed, activated, asked, and taken back.

Real processes and sockets, real proofs: one node mines and has the package, another never had it,
and meets a seeder that lies and one that stalls first. Who stakes most lets another vote.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest

from esper.model.tokenizer import encode_text, load_tokenizer
from esper.p2p.wire.talk_messages import BYE_BARRED, BYE_WORDS
from esper.rpc.methods import GET_CALL, GET_TRANSACTION, MODEL_PROGRESS
from esper.rpc.schema import ModelPackage, NoParams, TransactionParams
from tests.support.net.bad_seeders import BadSeeders, bad_seeders
from tests.support.net.network_process import NetworkNode
from tests.support.node.node_process import BIN, User, ask, environment, running, until
from tests.support.second_model import TICKET, VOCAB, second_model

pytestmark = pytest.mark.nodes

NETWORK = ("--network", "regtest")
PATIENCE_S = 300
COIN = 10**8


def height_of(node: NetworkNode) -> int:
    return node.status().height


def grow_to(node: NetworkNode, height: int) -> None:
    missing = height - height_of(node)
    if missing > 0:
        node.generate(missing)


def package(node: NetworkNode, number: int) -> ModelPackage | None:
    """As the node follows it; None if it does not."""
    found = ask(node.datadir, MODEL_PROGRESS, NoParams()).packages
    return next((one for one in found if one.number == number), None)


def wait_until_verified(node: NetworkNode, number: int) -> None:
    def look() -> bool | None:
        found = package(node, number)
        return (found is not None and found.verdict == "verified") or None

    until(
        f"the package of proposal {number} to be verified",
        look,
        PATIENCE_S,
    )


def model_of(user: User) -> str:
    models: list[dict[str, Any]] = user.json("models")["models"]
    return str(models[0]["model_id"])


def asked(user: User, node: NetworkNode) -> str:
    """A call, and the blocks until it is answered and proven."""
    call: str = user.json("call", "Once upon a time", "--max-tokens", "8", "--yes", "--no-wait")[
        "txid"
    ]

    def stands(*wanted: str) -> bool | None:
        return ask(node.datadir, GET_CALL, TransactionParams(call)).status in wanted or None

    # Blocks come on demand, and would come before its proof where that takes long.
    until("the call to be proven", lambda: stands("proven"), PATIENCE_S)
    node.generate(1)
    until("the call to be in a block", lambda: stands("answered"), PATIENCE_S)
    return call


def judged(
    user: User, call: str, model_id: str, *how: str | Path, status: int = 0
) -> dict[str, str]:
    """What its receipt of now says, link by link, to whoever names the model."""
    file = user.datadir.parent / "receipt.json"
    proven = user.json("proof", call, "--model-id", model_id, "--receipt", file, "--force")
    assert proven["model_id"] == model_id
    told = user.run("verify", file, "--model", model_id, *how, "--json", status=status)
    found = json.loads(told or user.said[-2])
    assert found["exit"] == status, found
    return {one["name"]: one["status"] for one in found["links"]}


def chats_by_its_template(url: str, folder: Path, model_id: str) -> None:
    """The gateway serves the model that the vote brought; a chat is what its own template makes."""
    with openai.OpenAI(base_url=f"{url.rstrip('/')}/v1", api_key="none") as client:

        def served() -> bool | None:
            try:
                told = [one.model_extra or {} for one in client.models.list()]
            except openai.APIStatusError:
                return None  # it has yet to follow the tip
            return model_id in {one["esper"]["model_id"] for one in told} or None

        until("the gateway to serve it", served, PATIENCE_S)
        chat = client.chat.completions.create(
            model=model_id, messages=[{"role": "user", "content": "the dog</s>"}], max_tokens=8
        )
        # BOS and end of a turn are the template's; what a user spells like one is text.
        words = encode_text(load_tokenizer(folder, VOCAB), "user the dog</s>")
        assert not {1, 2} & set(words)
        plain = client.completions.create(model=model_id, prompt=[1, *words, 2], max_tokens=8)
    assert chat.usage is not None
    assert chat.usage == plain.usage
    assert chat.choices[0].message.content == plain.choices[0].text


def sent(user: User, node: NetworkNode, *arguments: str) -> str:
    """A transaction by a command, and the blocks that hold it."""
    found: dict[str, Any] = user.json(*arguments, "--yes")
    node.generate(2)
    txid: str = found["txid"]
    assert ask(node.datadir, GET_TRANSACTION, TransactionParams(txid)).status == "confirmed"
    return txid


def delegated(user: User, voter: User, node: NetworkNode) -> None:
    """The user stakes 20 and lets the voter vote with that, who has 2 of its own."""
    address = voter.json("wallet", "new", *NETWORK)["addresses"][0]["address"]
    sent(user, node, "stake", "20")
    sent(user, node, "send", address, "4")
    sent(voter, node, "stake", "2")
    sent(user, node, "dao", "delegate", address)


def passes_by_delegation(live: dict[str, Any]) -> None:
    """What the voter has of its own, 2 of 22, would be no quorum."""
    assert (int(live["yes"]), int(live["quorum"])) == (22 * COIN, 22 * COIN)
    assert live["passing"]


def fetched_in_spite_of(seeders: BadSeeders, node: NetworkNode, honest: NetworkNode) -> None:
    """The liar is barred, all but a chunk comes from the staller, and that from an honest one."""
    lying, stalling = seeders.lying, seeders.stalling
    until("the staller to stall", lambda: stalling.owes or None)
    # Silence is no fault: it stays, for a minute at least.
    assert seeders.staller_id in {one["peer_id"] for one in node.peers()["peers"]}

    until(
        "the liar to be barred",
        lambda: seeders.liar_id in {one["target"] for one in node.bans()} or None,
    )
    blamed = [f"banned: bytes: chunk {one} is not the package's" for one in lying.asked]
    assert any(words in node.node.told for words in blamed)
    assert seeders.liar_comes_again().endswith(BYE_WORDS[BYE_BARRED])

    def came() -> ModelPackage | None:
        found = package(node, 1)
        return found if found is not None and found.done == len(stalling.gave) else None

    waiting = until("what came", came)
    assert (waiting.state, waiting.done) == ("fetching", waiting.total - 1)

    node.esperd("connect", honest.address)
    wait_until_verified(node, 1)
    # The staller gave no more than before: its chunk came from the honest one.
    assert len(stalling.gave) == waiting.total - 1
    assert not set(stalling.gave) & set(stalling.owes)


def offline(datadir: Path, *arguments: str) -> str:
    done = subprocess.run(
        [BIN / "esperd", *arguments, "--datadir", datadir],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_model_from_its_proposal_to_its_rollback(tmp_path: Path) -> None:
    folder, datadir = second_model(tmp_path / "second"), tmp_path / "miner"
    user = User(datadir, "demo", wallet="demo")
    voter = User(datadir, "vote", wallet="voter")
    with running("mine", datadir, *NETWORK, "--blocks", "1") as first:
        until("the first block", lambda: first.process.poll() is not None or None, PATIENCE_S)
    user.run("wallet", "import", *NETWORK, "--demo")
    packed = json.loads(
        user.run(
            *("model", "pack", folder, "--bank", "genesis", "--ticket", TICKET, *NETWORK),
            *("--into", datadir, "--json"),
        )
    )
    second = packed["model_id"]

    with ExitStack() as stack:
        miner = NetworkNode(
            stack.enter_context(running("node", datadir, *NETWORK, alone=False, gateway=True))
        )
        genesis = model_of(user)
        # It has the chain from the miner, and room for no model yet.
        at_first = NetworkNode(
            stack.enter_context(
                running(
                    *("node", tmp_path / "follower", *NETWORK, "--models-gib", "0"),
                    *("--connect", miner.address),
                    alone=False,
                )
            )
        )

        # Proposed and voted, by stakes of an epoch that has begun.
        grow_to(miner, 11)
        delegated(user, voter, miner)
        grow_to(miner, 20)
        proposal = sent(
            *(user, miner, "dao", "propose", "--model", str(folder), "--tier", "0"),
            *("--name", "second", "--licence", "MIT", "--bond", "2"),
        )
        sent(voter, miner, "dao", "vote", proposal, "yes")
        passes_by_delegation(user.json("dao", "show", proposal)["live"])

        # Its vote closes: both fetch and check it, who has it and who never had.
        close = height_of(miner) + 12
        grow_to(miner, close)
        at_first.wait_for_tip(miner.tip)
        at_first.node.end()
        follower = NetworkNode(
            stack.enter_context(
                running("node", at_first.datadir, *NETWORK, "--keep-models", gateway=True)
            )
        )
        reader = User(follower.datadir, "demo")
        with bad_seeders(tmp_path, folder, follower.address) as seeders:
            fetched_in_spite_of(seeders, follower, miner)
        wait_until_verified(miner, 1)

        # Whoever does not mine needs no weights to follow it all.
        watcher = NetworkNode(
            stack.enter_context(
                running(
                    *("node", tmp_path / "watcher", *NETWORK, "--models-gib", "0"),
                    *("--connect", miner.address),
                    alone=False,
                )
            )
        )

        # Rehearsed by whoever mines, and counted.
        until(
            "the miner to be ready",
            lambda: "model_rehearsed" in miner.node.told or "runs here" in miner.node.told or None,
            PATIENCE_S,
        )
        check = user.json("dao", "show", proposal)["check"]
        miner.generate(2)
        assert user.json("dao", "show", proposal)["live"]["step"] != "tail"
        grow_to(miner, check)
        shown = user.json("dao", "show", proposal)
        assert shown["live"]["step"] == "act", shown
        active = shown["active"]

        # Activated without a stop: the next blocks are the new model's.
        grow_to(miner, active - 1)
        assert model_of(user) == second
        miner.generate(2)

        follower.wait_for_tip(miner.tip)
        chats_by_its_template(follower.node.url, folder, second)
        call = asked(user, miner)
        # Its words are its word alone until the chain shows the entry that they belong to.
        links = judged(user, call, second, "--tokenizer", folder, status=3)
        assert [links[one] for one in ("text", "chain", "proof", "work")] == [
            *("open", "open", "ok", "ok")
        ]

        # Two thirds take it back, by a stake that delegates and votes all the same. Until that acts
        # calls are the new model's, and the chain has its entry.
        rollback = sent(user, miner, "dao", "rollback", proposal, "--bond", "1")
        sent(user, miner, "dao", "vote", rollback, "yes")
        back = user.json("dao", "show", proposal)["live"]["next"]
        grow_to(miner, back - 2)
        follower.wait_for_tip(miner.tip)
        assert model_of(reader) == second
        miner.generate(1)
        links = judged(user, call, second, "--tokenizer", folder, "--node", miner.node.url)
        assert [links[one] for one in ("model", "text", "proof", "work", "chain")] == ["ok"] * 5

        miner.generate(1)
        assert model_of(user) == genesis
        links = judged(user, asked(user, miner), genesis, "--tokenizer", "genesis")
        assert [links[one] for one in ("model", "text", "proof", "work")] == ["ok"] * 4
        follower.wait_for_tip(miner.tip)
        assert model_of(reader) == genesis
        tip = miner.tip
        watcher.wait_for_tip(tip)
        assert not list(watcher.datadir.rglob("*.safetensors"))
        assert list(follower.datadir.rglob("*.safetensors"))

    offline(follower.datadir, "verify-chain")
    offline(follower.datadir, "reindex")
    with running("node", follower.datadir, *NETWORK) as again:
        assert NetworkNode(again).tip == tip
