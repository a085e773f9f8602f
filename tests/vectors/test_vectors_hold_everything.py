"""No encoding and no tag of the chain is without a golden vector: a new one fails here."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import esper.consensus
import esper.crypto
import esper.dao
import esper.market
import esper.p2p.wire
import esper.primitives
import esper.receipts
import esper.vm
from esper.primitives.codec import Array, Record
from esper.vm.kinds import KINDS
from esper.vm.transaction import wire_form

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "vectors"
PACKAGES = (
    *(esper.consensus, esper.vm, esper.market, esper.dao, esper.crypto, esper.primitives),
    *(esper.p2p.wire, esper.receipts),
)

TAG = re.compile(r'"(esper/[a-z0-9/-]+/v\d+)"')
"""A string literal that is a tag."""
VERSION = re.compile(r"/v\d+$")

HELD_BY = {
    "benchmarks.json": ("bench/text", "report", "suite/id", "suite/items"),
    "blocks.json": ("tx/root", "work/outputs"),
    "calls.json": ("call/group", "call/groups", "call/lane", "call/list", "call/results"),
    "chain.json": (
        *("beacon", "forkchoice/draw", "genesis", "header", "vrf/proof"),
        *("work", "work/proof", "work/seed"),
    ),
    "address.json": ("address",),
    "dao.json": ("audit", "audit/body", "dao/seed", "rehearsal"),
    "envelopes.json": ("tx/id", "tx/sign", "tx/witness-id"),
    "commitment.json": ("merkle/leaf/v2", "merkle/node/v2"),
    "hidden.json": ("dao/auto", "hidden", "hidden/draw", "hidden/set"),
    "market.json": (
        *("market/acks", "market/answer", "market/beat", "market/digest", "market/draw"),
        *("market/load", "market/load/pick", "market/loads", "market/pick", "market/prompt"),
        *("market/request", "market/seal", "market/slot", "market/trace"),
    ),
    "merkle.json": ("merkle/leaf", "merkle/node", "merkle/root"),
    "model_id_tiny.json": ("model/id", "model/integers"),
    "promises.json": ("receipt/request", "receipt/sign"),
    "prompts.json": ("prompt", "prompt-bank", "prompt-json"),
    "receipts.json": ("mmr/leaf", "mmr/node", "mmr/root", "receipts"),
    "records.json": ("state/key", "state/leaf", "state/node", "state/root", "state/value"),
    "vrf.json": ("vrf/inner", "vrf/key", "vrf/leaf", "vrf/node", "vrf/output", "vrf/prf"),
    "wallet.json": ("wallet/child", "wallet/key", "wallet/seed"),
    "work.json": ("work/digest", "work/index", "work/mask", "work/salt"),
}
"""The file whose values change with a tag; names stand without ``esper/`` and the version."""

OWN_BOOK = "where one node keeps its peers: no other reads or computes it"

TAGS_WITHOUT = {
    "esper/gateway/console/page/v1": "page tokens of one node's sign-ins: no other computes them",
    "esper/node/milestones/v1": "what one node's chain has reached",
    "esper/bank/text/v1": "held by dao.json under packages; not read in Rust yet",
    "esper/p2p/book/new/v1": OWN_BOOK,
    "esper/p2p/book/slot/v1": OWN_BOOK,
    "esper/p2p/book/spread/v1": OWN_BOOK,
    "esper/p2p/book/tried/v1": OWN_BOOK,
    "esper/p2p/eviction/v1": OWN_BOOK,
    "esper/p2p/gossip/v1": OWN_BOOK,
    "esper/package/pairs/v1": "what one node asks a model: no other asks the same",
    "esper/package/v1": "held by dao.json under packages; not read in Rust yet",
    "esper/segment/head/v1": "block files of one node: no other reads them",
    "esper/segment/payload/v1": "block files of one node: no other reads them",
    "esper/storage/shared/v1": "the ends of contexts in one node's index: no other reads it",
    "esper/storage/format/v1": "the layout of one node's folder",
    "esper/tokenizer/v1": "the hash of a file; the bank of genesis is tested against it",
    "esper/wallet/checksum/v1": "keystores of one wallet: no node reads them",
    "esper/wallet/keystore/v1": "keystores of one wallet: no node reads them",
}

STORED = "in one node's index, such as the chain's context: no other reads it"
RECORDS_WITHOUT = (
    dict.fromkeys(
        (
            *("_Stored", "_Models", "_Pair", "Anchor", "ParentWork", "RoundOutcome", "SetOutcome"),
            *("SettledBond", "TakenPenalty", "TierRegistry"),
        ),
        STORED,
    )
    | dict.fromkeys(
        ("Asked", "KnownBlock", "KnownNetwork", "_Networks"),
        "what one process tells its second verifier: nobody else reads it",
    )
    | dict.fromkeys(
        (
            *("BeaconPage", "FreePlace", "MarketClock", "MarketModel", "ProviderRecord"),
            *("ProviderTotals", "RosterSize", "SentBeat", "SessionRecord", "StoredPlace"),
        ),
        "the market's state: no network takes it yet, and its form may change until one does",
    )
)


def tags_held() -> dict[str, str]:
    """File by tag: of version 1 where none is named."""
    tags = {name: file for file, names in HELD_BY.items() for name in names}
    versions = {name: "" if VERSION.search(name) else "/v1" for name in tags}
    return {f"esper/{name}{versions[name]}": file for name, file in tags.items()}


def tags_made(folder: Path, pattern: str) -> set[str]:
    """Tags that source spells in its code; lines of comments count for nothing."""
    found: set[str] = set()
    for file in folder.rglob(pattern):
        lines = file.read_text(encoding="utf-8").splitlines()
        code = (line for line in lines if not line.lstrip().startswith(("//", "#")))
        found.update(tag for line in code for tag in TAG.findall(line))
    return found


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def inner_records(codec: Any) -> Iterator[Record[Any]]:
    """A codec's records, its own first."""
    match codec:
        case Record():
            yield codec
            for _, part in codec.fields:
                yield from inner_records(part)
        case Array():
            yield from inner_records(codec.element)
        case dict():
            for part in codec.values():
                yield from inner_records(part)


