"""Addresses and bech32m."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.primitives.address import Address, AddressError
from esper.primitives.bech32m import CHARSET, Bech32Error, bech32m_decode, bech32m_encode

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "address.json").read_text())


@pytest.mark.parametrize("vector", VECTORS)
def test_golden_vectors(vector: dict[str, Any]) -> None:
    address = Address.of_key(vector["suite"], bytes.fromhex(vector["key"]))
    assert address.to_bytes().hex() == vector["bytes"]
    for prefix, text in vector["text"].items():
        assert address.to_text(prefix) == text
        assert Address.from_text(text, prefix) == address
        assert Address.from_text(text.upper(), prefix) == address


@pytest.mark.parametrize(
    ("text", "prefix"),
    # Valid strings of BIP 350.
    [
        ("A1LQFN3A", "a"),
        ("a1lqfn3a", "a"),
        ("abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx", "abcdef"),
        ("?1v759aa", "?"),
    ],
)
def test_bip_350_valid(text: str, prefix: str) -> None:
    found, data = bech32m_decode(text)
    assert found == prefix
    assert bech32m_encode(found, data) == text.lower()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("y1b0jsk6g", "does not occur"),
        ("lt1igcx5c0", "does not occur"),
        ("in1muywd", "six letters"),
        ("M1VUXWEZ", "checksum"),
        ("16plkw9", "must be a prefix"),
        ("1p2gdwpf", "must be a prefix"),
        ("qyrz8wqd2c9m", "must be a prefix"),
        ("a1lQfn3a", "mixed"),
        ("a" * 91, "at most 90"),
    ],
)
def test_invalid_texts(text: str, reason: str) -> None:
    with pytest.raises(Bech32Error, match=reason):
        bech32m_decode(text)


@given(st.binary(min_size=33, max_size=33), st.integers(0, 62), st.sampled_from(CHARSET))
def test_one_wrong_letter_is_found(data: bytes, place: int, letter: str) -> None:
    text = bech32m_encode("esp", data)
    assert bech32m_decode(text) == ("esp", data)
    wrong = text[:place] + letter + text[place + 1 :]
    if wrong != text:
        with pytest.raises(Bech32Error):
            bech32m_decode(wrong)


def test_padding_bits_must_be_zero_and_few() -> None:
    # Letters of 33 bytes end with one spare bit; a text with that bit set has another checksum.
    from esper.primitives.bech32m import CONSTANT, _expand, _polymod

    def with_checksum(letters: list[int]) -> str:
        check = _polymod([*_expand("esp"), *letters, *[0] * 6]) ^ CONSTANT
        tail = [check >> 5 * (5 - i) & 31 for i in range(6)]
        return "esp1" + "".join(CHARSET[v] for v in letters + tail)

    for letters in ([0] * 52 + [1], [0] * 54):
        with pytest.raises(Bech32Error, match="padding"):
            bech32m_decode(with_checksum(letters))


@pytest.mark.parametrize(
    ("data", "reason"),
    [(bytes(33), "suite 0"), (b"\3" + bytes(32), "suite 3"), (b"\1" + bytes(31), "32 bytes")],
)
def test_bytes_that_are_no_address(data: bytes, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        Address.from_bytes(data)


def test_other_networks_addresses_are_refused() -> None:
    text = Address(1, bytes(32)).to_text("esp")
    with pytest.raises(AddressError, match="this network's begin with 'desp'"):
        Address.from_text(text, "desp")
    with pytest.raises(AddressError, match="checksum"):
        Address.from_text(text[:-1] + ("q" if text[-1] != "q" else "p"), "esp")
    with pytest.raises(AddressError, match="hash has 31 bytes"):
        Address(1, bytes(31))


@pytest.mark.parametrize("letter", ["\u212a", "\u017f", "\u0130", "\u0661", "\uff51"])
@pytest.mark.parametrize("upper", [False, True])
def test_what_folds_to_a_letter_is_none(letter: str, upper: bool) -> None:
    """The Kelvin sign is a k in lower case, and so on: refused before case is folded."""
    text = next(
        text
        for text in (Address(1, bytes([n]) * 32).to_text("esp") for n in range(256))
        if "k" in text[5:] and "s" in text[5:]
    )
    for fold in ("k", "s", "1"):
        wrong = (
            text.replace(fold, letter) if not upper else text.upper().replace(fold.upper(), letter)
        )
        with pytest.raises(AddressError, match=rf"U\+{ord(letter):04X}"):
            Address.from_text(wrong, "esp")


def test_too_long_for_bech32m() -> None:
    with pytest.raises(Bech32Error, match="exceed 90"):
        bech32m_encode("esp", bytes(60))
