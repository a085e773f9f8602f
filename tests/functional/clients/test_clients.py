"""Other projects' clients against ``esperd serve`` and a node: LangChain, Ollama's, Schemathesis.

They live in an environment of their own, ``.tools/clients``, which `make clients` fills;
``ESPER_CLIENTS`` names another.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.node.node_process import BIN, User, environment, running, until

pytestmark = [pytest.mark.nodes, pytest.mark.soak]

ROOT = Path(__file__).parents[3]
PLACE = Path(os.environ.get("ESPER_CLIENTS", ROOT / ".tools" / "clients"))
FUZZ_S = int(os.environ.get("ESPER_SCHEMA_SECONDS", "600"))
PATIENCE_S = 120
PROOF_S = 300
"""How long an answer waits at most that is to be proven first."""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
"""Not that all that fits the description is taken: it cannot count tokens."""
SETTINGS = """\
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]
"""
"""A body that is too long is refused as well, before anybody reads what else is wrong with it."""


def program(name: str) -> Path:
    """One of the environment's; skips where nobody has made it."""
    found = PLACE / "bin" / name
    if not found.exists():
        pytest.skip(f"there is no {found}: `make clients` makes it")
    return found


@pytest.fixture(scope="module")
def serve_url() -> Iterator[str]:
    arguments = ("--model", "genesis", "--threads", "1", "--port", "0", "--ollama-port", "0")
    with subprocess.Popen(
        [BIN / "esperd", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            until("the model", lambda: answers(url))
            yield url
        finally:
            process.kill()


@pytest.fixture(scope="module")
def node_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("node")
    with running("node", folder, "--network", "regtest", gateway=True) as node:
        url = f"{node.url.rstrip('/')}/v1"
        until("the model", lambda: answers(url))
        yield url


KEYS = {"asking": "infer,receipts,usage", "proving": "infer,receipts,usage,prove"}
"""Scopes of each key that the fuzzer has."""

KEY_LIMITS = (
    *("--budget", "9000000000000", "--streams", "16"),
    *("--requests-per-minute", "1000000", "--tokens-per-minute", "1000000000"),
)
"""Budgets that a fuzzer does not use up: refusals for them would be all that it sees."""


@pytest.fixture
def keyed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A node of its own, and a key that `esper key new` made for the scopes of the parameter.

    It mines where something may be proven: whoever waits for a proof would wait for ever.
    """
    folder = tmp_path / "node"
    with running(
        "mine" if request.param == "proving" else "node",
        folder,
        "--network",
        "regtest",
        gateway=True,
    ) as node:
        url = f"{node.url.rstrip('/')}/v1"
        until("the model", lambda: answers(url))
        words = ("key", "new", "--scope", KEYS[request.param], *KEY_LIMITS, "--yes")
        yield url, User(folder, "").json(*words)["key"]


def answers(url: str) -> bool | None:
    return True if httpx.get(f"{url}/models").json().get("data") else None


def client(script: str, *arguments: str) -> None:
    """A program of this folder, which says at its end what it tried last."""
    done = subprocess.run(
        [program("python"), Path(__file__).parent / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "refusals"


def schemathesis(
    url: str, folder: Path, seconds: int, *arguments: str, hooks: dict[str, str] | None = None
) -> None:
    """``folder``: of what it keeps. ``hooks``: the environment of ``own_receipts``, if it runs."""
    around = {} if hooks is None else {"SCHEMATHESIS_HOOKS": "own_receipts", **hooks}
    if around:
        around["PYTHONPATH"] = str(Path(__file__).parent)
    (folder / "schemathesis.toml").write_text(SETTINGS)
    done = subprocess.run(
        [
            *(program("schemathesis"), "run", f"{url}/openapi.json", "--no-color"),
            *("--checks", ",".join(CHECKS), "--max-time", str(seconds)),
            *("--request-timeout", str(PROOF_S + PATIENCE_S)),
            *("--generation-database", "none", "--continue-on-failure", *arguments),
        ],
        cwd=folder,
        env={**os.environ, **around},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + PROOF_S + PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cases = [line for line in done.stdout.splitlines() if "generated" in line]
    assert cases, done.stdout


def langchain(url: str) -> None:
    client("langchain_client.py", url, "none")


def ollama(url: str) -> None:
    client("ollama_client.py", url.removesuffix("/v1"))


def test_ollamas_own_client(serve_url: str) -> None:
    ollama(serve_url)


def test_ollamas_own_client_and_a_node(node_url: str) -> None:
    ollama(node_url)


def test_langchain(serve_url: str) -> None:
    langchain(serve_url)


def test_langchain_and_a_node(node_url: str) -> None:
    langchain(node_url)


def test_answers_are_as_described(serve_url: str, tmp_path: Path) -> None:
    schemathesis(serve_url, tmp_path, FUZZ_S * 2 // 3)


def test_answers_of_a_node_are_as_described(node_url: str, tmp_path: Path) -> None:
    """As often as a program without a key may ask."""
    schemathesis(node_url, tmp_path, FUZZ_S // 3, "--rate-limit", "50/m")


ROUTES = {"asking": {"GET /v1/receipts/{id}", "GET /v1/receipts/{id}/events"}}
ROUTES["proving"] = ROUTES["asking"] | {"POST /v1/receipts/{id}/prove"}
"""Of a receipt, which the fuzzer has to reach with each key."""


@pytest.mark.parametrize("keyed", KEYS, indirect=True)
def test_answers_to_a_key_are_as_described(
    keyed: tuple[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """As often as the fuzzer likes, with its own receipts, and with proofs asked for."""
    url, key = keyed
    header = f"Bearer {key}"
    ids = []
    for number in range(4):
        ask = {"model": "esper-t0", "prompt": f"{number} and", "max_tokens": 4}
        given = httpx.post(
            f"{url}/completions", json=ask, headers={"authorization": header}, timeout=PATIENCE_S
        )
        ids.append(given.json()["esper"]["id"])
    reached = tmp_path / "reached"
    reached.touch()
    hooks = {"ESPER_RECEIPTS": ",".join(ids), "ESPER_REACHED": str(reached)}
    schemathesis(url, tmp_path, FUZZ_S // 2, "--header", f"Authorization: {header}", hooks=hooks)
    assert set(reached.read_text().splitlines()) == ROUTES[request.node.callspec.params["keyed"]]
