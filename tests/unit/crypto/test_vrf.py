"""The hash VRF: vectors, a leaf by hand, and what must not verify."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from esper.crypto.vrf import VrfKey, VrfKeyError, verify_vrf_path, vrf_output
from esper.primitives.hashing import make_tag, tagged_hash, tagged_hash32, u64
from esper.primitives.ids import WorkId

VECTOR = json.loads((Path(__file__).parents[2] / "vectors" / "vrf.json").read_text())
PAYEE = bytes.fromhex(VECTOR["payee"])
SECRET = bytes.fromhex(VECTOR["secret"])
WORK = WorkId(bytes(64))


def key(**changes: int) -> VrfKey:
    return VrfKey(SECRET, payee=PAYEE, **{"start": 8, "depth": 3, **changes})


def test_golden_vectors() -> None:
    made = key()
    assert made.root.hex() == VECTOR["root"]
    for vector in VECTOR["proofs"]:
        proof = made.prove(vector["height"], WorkId(bytes.fromhex(vector["parent_work_id"])))
        assert proof.value.hex() == vector["value"]
        assert [step.hex() for step in proof.path] == vector["path"]
        assert proof.output.hex() == vector["output"]


def test_smallest_key_by_hand() -> None:
    context = u64(4) + b"\1" + PAYEE

    def leaf(index: int) -> tuple[bytes, bytes]:
        value = tagged_hash32(make_tag("esper/vrf/prf/v1"), SECRET, u64(4), u64(index))
        inner = tagged_hash32(make_tag("esper/vrf/inner/v1"), context, u64(index), value)
        return value, tagged_hash32(make_tag("esper/vrf/leaf/v1"), context, u64(index), inner)

    top = tagged_hash32(make_tag("esper/vrf/node/v1"), leaf(0)[1], leaf(1)[1])
    made = key(start=4, depth=1)
    assert made.root == tagged_hash(make_tag("esper/vrf/key/v1"), context, top)
    proof = made.prove(5, WORK)
    assert (proof.value, proof.path) == (leaf(1)[0], (leaf(0)[1],))


def test_size_on_mainnet() -> None:
    proof = key(depth=5).prove(9, WORK)
    assert len(proof.value) + sum(map(len, proof.path)) == 32 * 6
    # 17 levels: 576 bytes, as the chain's design says.
    assert 32 * (17 + 1) == 576


def test_every_height_verifies_and_nothing_else() -> None:
    made = key()
    for height in range(8, 16):
        proof = made.prove(height, WORK)
        check = partial(
            verify_vrf_path,
            root=made.root,
            height=height,
            index=height - 8,
            depth=3,
            payee=PAYEE,
            proof=proof,
        )

        assert check()
        assert not check(height=height + 1)
        assert not check(index=height - 7)
        assert not check(depth=4)
        assert not check(payee=bytes(33))
        assert not check(root=bytes(64))
        assert not check(proof=replace(proof, value=bytes(32)))
        assert not check(proof=replace(proof, value=proof.value + b"\0"))
        assert not check(proof=replace(proof, path=proof.path[:-1]))
        assert not check(proof=replace(proof, path=(bytes(32), *proof.path[1:])))
        assert not check(proof=replace(proof, path=(b"", *proof.path[1:])))


def test_index_above_height_and_outside_the_key() -> None:
    proof = key().prove(8, WORK)
    for height, index in ((3, 4), (100, 8), (100, -1)):
        assert not verify_vrf_path(
            key().root, height=height, index=index, depth=3, payee=PAYEE, proof=proof
        )


def test_output_takes_in_everything() -> None:
    base = (bytes(64), 3, WORK, bytes(32))
    changed = [
        (b"\1" * 64, *base[1:]),
        (base[0], 4, *base[2:]),
        (*base[:2], WorkId(b"\1" * 64), base[3]),
    ]
    outputs = {vrf_output(*arguments) for arguments in [base, *changed, (*base[:3], b"\1" * 32)]}
    assert len(outputs) == 5
    assert all(len(output) == 64 for output in outputs)


def test_window_and_arguments() -> None:
    made = key()
    assert [made.covers(h) for h in (7, 8, 15, 16)] == [False, True, True, False]
    with pytest.raises(VrfKeyError, match="outside the key"):
        made.prove(16, WORK)
    for changes in ({"depth": 0}, {"depth": 25}, {"start": -1}):
        with pytest.raises(VrfKeyError, match="depth"):
            key(**changes)
    with pytest.raises(VrfKeyError, match="31 bytes"):
        VrfKey(bytes(31), start=0, depth=1, payee=PAYEE)


def test_keys_differ_by_each_argument() -> None:
    roots = {
        key().root,
        key(start=9).root,
        key(depth=2).root,
        VrfKey(SECRET, start=8, depth=3, payee=bytes(33)).root,
        VrfKey(bytes(32), start=8, depth=3, payee=PAYEE).root,
    }
    assert len(roots) == 5
