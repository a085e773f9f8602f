"""Golden texts, suites, items, reports and samples, by an independent computation."""

import hashlib
import json
from typing import Any

import pytest

from esper.dao.benchmarks.item import ITEM, is_item_of
from esper.dao.benchmarks.item_proof import ITEM_PROOF, item_proof_bytes, read_item_proof
from esper.dao.benchmarks.report import (
    REPORT_BODY,
    drawn_sample,
    read_report,
    report_bytes,
)
from esper.dao.benchmarks.suite import SUITE
from esper.model.benchmarks.text import parse_text
from esper.primitives.ids import Txid
from tests.support.vector_reading import check_encoding, tagged
from tests.vectors.writers import write_benchmarks

DOCUMENT = json.loads(write_benchmarks.FILE.read_text())


def by_case(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", DOCUMENT[name], ids=lambda vector: vector["case"])


@by_case("texts")
def test_texts(vector: dict[str, Any]) -> None:
    content = vector["text"].encode()
    assert tagged("esper/bench/text/v1", content) == vector["digest"]
    assert parse_text(content).digest.hex() == vector["digest"]


@by_case("suites")
def test_suites(vector: dict[str, Any]) -> None:
    check_encoding(SUITE, vector)
    assert tagged("esper/suite/id/v1", bytes.fromhex(vector["bytes"])) == vector["id"]


@by_case("items")
def test_items(vector: dict[str, Any]) -> None:
    check_encoding(ITEM, vector)


def test_the_root_over_items() -> None:
    level = [
        tagged("esper/merkle/leaf/v1", bytes.fromhex(vector["bytes"]))
        for vector in DOCUMENT["items"]
    ]
    count = len(level)
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [
            tagged("esper/merkle/node/v1", bytes.fromhex("".join(pair)))
            if len(pair) == 2
            else pair[0]
            for pair in pairs
        ]
    use = b"esper/suite/items/v1".ljust(32, b"\0")
    top = bytes.fromhex(level[0])
    root = tagged("esper/merkle/root/v1", use, count.to_bytes(8, "big"), top)
    assert root == DOCUMENT["items_root"]


@by_case("reports")
def test_reports(vector: dict[str, Any]) -> None:
    check_encoding(REPORT_BODY, vector)
    data = bytes.fromhex(vector["bytes"])
    assert report_bytes(read_report(data)) == data


@by_case("proofs")
def test_proofs_of_items(vector: dict[str, Any]) -> None:
    check_encoding(ITEM_PROOF, vector)
    data = bytes.fromhex(vector["bytes"])
    body = read_item_proof(data)
    assert item_proof_bytes(body) == data
    assert is_item_of(body.suite, body.index, body.item, body.path)


@pytest.mark.parametrize("vector", DOCUMENT["samples"], ids=lambda one: str(one["sample"]))
def test_samples(vector: dict[str, Any]) -> None:
    report, beacon = bytes.fromhex(vector["report"]), bytes.fromhex(vector["beacon"])
    count, wanted = vector["count"], vector["wanted"]
    found = drawn_sample(Txid(report), beacon, count, wanted)
    assert list(found) == vector["sample"]
    stream = hashlib.shake_256(b"esper/report/v1".ljust(32, b"\0") + report + beacon).digest(8000)
    limit = (1 << 64) // count * count
    words = [int.from_bytes(stream[at : at + 8], "big") for at in range(0, len(stream), 8)]
    distinct = list(dict.fromkeys(word % count for word in words if word < limit))
    assert distinct[: min(wanted, count)] == vector["sample"]


def test_the_script_writes_this_file() -> None:
    assert write_benchmarks.document() == DOCUMENT
