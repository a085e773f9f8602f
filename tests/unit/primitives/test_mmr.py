"""The mountain range: by hand, against a naive one, and what must not verify."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.primitives.hashing import make_tag, tagged_hash, u64
from esper.primitives.mmr import (
    Mmr,
    MmrProof,
    Place,
    leaf_hash,
    node_hash,
    peak_places,
    sibling_places,
    verify_proof,
)

USE, OTHER = make_tag("esper/test/v1"), make_tag("esper/other/v1")
places = st.integers(1, 70).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1)))


def items(count: int) -> list[bytes]:
    return [bytes([i]) * i for i in range(count)]


def build(count: int) -> tuple[Mmr, dict[Place, bytes]]:
    mmr, nodes = Mmr(), {}
    for item in items(count):
        mmr, added = mmr.extended([item])
        for place, found in added:
            assert place not in nodes
            nodes[place] = found
    return mmr, nodes


def prove(index: int, count: int) -> MmrProof:
    nodes = build(count)[1]
    siblings = sibling_places(index, count)
    own = (len(siblings), index >> len(siblings))
    others = tuple(nodes[place] for place in peak_places(count) if place != own)
    return MmrProof(index, tuple(nodes[place] for place in siblings), others)


def test_three_items_by_hand() -> None:
    leaf, node = make_tag("esper/mmr/leaf/v1"), make_tag("esper/mmr/node/v1")
    a, b, c = (tagged_hash(leaf, item) for item in items(3))
    first = tagged_hash(node, a, b)
    mmr = build(3)[0]
    assert mmr.peaks == (first, c)
    assert mmr.root(USE) == tagged_hash(make_tag("esper/mmr/root/v1"), USE, u64(3), first, c)
    assert Mmr().root(USE) == tagged_hash(make_tag("esper/mmr/root/v1"), USE, u64(0))


def test_golden_root() -> None:
    assert build(11)[0].root(USE).hex()[:32] == "711b78c7b9d05e13b2bf9ecddc494efd"


def perfect(leaves: list[bytes]) -> bytes:
    while len(leaves) > 1:
        leaves = [node_hash(*leaves[i : i + 2]) for i in range(0, len(leaves), 2)]
    return leaves[0]


@given(st.integers(0, 70))
def test_peaks_are_the_tops_of_perfect_trees(count: int) -> None:
    mmr, nodes = build(count)
    left, peaks = [leaf_hash(item) for item in items(count)], []
    while left:
        size = 1 << (len(left).bit_length() - 1)
        peaks.append(perfect(left[:size]))
        left = left[size:]
    assert (mmr.count, mmr.peaks) == (count, tuple(peaks))
    assert tuple(nodes[place] for place in peak_places(count)) == mmr.peaks


@given(st.integers(0, 70), st.integers(0, 40))
def test_many_items_at_once_are_as_one_after_the_other(before: int, more: int) -> None:
    mmr, nodes = build(before)
    extended, added = mmr.extended(items(before + more)[before:])
    assert extended == build(before + more)[0]
    assert len(dict(added)) == len(added)
    assert {**nodes, **dict(added)} == build(before + more)[1]


@given(places)
def test_every_proof_verifies_and_no_changed_one_does(place: tuple[int, int]) -> None:
    count, index = place
    root, item, proof = build(count)[0].root(USE), items(count)[index], prove(index, count)
    assert verify_proof(USE, root, count, item, proof)
    assert not verify_proof(OTHER, root, count, item, proof)
    assert not verify_proof(USE, root, count, item + b"x", proof)
    assert not verify_proof(USE, root, count + 1, item, proof)
    assert not verify_proof(USE, root, count, item, replace(proof, index=index ^ 1))
    for name in ("siblings", "other_peaks"):
        hashes = getattr(proof, name)
        wrong = [(*hashes, bytes(64)), hashes[:-1] if hashes else (bytes(64),)]
        for at, found in enumerate(hashes):
            for other in (bytes([found[0] ^ 1]) + found[1:], found[:-1]):
                wrong.append((*hashes[:at], other, *hashes[at + 1 :]))
        for forged in wrong:
            change: dict[str, Any] = {name: forged}
            assert not verify_proof(USE, root, count, item, replace(proof, **change))


def test_bytes_cannot_move_between_hashes() -> None:
    # Two siblings of 63 and 65 bytes join to the same bytes as two of 64.
    count, index = 7, 6
    proof = prove(index, count)
    joined = b"".join(proof.other_peaks)
    moved = replace(proof, other_peaks=(joined[:63], joined[63:]))
    assert not verify_proof(USE, build(count)[0].root(USE), count, items(count)[index], moved)


def test_places_outside_the_list() -> None:
    root = build(3)[0].root(USE)
    for index in (-1, 3):
        with pytest.raises(IndexError, match="of a list of 3"):
            sibling_places(index, 3)
        assert not verify_proof(USE, root, 3, b"", MmrProof(index, (), ()))
    assert not verify_proof(USE, root, 1 << 64, b"", MmrProof(0, (), ()))
