"""The verifier that browsers run: what it was built from, what it can reach, and what it says."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from esper.cli.esper.receipts.surroundings import NativeJudge, known_networks
from esper.primitives.ids import ModelId
from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.ports import Surroundings
from esper.receipts.twin import Asked, KnownBlock, asked_record, networks_record
from tests.support.real_receipt import real_receipt
from tests.support.receipt_twin import changed_bytes, without_text
from tests.support.receipt_world import promise_receipt, receipt_world

ROOT: Final = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

import build_wasm  # noqa: E402

WORKER: Final = build_wasm.MODULE.with_name("receipt_worker.js")
NODE: Final = shutil.which("node")
PAGE: Final = 1 << 16
IMPORTS, MEMORY, EXPORTS = 2, 5, 7

# Prints a verdict a line. The worker is a module; Node is given it as one by its content.
DRIVER: Final = """
import { readFileSync } from "node:fs";
const { askedRecord, verdictOf } = await import("data:text/javascript;base64,SOURCE");
const module = await WebAssembly.compile(readFileSync("MODULE"));
if (WebAssembly.Module.imports(module).length) throw new Error("the module imports");
const asked = askedRecord(ASKED);
for (const one of RECEIPTS) {
  const bytes = Buffer.from(one, "base64");
  const receipt = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  console.log(JSON.stringify(await verdictOf(module, receipt, asked)));
}
"""


def node(script: str) -> str:
    """What a module prints. Skips without Node."""
    if NODE is None:
        pytest.skip("node is not installed: worker and module are not run")
    script = script.replace("SOURCE", base64.b64encode(WORKER.read_bytes()).decode())
    done = subprocess.run(
        [NODE, "--input-type=module", "-"],
        input=script.encode(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def in_node(receipts: list[bytes], asked: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The verdicts of the module that is handed to browsers, through its worker."""
    script = DRIVER.replace("MODULE", str(build_wasm.MODULE))
    script = script.replace("ASKED", json.dumps(asked or {}))
    written = [base64.b64encode(one).decode() for one in receipts]
    return [
        json.loads(line)
        for line in node(script.replace("RECEIPTS", json.dumps(written))).splitlines()
    ]


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


def test_the_worker_takes_a_tip_and_models() -> None:
    tip = {"height": 70_000, "id": "ab" * 64}
    asked = {"tip": tip, "trusted": ["cd" * 64]}
    [verdict] = in_node([encode_receipt(real_receipt())], asked)
    assert dict(_statuses(verdict))["chain"] == "open"


@pytest.mark.parametrize("height", [0, 127, 128, 255, 256, 65_535, 65_536, (1 << 32) - 1])
def test_the_worker_writes_what_the_module_reads(height: int) -> None:
    tip = KnownBlock(height, bytes(range(64)))
    wanted = Asked(b"the tip that you gave", (tip,), (ModelId(bytes(64)),))
    given = {"tip": {"height": height, "id": tip.block_id.hex()}, "trusted": ["00" * 64]}
    script = (
        'const { askedRecord } = await import("data:text/javascript;base64,SOURCE");'
        f"console.log(Buffer.from(askedRecord({json.dumps(given)})).toString('hex'));"
    )
    assert bytes.fromhex(node(script).strip()) == asked_record(wanted)


def test_the_worker_refuses_other_ids_and_heights() -> None:
    wrong = (
        '{tip: {height: -1, id: "00".repeat(64)}}, {tip: {height: 1, id: "0"}}, '
        '{trusted: ["AB".repeat(64)]}, {trusted: Array(65).fill("00".repeat(64))}'
    )
    script = (
        'const { askedRecord } = await import("data:text/javascript;base64,SOURCE");'
        f"for (const one of [{wrong}]) try {{ askedRecord(one); console.log('taken'); }} "
        "catch (error) { console.log(error.name); }"
    )
    assert node(script).split() == ["TypeError"] * 4


WORKER_RUN: Final = """
globalThis.WorkerGlobalScope = class {};
globalThis.self = new WorkerGlobalScope();
const files = MODULES;
globalThis.fetch = async (path) => ({
  ok: path === "/static/verifier.wasm" && files !== null,
  status: 404,
  arrayBuffer: async () => files,
});
await import("data:text/javascript;base64,SOURCE");
self.postMessage = (told) => console.log(JSON.stringify(told));
await self.onmessage({ data: { receipt: new TextEncoder().encode("{}").buffer } });
"""


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("null", "the verifier was not served: 404"),
        ("new Uint8Array([1, 2])", "the receipt was not judged"),
        (
            # A module of the right form that traps: each function is `unreachable`.
            "TRAP",
            "the receipt was not judged",
        ),
    ],
)
def test_what_is_no_verdict_is_told_as_a_failure(module: str, says: str) -> None:
    module = module.replace("TRAP", f"new Uint8Array({list(trapping())})")
    told = json.loads(node(WORKER_RUN.replace("MODULES", module)))
    assert list(told) == ["failure"]
    assert says in told["failure"]


def test_the_worker_hands_out_verdicts() -> None:
    data = base64.b64encode(build_wasm.MODULE.read_bytes()).decode()
    script = WORKER_RUN.replace("MODULES", f"Buffer.from('{data}', 'base64')")
    told = json.loads(node(script))
    assert told["verdict"]["exit"] == 1
    assert told["verdict"]["links"][0]["name"] == "form"


def trapping() -> bytes:
    """A module with a page of memory whose functions trap."""
    names = (b"esper_room", b"esper_judge", b"esper_verdict")
    exports = b"".join(bytes((len(one),)) + one + b"\0\0" for one in names)
    exports += bytes((6,)) + b"memory" + b"\x02\0"
    parts = (
        (1, b"\x01\x60\0\0"),
        (3, b"\x01\0"),
        (5, b"\x01\0\x01"),
        (7, b"\x04" + exports),
        (10, b"\x01\x03\0\0\x0b"),
    )
    return b"\0asm\1\0\0\0" + b"".join(bytes((number, len(part))) + part for number, part in parts)
