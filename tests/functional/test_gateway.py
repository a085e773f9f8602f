"""The gateway of a real node: answers at once, proofs later, whatever happens in between."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from esper.gateway.proving_rows import Row, row_of
from esper.primitives.networks import NETWORKS
from esper.receipts.form import decode_receipt
from tests.functional.test_receipts import verify
from tests.support.node.node_process import END_S, RunningNode, User, running, until

pytestmark = pytest.mark.nodes

PROGRAM = Path(__file__).parents[1] / "support" / "node" / "altered_esperd.py"
EPOCH = NETWORKS["regtest"].credits.epoch_blocks
PROMPT, ANSWER = "The little dog", " was a little boy named Tim. He loved to"
PROVEN = {"esper": {"prove": "always"}}


class GatewayNode:
    """A running node, by its paths alone."""

    def __init__(self, node: RunningNode) -> None:
        self.node = node
        cookie = json.loads((node.datadir / "rpc.cookie").read_bytes())
        self._rpc = httpx.Client(
            base_url=cookie["url"],
            headers={"authorization": f"Bearer {cookie['token']}"},
            timeout=60,
            trust_env=False,
        )
        self.http = httpx.Client(base_url=cookie["url"], timeout=60, trust_env=False)

    def close(self) -> None:
        self._rpc.close()
        self.http.close()

    def ask(self, method: str, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        reply = self._rpc.post("/", json=body).json()
        assert "error" not in reply, reply
        return reply["result"]

    def generate(self, blocks: int) -> str:
        """The id of the last."""
        made: list[str] = self.ask("generate", blocks=blocks)["hashes"]
        return made[-1]

    @property
    def tip(self) -> str:
        tip: str = self.ask("get_status")["tip"]
        return tip

    def client(self) -> openai.OpenAI:
        until("the model", lambda: self.http.get("/v1/models").json()["data"] or None)
        return openai.OpenAI(api_key="unused", base_url=f"{self.http.base_url}v1", max_retries=0)

    def answered(self) -> dict[str, Any]:
        """What ``esper`` says of an answer that is to be proven."""
        with self.client() as client:
            made = client.completions.create(
                model="esper-t0", prompt=PROMPT, max_tokens=12, extra_body=PROVEN
            )
        assert made.choices[0].text == ANSWER
        assert made.model_extra is not None
        found: dict[str, Any] = made.model_extra["esper"]
        return found

    def state(self, call: str) -> str:
        """Where a call stands."""
        with self.http.stream("GET", f"/v1/receipts/{call}/events") as reply:
            first = next(one for one in reply.iter_lines() if one.startswith("data: "))
        status: str = json.loads(first.removeprefix("data: "))["status"]
        return status

    def becomes(self, call: str, *statuses: str) -> None:
        def look() -> bool | None:
            return self.state(call) in statuses or None

        until(f"call {call} to be one of {statuses}", look)

    def proves(self, call: str) -> int:
        """Mine until a block has the answer, which is made beside; how many blocks."""
        made = looks = 0

        def look() -> bool | None:
            nonlocal made, looks
            # Credits last for ten blocks: on a busy machine the answer has to come within them.
            if looks % 5 == 0:
                self.generate(1)
                made += 1
            looks += 1
            # On a fast machine it may be deep in the chain already.
            return self.state(call) in ("proven", "final") or None

        until(f"a block with call {call}", look)
        return made

    def receipt(self, call: str, file: Path) -> Path:
        file.write_bytes(self.http.get(f"/v1/receipts/{call}").raise_for_status().content)
        return file

    def metrics(self) -> dict[str, float]:
        text = self.http.get("/metrics").raise_for_status().text
        families = text_string_to_metric_families(text)
        return {one.name: one.value for family in families for one in family.samples}


@contextmanager
def gateway(datadir: Path, *arguments: str, **options: Any) -> Iterator[GatewayNode]:
    with running(
        "node", datadir, "--network", "regtest", *arguments, gateway=True, **options
    ) as node:
        found = GatewayNode(node)
        try:
            yield found
        finally:
            found.close()


def altered(how: str) -> tuple[str | Path, ...]:
    return sys.executable, "-P", PROGRAM, how


def row(datadir: Path, call: str) -> Row | None:
    """As it is kept, whoever writes there."""
    database = sqlite3.connect(f"file:{datadir / 'gateway.db'}?mode=ro", uri=True)
    try:
        found = database.execute("SELECT data FROM rows WHERE call = ?", (call,)).fetchone()
    finally:
        database.close()
    return None if found is None else row_of(found[0])


def charges(datadir: Path, call: str) -> list[tuple[str, int]]:
    database = sqlite3.connect(f"file:{datadir / 'gateway.db'}?mode=ro", uri=True)
    try:
        question = "SELECT kind, amount FROM ledger WHERE call = ? ORDER BY kind"
        return database.execute(question, (call,)).fetchall()
    finally:
        database.close()


def grant(datadir: Path, node: GatewayNode) -> None:
    """Credits for the gateway's account, in the next block."""
    models = until("a model", lambda: node.http.get("/v1/models").json()["data"] or None)
    owner = User(datadir, "demo", wallet="demo")
    owner.run("credits", "send", models[0]["esper"]["gateway"], "20", "--yes")
    node.generate(1)


