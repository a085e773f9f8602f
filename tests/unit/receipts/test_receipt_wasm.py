"""The verifier that browsers run: what it was built from, what it can reach, and what it says."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from esper.cli.esper.receipts.surroundings import NativeJudge, known_networks
from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.ports import Surroundings
from esper.receipts.twin import networks_record
from tests.support.real_receipt import real_receipt
from tests.support.receipt_twin import changed_bytes, without_text
from tests.support.receipt_world import WorkshopAnchor, promise_receipt, receipt_world

ROOT: Final = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

import build_wasm  # noqa: E402

WORKER: Final = build_wasm.MODULE.with_name("receipt_worker.js")
NODE: Final = shutil.which("node")
PAGE: Final = 1 << 16
IMPORTS, MEMORY, EXPORTS = 2, 5, 7

# Reads receipts as base64, a line each, and prints a verdict a line. The worker is a module; its
# file is given to Node as one whatever its name ends in.
DRIVER: Final = """
import { readFileSync } from "node:fs";
const [moduleFile, workerFile, tip] = process.argv.slice(1);
const source = readFileSync(workerFile).toString("base64");
const { askedRecord, verdictOf } = await import(`data:text/javascript;base64,${source}`);
const module = await WebAssembly.compile(readFileSync(moduleFile));
if (WebAssembly.Module.imports(module).length) throw new Error("the module imports");
const asked = askedRecord(tip ? { tip: JSON.parse(tip), trusted: [] } : {});
for (const line of readFileSync(0, "utf8").split("\\n").filter(Boolean)) {
  const bytes = Buffer.from(line, "base64");
  const receipt = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  console.log(JSON.stringify(await verdictOf(module, receipt, asked)));
}
"""


def in_node(receipts: list[bytes], tip: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    if NODE is None:
        pytest.skip("node is not installed: the module is not run")
    import base64

    lines = b"\n".join(base64.b64encode(one) for one in receipts)
    words = [NODE, "--input-type=module", "-e", DRIVER, "--", build_wasm.MODULE, WORKER]
    done = subprocess.run(
        [*map(str, words), *([json.dumps(tip)] if tip else [])],
        input=lines,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def numbers(data: bytes) -> tuple[int, bytes]:
    """The LEB128 integer at the front, and what is behind it."""
    value, shift = 0, 0
    for at, byte in enumerate(data):
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, data[at + 1 :]
    raise AssertionError("no integer")


def sections(module: bytes) -> dict[int, bytes]:
    assert module[:8] == b"\0asm\1\0\0\0"
    found, rest = {}, module[8:]
    while rest:
        size, behind = numbers(rest[1:])
        found[rest[0]], rest = behind[:size], behind[size:]
    return found


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(build_wasm.RECORD.read_text())
    return found


def test_the_module_is_the_recorded_one() -> None:
    module = build_wasm.MODULE.read_bytes()
    assert recorded()["sha3_256"] == hashlib.sha3_256(module).hexdigest()
    assert recorded()["bytes"] == len(module) < 512 << 10


def test_it_was_built_from_these_sources() -> None:
    """Else: `make wasm`, and commit both files."""
    assert recorded()["sources_sha3_256"] == build_wasm.source_hash()
    assert recorded()["lock_sha3_256"] == build_wasm.lock_hash()


def test_it_knows_the_networks_of_this_release() -> None:
    """Else: `make wasm`, which writes them."""
    assert build_wasm.NETWORKS.read_bytes() == networks_record(known_networks())


def test_it_imports_nothing_and_has_64_mib() -> None:
    found = sections(build_wasm.MODULE.read_bytes())
    assert IMPORTS not in found
    assert found[MEMORY][:2] == b"\x01\x01"
    _, rest = numbers(found[MEMORY][2:])
    assert numbers(rest)[0] * PAGE == 64 << 20
    for name in (b"memory", b"esper_room", b"esper_judge", b"esper_verdict"):
        assert name in found[EXPORTS]


def test_it_says_in_node_what_the_verifier_in_python_says() -> None:
    world = receipt_world()
    real = encode_receipt(real_receipt())
    receipts = [
        real,
        encode_receipt(promise_receipt()),
        encode_receipt(world.promised(world.alone)),
        *changed_bytes(real, 60),
        b"",
        b"[" * 5000,
        b" " * ((1 << 22) + 1),
    ]
    around = Surroundings(networks=known_networks(), judge=NativeJudge())
    for data, verdict in zip(receipts, in_node(receipts), strict=True):
        mine = judge_bytes(data, around)
        theirs = [(link["name"], link["status"]) for link in verdict["links"]]
        assert theirs == [(link.name, str(link.status)) for link in mine.links], data[:80]
        assert verdict["exit"] == mine.exit_code
    [first] = in_node([real])
    said = {link["name"]: link["detail"] for link in first["links"]}
    assert {"ok"} == {s for n, s in without_text(_statuses(first)) if n in ("proof", "group")}
    assert "bits" in said["proof"]


def _statuses(verdict: dict[str, Any]) -> list[tuple[str, str]]:
    return [(link["name"], link["status"]) for link in verdict["links"]]


def test_the_worker_takes_a_tip() -> None:
    world = receipt_world()
    assert WorkshopAnchor(world.tip).header
    tip = {"height": 70_000, "id": "ab" * 64}
    [verdict] = in_node([encode_receipt(real_receipt())], tip)
    assert dict(_statuses(verdict))["chain"] == "open"
