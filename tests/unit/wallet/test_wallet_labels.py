"""Labels: an address is found by what its owner calls it, and never a wrong one."""

import pytest

from esper.crypto.demo_key import demo_key
from esper.primitives.networks import MAINNET, REGTEST
from esper.wallet.errors import MisuseError, ReceiverError
from esper.wallet.files.keystore import Contact, WalletFile
from esper.wallet.keys import watching_wallet, with_label
from esper.wallet.labels import address_called, canonical_address, checked_label, label_of
from tests.support.vm_world import ALICE, BOB

PREFIX = REGTEST.address_prefix
OWN = ALICE.address.to_text(PREFIX)
BOBS = BOB.address.to_text(PREFIX)
DEMO = demo_key().address.to_text(PREFIX)


@pytest.fixture
def file() -> WalletFile:
    watching = watching_wallet(REGTEST, [OWN])
    return with_label(with_label(watching, OWN, "purse"), BOBS, "Bob Müller")


def test_labels_name_addresses(file: WalletFile) -> None:
    assert address_called(file, "purse") == OWN
    assert address_called(file, "Bob Müller") == BOBS
    # The same letter, typed as two characters.
    assert address_called(file, "Bob Mu\u0308ller") == BOBS
    assert label_of(file, BOBS) == "Bob Müller"
    assert label_of(file, DEMO) == ""
    assert label_of(file, OWN) == "purse"


def test_an_address_is_itself_in_one_form(file: WalletFile) -> None:
    for text in (DEMO, DEMO.upper()):
        assert address_called(file, text) == DEMO
        assert canonical_address(text, REGTEST) == DEMO


def test_an_address_means_itself_whatever_a_file_calls_it(file: WalletFile) -> None:
    file.contacts.append(Contact(BOBS, DEMO))
    assert address_called(file, DEMO) == DEMO


def test_a_label_of_several_addresses_is_refused(file: WalletFile) -> None:
    both = with_label(file, DEMO, "purse")
    with pytest.raises(ReceiverError, match=f"2 addresses.*{DEMO}, {OWN}"):
        address_called(both, "purse")
    assert address_called(both, "purse", own=True) == OWN


def test_own_addresses_alone(file: WalletFile) -> None:
    assert address_called(file, OWN.upper(), own=True) == OWN
    for text in ("Bob Müller", BOBS):
        with pytest.raises(ReceiverError, match=r"no address called|does not hold"):
            address_called(file, text, own=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Bob Muller", "did you mean 'Bob Müller'"),
        ("somebody", "neither an address of regtest nor a label of this wallet"),
        ("", "neither an address"),
        ("x" * 10_000, "xxxx…' is neither"),
        (BOBS[:-1], "checksum does not match"),
        (f"{PREFIX}1", "at least six letters"),
        (demo_key().address.to_text("esp"), "'esp' .mainnet.*regtest"),
    ],
)
def test_what_names_nothing_is_told(file: WalletFile, text: str, says: str) -> None:
    with pytest.raises(ReceiverError, match=says):
        address_called(file, text)


@pytest.mark.parametrize(
    "label",
    [
        "two\nlines", "bell\a", "c1 \x9b31m", "right\u202eleft", "zero\u200bwidth", "\ufeffmark",
        "line\u2028break", "not utf-8 \udce9", "x" * 65, " ", " before", "after ", "no\u00a0break",
    ],
)  # fmt: skip
def test_labels_that_show_as_something_else_are_refused(file: WalletFile, label: str) -> None:
    with pytest.raises(MisuseError, match="the label"):
        with_label(file, BOBS, label)


@pytest.mark.parametrize("params", [MAINNET, REGTEST], ids=lambda params: params.name)
def test_a_label_is_no_address(params: object) -> None:
    prefix = MAINNET.address_prefix if params is MAINNET else PREFIX
    text = demo_key().address.to_text(prefix)
    for label in (text, text.upper(), text[:-1]):
        with pytest.raises(MisuseError, match="looks like an address"):
            checked_label(label)


@pytest.mark.parametrize(
    "label", ["", "Bob", "x" * 64, "名前", "עברית", "é" * 64, "🦊 fox", "5", "esp"]
)
def test_labels_of_all_scripts_are_taken(label: str) -> None:
    checked_label(label)
