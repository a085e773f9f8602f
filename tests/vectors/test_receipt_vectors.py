"""Golden receipts: their bytes, the mountain range over them, and proofs that one is in it."""

import json
from typing import Any

import msgpack
import pytest

from esper.primitives.hashing import make_tag
from esper.primitives.mmr import Mmr, MmrProof, verify_proof
from esper.vm.receipt import RECEIPT
from tests.support.vector_reading import check_encoding, tagged
from tests.vectors.writers import write_receipts

DOCUMENT = json.loads(write_receipts.FILE.read_text())
VECTORS, RANGES, PROOFS = (DOCUMENT[name] for name in ("receipts", "ranges", "proofs"))
ITEMS = [bytes.fromhex(vector["bytes"]) for vector in VECTORS]
USE = make_tag("esper/receipts/v1")
ROOTS = {found["count"]: bytes.fromhex(found["root"]) for found in RANGES}


def top(items: list[bytes]) -> bytes:
    """The top of a perfect tree, from its halves."""
    if len(items) == 1:
        return bytes.fromhex(tagged("esper/mmr/leaf/v1", items[0]))
    half = len(items) // 2
    return bytes.fromhex(tagged("esper/mmr/node/v1", top(items[:half]), top(items[half:])))


def tops(items: list[bytes]) -> list[bytes]:
    """The peaks of a list: the largest perfect tree in front, then the rest alike."""
    if not items:
        return []
    size = 1 << (len(items).bit_length() - 1)
    return [top(items[:size]), *tops(items[size:])]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])
def test_fields_and_bytes(vector: dict[str, Any]) -> None:
    check_encoding(RECEIPT, vector)


@pytest.mark.parametrize("vector", RANGES, ids=lambda vector: vector["count"])
def test_ranges(vector: dict[str, Any]) -> None:
    count, found = vector["count"], Mmr()
    for item in ITEMS[:count]:
        found, _ = found.extended([item])
    assert [peak.hex() for peak in found.peaks] == vector["peaks"]
    assert found.root(USE).hex() == vector["root"]
    assert [peak.hex() for peak in tops(ITEMS[:count])] == vector["peaks"]
    parts = (USE, count.to_bytes(8, "big"), *tops(ITEMS[:count]))
    assert tagged("esper/mmr/root/v1", *parts) == vector["root"]
    assert msgpack.packb([1, count, tops(ITEMS[:count])]).hex() == vector["record"]


@pytest.mark.parametrize("vector", PROOFS, ids=lambda v: f"{v['index']} of {v['count']}")
def test_proofs(vector: dict[str, Any]) -> None:
    index, count = vector["index"], vector["count"]
    siblings, others = (
        tuple(bytes.fromhex(part) for part in vector[name]) for name in ("siblings", "other_peaks")
    )
    proof = MmrProof(index, siblings, others)
    holds = [verify_proof(USE, ROOTS[count], count, item, proof) for item in ITEMS]
    assert holds == [place == index for place in range(len(ITEMS))]


def test_there_are_ranges_of_none_of_one_tree_and_of_several() -> None:
    assert {len(vector["peaks"]) for vector in RANGES} == {0, 1, 2, 3}


def test_the_script_writes_this_file() -> None:
    assert write_receipts.document() == DOCUMENT