@pytest.fixture(scope="module")
def funded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose gateway's account has credits."""
    datadir = tmp_path_factory.mktemp("funded") / "node"
    owner = User(datadir, "demo", wallet="demo")
    with gateway(datadir) as node:
        owner.run("wallet", "import", "--demo", "--network", "regtest")
        node.generate(7)
        owner.run("stake", "20", "--yes")
        node.client().close()
        node.generate(2)
        grant(datadir, node)
        assert node.node.end() == 0
    return datadir


@pytest.fixture
def datadir(funded: Path, tmp_path: Path) -> Path:
    shutil.copytree(funded, tmp_path / "node")
    return tmp_path / "node"


def test_killed_reorganised_and_final(datadir: Path, tmp_path: Path) -> None:
    elsewhere, file = tmp_path / "elsewhere", tmp_path / "receipt.json"
    shutil.copytree(datadir, elsewhere)
    (elsewhere / "node.key").unlink()

    # It dies when the call is signed and not sent; what was promised stands.
    with gateway(datadir, program=altered("kills")) as node:
        call = node.answered()["id"]
        assert node.node.process.wait(END_S) == -9
    signed = row(datadir, call)
    assert signed is not None
    assert (signed.status, len(signed.versions)) == ("signed", 1)

    with gateway(datadir) as node:
        node.becomes(call, "submitted")
        status, links = verify(node.receipt(call, file))
        assert (status, links["instant"][0]) == (3, "ok"), links
        blocks = node.proves(call)
        until("the proof", lambda: decode_receipt(kept(node, call)).kind == "proof" or None)
        undone = decode_receipt(kept(node, call)).block_id
        assert verify(node.receipt(call, file))[0] == 0

        # A heavier branch without the call comes from another node.
        with gateway(elsewhere, "--gateway", "off") as other:
            tip = other.generate(blocks + 2)
            node.ask("connect_peer", address=other.ask("get_network")["multiaddr"])
            until("the other branch", lambda: node.tip == tip or None)
        node.becomes(call, "reorganised", "submitted")
        until("the promise", lambda: decode_receipt(kept(node, call)).kind == "promise" or None)
        # Credits last for an epoch: those of the branch's own end before the call is proven.
        tall = int(node.ask("get_status")["height"])
        node.generate(EPOCH - tall % EPOCH + 1)
        grant(datadir, node)
        node.proves(call)
        node.generate(5)
        node.becomes(call, "final")
        node.generate(7)
        until("an anchor", lambda: decode_receipt(kept(node, call)).anchor)
        status, links = verify(node.receipt(call, file))
        assert status == 0, links
        height = links["chain"][1].removeprefix("compare --tip ").partition(":")[0]
        block = node.ask("get_block", height=int(height))["hash"]
        status, links = verify(file, "--tip", f"{height}:{block}")
        assert {name: one for name, (one, _) in links.items() if one != "ok"} == {}, links
        assert status == 0
        assert decode_receipt(file.read_bytes()).block_id != undone

        # Nothing was paid or charged twice: one nonce, one version, in one block.
        last = row(datadir, call)
        assert last is not None
        assert (last.status, last.versions) == ("final", signed.versions)
        cost = last.cost(last.versions[0].bid)
        assert charges(datadir, call) == [("proof", cost), ("serve", 0)]
        numbers = node.metrics()
        assert numbers["esper_gateway_credits_burned_total"] == cost
        assert numbers["esper_gateway_disagreements_total"] == 0
        assert node.node.end() == 0


def kept(node: GatewayNode, call: str) -> bytes:
    return node.http.get(f"/v1/receipts/{call}").raise_for_status().content


def test_a_machine_that_computes_wrongly_stops_it(datadir: Path) -> None:
    with gateway(datadir, program=altered("faulty")) as node:
        with node.client() as client:
            made = client.completions.create(
                model="esper-t0", prompt=PROMPT, max_tokens=12, extra_body=PROVEN
            )
        assert made.choices[0].text != ANSWER
        call = made.model_extra["esper"]["id"]  # type: ignore[index]
        node.becomes(call, "submitted")
        node.proves(call)
        stopped(node)
        assert node.metrics()["esper_gateway_disagreements_total"] == 1
        assert charges(datadir, call) == [("serve", 0)]
        node.node.kill()
    # The machine is mended and nobody has said so.
    with gateway(datadir) as node:
        stopped(node)
        assert node.node.end() == 0


def stopped(node: GatewayNode) -> None:
    def told() -> bool | None:
        return "engine_disagrees" in node.http.get("/health/ready").text or None

    until("the gateway to stop", told)
    assert node.http.get("/health/ready").status_code == 503
    assert any("computes wrongly" in one for one in node.ask("get_status")["warnings"])
    with node.client() as client, pytest.raises(openai.InternalServerError) as refused:
        client.completions.create(model="esper-t0", prompt=PROMPT, max_tokens=12)
    assert refused.value.status_code == 503
    assert refused.value.code == "engine_disagrees"
    assert refused.value.response.headers["x-should-retry"] == "false"
