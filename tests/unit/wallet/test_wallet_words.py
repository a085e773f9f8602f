"""Words, derivation and amounts: golden vectors, round trips, and a sentence for every mistake."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.wallet.amounts import credits_text, esp_text, parse_credits, parse_esp
from esper.wallet.derivation import derived_key, key_seed
from esper.wallet.errors import AmountError, WordsError
from esper.wallet.words import entropy_of, words_of
from tests.vectors.writers import write_wallet

DOCUMENT = json.loads(write_wallet.FILE.read_text())
WORDS = words_of(bytes(range(32)))


def test_vectors_are_kept() -> None:
    assert write_wallet.document() == DOCUMENT


def test_bip_39_knows_these_words() -> None:
    # A vector of the standard itself: zeros throughout.
    assert words_of(bytes(32)) == " ".join(["abandon"] * 23 + ["art"])


@pytest.mark.parametrize("wallet", DOCUMENT["wallets"], ids=lambda wallet: wallet["entropy"][:8])
def test_seeds_by_the_written_rule_alone(wallet: dict[str, Any]) -> None:
    entropy = bytes.fromhex(wallet["entropy"])
    assert entropy_of(wallet["words"]) == entropy
    numbers = {"mainnet": 0, "testnet": 1, "devnet": 2, "regtest": 3}
    for key in wallet["keys"]:
        node = hashlib.shake_256(b"esper/wallet/seed/v1".ljust(32, b"\0") + entropy).digest(64)
        for step in (numbers[key["network"]], key["account"], key["index"]):
            data = b"esper/wallet/child/v1".ljust(32, b"\0") + node + step.to_bytes(4, "big")
            node = hashlib.shake_256(data).digest(64)
        seed = hashlib.shake_256(b"esper/wallet/key/v1".ljust(32, b"\0") + node).digest(32)
        assert seed.hex() == key["seed"]


def test_no_two_paths_share_a_key() -> None:
    seeds = [key["seed"] for wallet in DOCUMENT["wallets"] for key in wallet["keys"]]
    assert len(seeds) == len(set(seeds))


def test_derivation_refuses_what_it_cannot_mean() -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        key_seed(bytes(31), "regtest", 0, 0)
    with pytest.raises(KeyError):
        key_seed(bytes(32), "othernet", 0, 0)
    with pytest.raises(OverflowError):
        key_seed(bytes(32), "regtest", 0, 1 << 32)
    with pytest.raises(ValueError, match="16 bytes"):
        words_of(bytes(16))


def test_keys_hide_their_secret() -> None:
    key = derived_key(bytes(32), "regtest", 0, 0)
    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)


@given(st.binary(min_size=32, max_size=32), st.sampled_from([" ", "  ", "\n", "\t "]))
def test_words_round_trip(entropy: bytes, blank: str) -> None:
    words = words_of(entropy)
    assert len(words.split()) == 24
    assert entropy_of(blank + blank.join(words.upper().split()) + "\n") == entropy


def test_a_word_that_is_not_in_the_list() -> None:
    words = WORDS.split()
    words[6] = "bannana"
    with pytest.raises(WordsError, match=r"word number 7 'bannana' .*did you mean banana"):
        entropy_of(" ".join(words))
    words[6] = "1234567890" * 3
    with pytest.raises(WordsError, match="word number 7 '12345678901234567890…' is not"):
        entropy_of(" ".join(words))


@pytest.mark.parametrize("count", [0, 1, 12, 23, 25])
def test_another_number_of_words(count: int) -> None:
    words = (WORDS.split() * 2)[:count]
    with pytest.raises(WordsError, match=f"{count} words?, must be 24"):
        entropy_of(" ".join(words))


def test_words_that_do_not_fit_together() -> None:
    words = WORDS.split()
    words[0], words[1] = words[1], words[0]
    with pytest.raises(WordsError, match="checksum"):
        entropy_of(" ".join(words))


@given(st.text())
def test_any_text_is_words_or_a_sentence(text: str) -> None:
    try:
        entropy = entropy_of(text)
    except WordsError:
        return
    assert len(entropy) == 32


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("1", 10**8),
        ("1.5", 150_000_000),
        ("0.00000001", 1),
        ("007.10", 710_000_000),
        ("0.100000000000", 10_000_000),
        ("123456789.12345678", 12_345_678_912_345_678),
    ],
)
def test_amounts_are_exact(text: str, units: int) -> None:
    assert parse_esp(text) == units


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", "nothing would move"),
        ("0.00000000", "nothing would move"),
        ("0.000000001", "9 decimals, ESP have at most 8"),
        ("-1", "is no number"),
        ("1e3", "is no number"),
        (".5", "is no number"),
        ("1.", "is no number"),
        ("1,5", "is no number"),
        ("", "is no number"),
        ("nan", "is no number"),
        ("٣", "is no number"),
        ("1\n", "is no number"),
        ("999999999999", "more than there can ever be"),
        ("9" * 40, "more than there can ever be"),
        ("9" * 10_000, "is no number"),
    ],
)
def test_what_is_no_amount(text: str, says: str) -> None:
    with pytest.raises(AmountError, match=says):
        parse_esp(text)


@given(st.integers(min_value=1, max_value=(1 << 63) - 1))
def test_amounts_round_trip(amount: int) -> None:
    assert parse_esp(esp_text(amount).removesuffix(" ESP")) == amount
    if amount < 10**18:
        assert parse_credits(credits_text(str(amount)).removesuffix(" credits")) == amount
