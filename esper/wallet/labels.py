"""What the owner calls addresses: from a label to its address, and back."""

import re
import unicodedata
from difflib import get_close_matches
from typing import Final

from esper.primitives.address import Address
from esper.primitives.bech32m import Bech32Error, bech32m_decode
from esper.primitives.networks import NETWORKS, network_of_prefix
from esper.primitives.params import NetworkParameters
from esper.wallet.errors import MisuseError, ReceiverError
from esper.wallet.files.keystore import MAX_LABEL, WalletFile

_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""Characters that count as printable and show as nothing: fillers, joiners, variants of others.
With one of them, two labels look the same and mean two addresses."""
_SHOWN_CHARACTERS: Final = 40
"""A wrong text is shown no longer than this."""


def label_of(file: WalletFile, address: str) -> str:
    """What the owner calls an address (canonical text), nothing if it has no name."""
    return _labels(file).get(address, "")


def address_called(file: WalletFile, text: str, *, own: bool = False) -> str:
    """The address, in canonical form, that a text names: itself, or the one with this label.

    Contacts and the wallet's own addresses have labels; with ``own`` only the latter count, and an
    address of somebody else is refused as well. An address always means itself, whatever labels a
    file holds. Raises ReceiverError for a text that is neither, or a label of several addresses.
    """
    canonical = _canonical(text, file.params)
    if canonical is not None:
        if own and canonical not in _own_labels(file):
            raise ReceiverError(f"the wallet does not hold {canonical}: esper wallet address")
        return canonical
    found = addresses_called(file, text, own=own)
    if own and len(found) != 1:
        many = "several addresses" if found else "no address"
        raise ReceiverError(f"the wallet has {many} called {_short(text)!r}: esper wallet address")
    if len(found) > 1:
        raise ReceiverError(
            f"{text!r} is the label of {len(found)} addresses, name one of them instead: "
            f"{', '.join(found)}"
        )
    if not found:
        raise ReceiverError(_unknown(text, file))
    return found[0]


def addresses_called(file: WalletFile, label: str, *, own: bool = False) -> list[str]:
    """All addresses with this label, in whatever form its letters were typed."""
    wanted = unicodedata.normalize("NFC", label)
    found = _own_labels(file) if own else _labels(file)
    return [
        address
        for address, called in found.items()
        if called and unicodedata.normalize("NFC", called) == wanted
    ]


def address_of_any_network(text: str) -> str | None:
    """The one form of an address, of whatever network; None for what does not look like one.

    Raises ReceiverError for what looks like one and is none.
    """
    if not _looks_like_address(text):
        return None
    try:
        prefix, _ = bech32m_decode(text)
        name = network_of_prefix(prefix)
        return text.lower() if name is None else canonical_address(text, NETWORKS[name])
    except Bech32Error as error:
        raise ReceiverError(f"address {text[:200]!r}: {error}") from None


def checked_label(label: str) -> str:
    """A new label in the form that is kept: one line, seen as what it is, and no address.

    Raises MisuseError.
    """
    label = unicodedata.normalize("NFC", label)
    if len(label) > MAX_LABEL or not label.isprintable() or _UNSEEN.search(label):
        raise MisuseError(
            f"the label must be one line of at most {MAX_LABEL} characters, without characters "
            "that cannot be seen"
        )
    if label != label.strip():
        raise MisuseError("the label begins or ends with a blank, which nobody sees: leave it out")
    if _looks_like_address(label):
        raise MisuseError(
            "the label looks like an address, and a payment to it would mean another: "
            "choose a name for it"
        )
    return label


def parsed_address(text: str, params: NetworkParameters) -> Address:
    """An address of the network. Raises ReceiverError that tells another network's apart."""
    try:
        return Address.from_text(text[:200], params.address_prefix)
    except ValueError as error:
        raise ReceiverError(f"{error}; name an address of {params.name}") from None


def canonical_address(text: str, params: NetworkParameters) -> str:
    """The one text of an address of the network, in lower case. Raises ReceiverError."""
    return parsed_address(text, params).to_text(params.address_prefix)


def _canonical(text: str, params: NetworkParameters) -> str | None:
    """The one form of an address; None for what does not look like one. Raises ReceiverError."""
    return canonical_address(text, params) if _looks_like_address(text) else None


def _looks_like_address(text: str) -> bool:
    """Whether a text is one, or shall be: then its mistake is told, not that no label is so."""
    try:
        bech32m_decode(text)
    except Bech32Error:
        prefix, separator, _ = text.partition("1")
        known = {one.address_prefix for one in NETWORKS.values()}
        return bool(separator) and prefix.isascii() and prefix.lower() in known
    return True


def _labels(file: WalletFile) -> dict[str, str]:
    contacts = {contact.address.lower(): contact.label for contact in file.contacts}
    return contacts | _own_labels(file)


def _own_labels(file: WalletFile) -> dict[str, str]:
    """Files were checked when they were read: their addresses are ASCII, in whatever case."""
    return {own.address.lower(): own.label for own in file.addresses}


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _unknown(text: str, file: WalletFile) -> str:
    labels = sorted({*_labels(file).values()} - {""})
    near = get_close_matches(text[:_SHOWN_CHARACTERS], labels, n=3, cutoff=0.6)
    if near:
        hint = f"did you mean {' or '.join(map(repr, near))}?"
    else:
        hint = "esper wallet label ADDRESS LABEL gives one"
    neither = f"neither an address of {file.network} nor a label of this wallet"
    return f"{_short(text)!r} is {neither}; {hint}"
