from __future__ import annotations

import hashlib
import re

import pytest

from esper.gateway.keys import (
    KeyFieldError,
    KeyFormError,
    Scope,
    is_key_of,
    key_hash,
    key_id,
    make_key,
)
from tests.support.gateway.accounts import KEY, NOW, account


def test_a_key_has_an_id_and_256_random_bits() -> None:
    assert re.fullmatch(r"esk_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}", KEY)
    most = make_key(b"\xff" * 38)
    assert len(most) == len(KEY)
    # Every bit of the secret is in it.
    assert len({make_key(bytes(6) + (1 << bit).to_bytes(32)) for bit in range(256)}) == 256
    assert 62**43 > 2**256


def test_other_amounts_of_chance_make_no_key() -> None:
    with pytest.raises(ValueError, match="38"):
        make_key(bytes(37))


def test_sha3_of_the_key_is_kept() -> None:
    assert key_hash(KEY) == hashlib.sha3_256(KEY.encode()).digest()


@pytest.mark.parametrize("wrong", ["", "sk-1", KEY + "a", KEY[:-1], KEY + "\n", KEY[:-1] + "é"])
def test_what_is_no_key_by_its_form(wrong: str) -> None:
    with pytest.raises(KeyFormError) as told:
        key_id(wrong)
    assert KEY[13:] not in str(told.value)


def test_the_right_key_alone_is_the_accounts() -> None:
    assert is_key_of(KEY, account())
    assert not is_key_of(KEY[:-1] + ("0" if KEY[-1] != "0" else "1"), account())
    assert not is_key_of(KEY, None)
    assert not is_key_of(KEY, account(id="local", hash=b""))


def test_revoked_and_expired_keys_are_of_no_use() -> None:
    assert account().usable(NOW)
    assert account(expires_ms=NOW + 1).usable(NOW)
    assert not account(expires_ms=NOW).usable(NOW)
    assert not account(revoked_ms=NOW - 1).usable(NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("budget", -1),
        ("budget", 2**53),
        ("period_ms", 0),
        ("streams", 0),
        ("scopes", frozenset[Scope]()),
        ("webhook", "http://example.org"),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: object) -> None:
    account().check()
    with pytest.raises(KeyFieldError, match=field):
        account(**{field: value}).check()