def label(codec: Record[Any]) -> str:
    """The name of what it builds; transactions are built by a function for all kinds."""
    name = getattr(codec.build, "__name__", "")
    return "Transaction" if name == "_build" else name


def records_made() -> dict[str, Record[Any]]:
    """Every record of the packages by its label, records inside records too."""
    values = [value for module in modules() for value in vars(module).values()]
    values += [wire_form(kind) for kind in KINDS]
    return {label(codec): codec for value in values for codec in inner_records(value)}


def used(codec: Any, value: Any) -> Iterator[str]:
    """Labels of the records that a vector's fields hold."""
    match codec:
        case Record():
            yield label(codec)
            for name, part in codec.fields:
                yield from used(part, value[name])
        case Array():
            for part in value:
                yield from used(codec.element, part)


def encodings(document: Any) -> Iterator[tuple[str, Any]]:
    """Names and fields of the encodings in a file."""
    if isinstance(document, dict) and {"record", "fields"} <= document.keys():
        yield document["record"], document["fields"]
        return
    parts = document.values() if isinstance(document, dict) else document
    if isinstance(document, dict | list):
        for part in parts:
            yield from encodings(part)


def records_held() -> set[str]:
    """Labels of the records that a vector file holds an encoding of."""
    known = records_made()
    found: set[str] = set()
    transactions = {kind.KIND: wire_form(kind) for kind in KINDS}
    for file in FOLDER.glob("*.json"):
        for name, fields in encodings(json.loads(file.read_text(encoding="utf-8"))):
            codec = transactions[fields["kind"]] if name == "Transaction" else known[name]
            found.update(used(codec, fields))
    return found


def test_every_tag_is_held_by_a_file_or_excepted() -> None:
    made, held = tags_made(ROOT / "esper", "*.py"), set(tags_held())
    assert made - held - TAGS_WITHOUT.keys() == set(), "write a vector and name its file here"
    assert held | TAGS_WITHOUT.keys() == made, "a tag that is no more"
    assert not held & TAGS_WITHOUT.keys()


@pytest.mark.parametrize("tag", sorted(tags_held()))
def test_every_tag_is_hashed_in_rust_too(tag: str) -> None:
    assert (FOLDER / tags_held()[tag]).exists()
    assert tag in tags_made(ROOT / "native" / "stark_verifier", "*.rs")


def test_every_record_is_held_by_a_file_or_excepted() -> None:
    made, held = set(records_made()), records_held()
    assert made - held - RECORDS_WITHOUT.keys() == set(), "write a vector of its fields and bytes"
    assert RECORDS_WITHOUT.keys() <= made, "a record that is no more"
    assert not held & RECORDS_WITHOUT.keys()


def test_records_inside_records_are_found() -> None:
    assert {"Transaction", "Output", "ProvenCall", "Candidate", "ModelShape"} <= set(records_made())
    assert "" not in records_made()


def test_an_empty_list_holds_no_record() -> None:
    group = records_made()["CallGroup"]
    fields: dict[str, Any] = {"kind": 0, "model_id": "", "calls": [], "proof": ""}
    assert list(used(group, fields)) == ["CallGroup"]
    assert "ProvenCall" in used(group, fields | {"calls": [{"call_id": "", "logits": []}]})


def test_a_tag_in_a_comment_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.rs").write_text('// "esper/a/v1"\nlet b = "esper/b/v1";\n')
    assert tags_made(tmp_path, "*.rs") == {"esper/b/v1"}
