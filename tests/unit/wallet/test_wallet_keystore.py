"""The wallet's file: sealed, authenticated, bounded, and a sentence for all that can be wrong."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from esper.crypto.demo_key import DEMO_SEED, demo_key
from esper.primitives.networks import DEMO_ADDRESS, DEVNET, MAINNET, REGTEST
from esper.wallet.demo import DEMO_PASSWORD, demo_wallet
from esper.wallet.errors import (
    CostError,
    MisuseError,
    NoSecretError,
    OtherNetworkError,
    ReceiverError,
    WalletDamagedError,
    WalletError,
    WalletExistsError,
    WalletMissingError,
    WalletNameError,
    WalletNewerError,
    WrongPasswordError,
)
from esper.wallet.files import keystore
from esper.wallet.files.cost import COST, Cost
from esper.wallet.files.folder import WalletFolder
from esper.wallet.files.keystore import OwnAddress, WalletFile, open_wallet, read_wallet
from esper.wallet.keys import (
    new_wallet,
    resealed,
    signing_key,
    watching_wallet,
    with_label,
    with_next_address,
    with_seed,
)
from esper.wallet.labels import parsed_address
from esper.wallet.secrets import Secrets
from tests.support.wallet.wallet_cases import CHEAP, ENTROPY, PASSWORD, SECRETS, counted, wallet

WALLET = wallet()


def changed(file: WalletFile, **fields: Any) -> bytes:
    """A file whose checksum fits and whose seal does not know of the change."""
    return replace(file, **fields).to_bytes()


@settings(max_examples=30)
@given(
    st.binary(min_size=32, max_size=32),
    st.lists(st.binary(min_size=32, max_size=32), max_size=3, unique=True),
    st.text(
        st.characters(
            exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs"), exclude_characters="\ufeff"
        ),
        min_size=1,
        max_size=40,
    ),
)
def test_round_trip(entropy: bytes, seeds: list[bytes], password: str) -> None:
    secrets = Secrets(entropy, tuple(seeds))
    file = new_wallet(REGTEST, secrets, password, counted(), addresses=2, cost=CHEAP)
    again = read_wallet(file.to_bytes(), "wallet")
    assert again == file
    assert open_wallet(again, password) == secrets
    for own in again.addresses:
        assert signing_key(again, secrets, own.address).address.to_text("resp") == own.address
    with pytest.raises(WrongPasswordError, match="does not open"):
        open_wallet(again, password + "x")


def test_password_forms_are_one() -> None:
    # The same accent, typed as one character and as two.
    file = new_wallet(REGTEST, SECRETS, "caf\u00e9", counted(), cost=CHEAP)
    assert open_wallet(file, "cafe\u0301") == SECRETS


@settings(max_examples=200)
@given(st.data())
def test_damaged_files_are_told(data: st.DataObject) -> None:
    whole = WALLET.to_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255))
    damaged = whole[:at] + bytes([byte]) + whole[at + 1 :]
    try:
        file = read_wallet(damaged, "wallet")
    except WalletError:
        return
    assert file == WALLET


@given(st.binary(max_size=300))
def test_junk_is_no_wallet(junk: bytes) -> None:
    with pytest.raises(WalletDamagedError, match="restore it"):
        read_wallet(junk, "wallet")


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"format": 1, "a":' + b"[" * 100_000])
def test_deep_files_do_not_crash(data: bytes) -> None:
    with pytest.raises(WalletDamagedError):
        read_wallet(data, "wallet")


def test_a_file_cut_short_or_too_long() -> None:
    with pytest.raises(WalletDamagedError, match="restore"):
        read_wallet(WALLET.to_bytes()[:-20], "wallet")
    with pytest.raises(WalletDamagedError, match="4 MiB"):
        read_wallet(b" " * (keystore.MAX_FILE_BYTES + 1), "wallet")


def test_damage_and_a_wrong_password_differ() -> None:
    assert WALLET.seal is not None
    flipped = WALLET.to_bytes().replace(WALLET.seal.nonce.encode(), b"f" * 24)
    with pytest.raises(WalletDamagedError, match="checksum"):
        read_wallet(flipped, "wallet")
    with pytest.raises(WrongPasswordError):
        open_wallet(WALLET, "wrong")


@pytest.mark.parametrize(
    "fields",
    [
        {"addresses": [OwnAddress(demo_key().address.to_text("resp"), "words")]},
        {"contacts": [keystore.Contact(demo_key().address.to_text("resp"), "me")]},
        {"prompts_are_public": True},
        {"addresses": []},
    ],
)
def test_clear_text_is_authenticated(fields: dict[str, Any]) -> None:
    file = read_wallet(changed(WALLET, **fields), "wallet")
    with pytest.raises(WrongPasswordError, match="changed the file"):
        open_wallet(file, PASSWORD)


def test_the_seal_binds_its_own_fields() -> None:
    assert WALLET.seal is not None
    for field, value in (("salt", "1" * 32), ("nonce", "1" * 24), ("iterations", 2)):
        seal = msgspec.structs.replace(WALLET.seal, **{field: value})
        with pytest.raises(WrongPasswordError):
            open_wallet(replace(WALLET, seal=seal), PASSWORD)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_kib", 16 * 1024 * 1024),
        ("memory_kib", 7),
        ("memory_kib", -1),
        ("iterations", 1 << 31),
        ("iterations", 0),
        ("lanes", 1 << 20),
        ("lanes", 0),
    ],
)
def test_a_hostile_file_costs_nothing(field: str, value: int) -> None:
    assert WALLET.seal is not None
    seal = msgspec.structs.replace(WALLET.seal, **{field: value})
    file = read_wallet(changed(WALLET, seal=seal), "wallet")
    with pytest.raises(CostError, match=f"seal.{field} is {value}"):
        open_wallet(file, PASSWORD)


def test_the_usual_cost_is_allowed() -> None:
    COST.check()
    assert COST.memory_kib >= 64 * 1024


def test_a_newer_file() -> None:
    document = json.loads(WALLET.to_bytes()) | {"format": 2, "unheard": True}
    with pytest.raises(WalletNewerError, match="newer program"):
        read_wallet(json.dumps(document).encode(), "wallet")


def test_other_networks() -> None:
    with pytest.raises(OtherNetworkError, match="genesis 000000"):
        read_wallet(changed(WALLET, genesis_hash="00" * 64), "wallet")
    with pytest.raises(OtherNetworkError, match="must be one of"):
        read_wallet(changed(WALLET, network="othernet"), "wallet")
    own = [OwnAddress(demo_key().address.to_text("esp"), "watched")]
    with pytest.raises(WalletDamagedError, match="begin with 'resp'"):
        read_wallet(changed(WALLET, addresses=own), "wallet")


def test_a_change_draws_new_salt_and_nonce() -> None:
    draw = counted()
    first = new_wallet(REGTEST, SECRETS, PASSWORD, draw, cost=CHEAP)
    second = with_next_address(first, PASSWORD, "savings", draw)
    assert first.seal is not None
    assert second.seal is not None
    assert first.seal.salt != second.seal.salt
    assert first.seal.nonce != second.seal.nonce
    assert second.seal.cost == CHEAP
    assert [own.index for own in second.addresses] == [0, 1]
    assert second.addresses[1].label == "savings"
    assert open_wallet(second, PASSWORD) == SECRETS


def test_password_change() -> None:
    secrets = open_wallet(WALLET, PASSWORD)
    other = resealed(WALLET, secrets, "other", counted())
    assert open_wallet(other, "other") == SECRETS
    with pytest.raises(WrongPasswordError):
        open_wallet(other, PASSWORD)
    assert other.addresses == WALLET.addresses


def test_a_password_is_needed() -> None:
    with pytest.raises(MisuseError, match="empty"):
        new_wallet(REGTEST, SECRETS, "", counted(), cost=CHEAP)
    with pytest.raises(MisuseError, match="longer than"):
        new_wallet(REGTEST, SECRETS, "x" * 1025, counted(), cost=CHEAP)


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("secret\r", "carriage return"),
        ("sec\rret", "carriage return"),
        ("secret\n", r"U\+000A"),
        ("tab\there", r"U\+0009"),
        ("\x1b[31m", r"U\+001B"),
        ("del\x7f", r"U\+007F"),
        ("c1 \x85", r"U\+0085"),
        ("line\u2028break", r"U\+2028"),
        ("\ufeffmark", r"U\+FEFF"),
        ("zero\u200bwidth", r"U\+200B"),
        ("right\u202eleft", r"U\+202E"),
        ("soft\u00adhyphen", r"U\+00AD"),
        ("hangul\u3164", r"U\+3164, which shows as nothing"),
        ("\u2800", r"U\+2800, which shows as nothing"),
        ("\u200d\u200c", "nothing of the password can be seen"),
        ("caf\udce9", "no text in this locale's encoding"),
        (" secret", "begins or ends with a blank"),
        ("secret ", "begins or ends with a blank"),
        ("secret\u00a0", "begins or ends with a blank"),
        (" ", "begins or ends with a blank"),
    ],
)
def test_a_new_password_can_be_typed_again(password: str, says: str) -> None:
    with pytest.raises(MisuseError, match=says) as caught:
        new_wallet(REGTEST, SECRETS, password, counted(), cost=CHEAP)
    assert "secret" not in str(caught.value)


def test_joiners_that_keyboards_have_may_stand_in_a_password() -> None:
    password = "\u0645\u06cc\u200c\u062e \U0001f469\u200d\U0001f680"
    assert open_wallet(new_wallet(REGTEST, SECRETS, password, counted(), cost=CHEAP), password)


def test_older_passwords_open_and_odd_ones_are_told() -> None:
    older = resealed(WALLET, SECRETS, "secret\r", counted())
    assert open_wallet(older, "secret\r") == SECRETS
    with pytest.raises(WrongPasswordError, match="what was given holds a carriage return"):
        open_wallet(WALLET, PASSWORD + "\r")
    with pytest.raises(WrongPasswordError, match=r"backup$"):
        open_wallet(WALLET, PASSWORD + "x")


def test_imported_seeds() -> None:
    grown = with_seed(WALLET, PASSWORD, DEMO_SEED, "demo", counted())
    secrets = open_wallet(grown, PASSWORD)
    address = demo_key().address.to_text("resp")
    assert signing_key(grown, secrets, address) == demo_key()
    assert secrets.entropy == ENTROPY
    with pytest.raises(MisuseError, match="already"):
        with_seed(grown, PASSWORD, DEMO_SEED, "", counted())
    with pytest.raises(MisuseError, match="31 bytes"):
        with_seed(grown, PASSWORD, bytes(31), "", counted())
    for size in (0, 31, 33):
        with pytest.raises(MisuseError, match=f"{size} bytes, must have 32"):
            wallet(Secrets(seeds=(bytes(size),)))


def test_a_wallet_of_seeds_makes_no_addresses() -> None:
    file = wallet(Secrets(seeds=(DEMO_SEED,)))
    with pytest.raises(NoSecretError, match="no words"):
        with_next_address(file, PASSWORD, "", counted())


def test_watching() -> None:
    text = demo_key().address.to_text("resp")
    file = read_wallet(watching_wallet(REGTEST, [text, text]).to_bytes(), "wallet")
    assert [own.address for own in file.addresses] == [text]
    with pytest.raises(NoSecretError, match="only watches"):
        open_wallet(file, PASSWORD)
    with pytest.raises(NoSecretError, match="only watches"):
        signing_key(file, SECRETS, text)
    with pytest.raises(ReceiverError):
        watching_wallet(REGTEST, [text[:-1]])


def test_keys_of_others_are_not_found() -> None:
    with pytest.raises(NoSecretError, match="does not hold"):
        signing_key(WALLET, SECRETS, demo_key().address.to_text("resp"))
    with pytest.raises(WalletDamagedError, match="does not belong"):
        signing_key(WALLET, Secrets(bytes(32)), WALLET.addresses[0].address)


def test_labels() -> None:
    own, other = WALLET.addresses[0].address, demo_key().address.to_text("resp")
    file = with_label(with_label(WALLET, own, "mine"), other, "theirs")
    assert file.addresses[0].label == "mine"
    assert [(c.address, c.label) for c in file.contacts] == [(other, "theirs")]
    assert with_label(file, other, "").contacts == []
    with pytest.raises(MisuseError, match="one line"):
        with_label(WALLET, own, "two\nlines")
    with pytest.raises(MisuseError, match="at most 64"):
        with_label(WALLET, own, "x" * 65)
    with pytest.raises(ReceiverError):
        with_label(WALLET, demo_key().address.to_text("esp"), "x")


def test_addresses_of_other_networks_are_told_apart() -> None:
    with pytest.raises(ReceiverError, match=r"begins with 'esp'.*of regtest"):
        parsed_address(demo_key().address.to_text("esp"), REGTEST)


def test_a_wallet_with_a_mark_of_an_editor_or_windows_line_ends() -> None:
    data = WALLET.to_bytes()
    assert read_wallet(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"), "wallet") == WALLET
    with pytest.raises(WalletDamagedError, match=r"w\.json is text in UTF-16"):
        read_wallet(data.decode().encode("utf-16"), "w.json")
    for empty in (b"", b" \n"):
        with pytest.raises(WalletDamagedError, match=r"w\.json is empty: restore it"):
            read_wallet(empty, "w.json")


def test_a_watched_address_in_upper_case_of_an_older_file() -> None:
    text = demo_key().address.to_text("resp")
    file = watching_wallet(REGTEST, [text.upper()])
    assert [own.address for own in file.addresses] == [text]
    older = read_wallet(changed(file, addresses=[OwnAddress(text.upper(), "watched")]), "wallet")
    assert with_label(older, text, "mine").addresses[0].label == "mine"


def test_files_are_private(tmp_path: Path) -> None:
    folder = WalletFolder(tmp_path / "d")
    folder.create("a", WALLET)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / "a.json").stat().st_mode & 0o777 == 0o600
    folder.update("a", lambda file: with_label(file, file.addresses[0].address, "x"))
    assert (folder.path / "a.json").stat().st_mode & 0o777 == 0o600
    folder.path.chmod(0o755)
    folder.create("b", WALLET)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert sorted(file.name for file in folder.path.iterdir()) == [".lock", "a.json", "b.json"]


def test_names(tmp_path: Path) -> None:
    folder = WalletFolder(tmp_path)
    with pytest.raises(WalletMissingError, match="make one"):
        folder.chosen(None)
    folder.create("a", WALLET)
    assert folder.chosen(None) == "a"
    folder.create("b", WALLET)
    with pytest.raises(WalletMissingError, match="there are a, b"):
        folder.chosen(None)
    with pytest.raises(WalletMissingError, match="no wallet 'c'"):
        folder.chosen("c")
    with pytest.raises(WalletMissingError, match="no wallet 'c'"):
        folder.read("c")
    for name in ("../a", "", ".a", "a/b", "a" * 65, "ä"):
        with pytest.raises(WalletNameError, match="letters"):
            folder.create(name, WALLET)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = WalletFolder(tmp_path)
    folder.create("a", WALLET)
    with pytest.raises(WalletExistsError, match="another name"):
        folder.create("a", wallet(Secrets(bytes(32))))
    assert folder.read("a") == WALLET
    target = tmp_path / "copy"
    folder.backup("a", target)
    assert read_wallet(target.read_bytes(), "copy") == WALLET
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(WalletExistsError, match="another file"):
        folder.backup("a", target)


def test_an_update_that_fails_changes_nothing(tmp_path: Path) -> None:
    folder = WalletFolder(tmp_path)
    folder.create("a", WALLET)
    with pytest.raises(WrongPasswordError):
        folder.update("a", lambda file: with_next_address(file, "wrong", "", counted()))
    assert folder.read("a") == WALLET
    assert sorted(file.name for file in folder.path.iterdir()) == [".lock", "a.json"]


def test_the_demonstration_wallet(tmp_path: Path) -> None:
    assert demo_wallet(tmp_path, DEVNET, counted())
    assert not demo_wallet(tmp_path, DEVNET, counted())
    file = WalletFolder(tmp_path).read("demo")
    key = signing_key(file, open_wallet(file, DEMO_PASSWORD), file.addresses[0].address)
    assert key.address.to_bytes() == DEMO_ADDRESS
    with pytest.raises(MisuseError, match="everyone"):
        demo_wallet(tmp_path, MAINNET, counted())


def test_secrets_do_not_show() -> None:
    secrets = Secrets(ENTROPY, (DEMO_SEED,))
    for shown in (repr(secrets), str(secrets), repr(wallet(secrets))):
        assert ENTROPY.hex() not in shown
        assert DEMO_SEED.hex() not in shown
        assert repr(ENTROPY) not in shown


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{}", "unreadable"),
        (b'{"entropy": "zz", "seeds": []}', "unreadable"),
        (b'{"entropy": "00", "seeds": []}', "wrong length"),
        (b'{"entropy": "", "seeds": ["00"]}', "wrong length"),
    ],
)
def test_a_sealed_part_that_is_no_secret(data: bytes, says: str) -> None:
    with pytest.raises(WalletDamagedError, match=says) as caught:
        Secrets.from_bytes(data)
    assert caught.value.__cause__ is None


def test_costs_are_checked_before_anything_is_sealed() -> None:
    with pytest.raises(CostError):
        new_wallet(REGTEST, SECRETS, PASSWORD, counted(), cost=Cost(1 << 30, 1, 1))
