"""The native Poseidon2 digest against its plain Python twin and the golden vectors."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper._native import poseidon2_digest, poseidon2_permute
from esper.crypto.poseidon import FIELD_ORDER, digest_bytes, pack_bytes
from tests.spec import poseidon2_reference as reference

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "poseidon2.json").read_text())
elements = st.one_of(
    st.integers(0, FIELD_ORDER - 1), st.sampled_from([0, 1, FIELD_ORDER - 1, 1 << 32])
)


def test_golden_vectors() -> None:
    permutation = VECTORS["permutation"]
    assert poseidon2_permute(permutation["input"]) == permutation["output"]
    assert reference.permute(permutation["input"]) == permutation["output"]
    for vector in VECTORS["digests"]:
        values = [int(value) for value in vector["input"]]
        assert digest_bytes(vector["tag"], values).hex() == vector["digest"]


@given(st.lists(elements, min_size=16, max_size=16))
def test_permutation_equals_its_twin(state: list[int]) -> None:
    assert poseidon2_permute(state) == reference.permute(state)


@given(st.lists(elements, max_size=40))
def test_digest_equals_its_twin(values: list[int]) -> None:
    assert poseidon2_digest("esper/test/v1", values) == reference.digest("esper/test/v1", values)


def test_lengths_and_tags_are_bound() -> None:
    digests = {digest_bytes(tag, [0] * n) for tag in ("a", "b") for n in range(18)}
    assert len(digests) == 36


def test_elements_at_or_above_the_order_are_refused() -> None:
    digest_bytes("a", [FIELD_ORDER - 1])
    with pytest.raises(ValueError, match="element 1 is 18446744069414584321"):
        digest_bytes("a", [0, FIELD_ORDER])
    with pytest.raises(ValueError, match="element 15"):
        poseidon2_permute([0] * 15 + [FIELD_ORDER])
    for outside in (-1, 1 << 64, 1 << 100):
        with pytest.raises(ValueError, match="outside 0 to 18446744069414584320"):
            digest_bytes("a", [0, outside])
    with pytest.raises(ValueError, match="32"):
        digest_bytes("a" * 33, [])


def test_bytes_pack_seven_to_an_element() -> None:
    assert pack_bytes(b"") == []
    assert pack_bytes(b"\1\2" + bytes(5) + b"\3") == [0x0201, 3]
    assert all(value < FIELD_ORDER for value in pack_bytes(b"\xff" * 64))
    assert len(pack_bytes(bytes(64))) == 10
