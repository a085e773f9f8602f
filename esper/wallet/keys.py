"""What a wallet's keys can do: make addresses, take seeds in, sign, change the password."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from esper.crypto.signing import KeyPair, key_from_seed
from esper.primitives.address import SUITE_ML_DSA_65
from esper.primitives.params import NetworkParameters
from esper.wallet.derivation import SEED_BYTES, derived_key
from esper.wallet.errors import MisuseError, NoSecretError, WalletDamagedError
from esper.wallet.files.cost import COST, Cost
from esper.wallet.files.keystore import (
    Contact,
    OwnAddress,
    WalletFile,
    empty_wallet,
    open_wallet,
    seal_wallet,
)
from esper.wallet.files.passwords import check_password
from esper.wallet.files.sealing import NONCE_BYTES, SALT_BYTES
from esper.wallet.labels import canonical_address, checked_label
from esper.wallet.secrets import Secrets

Randomness = Callable[[int], bytes]
"""So many bytes from the operating system; tests give their own."""

ACCOUNT: Final = 0
"""The only account so far; the path keeps room for others."""


def new_wallet(
    params: NetworkParameters,
    secrets: Secrets,
    password: str,
    randomness: Randomness,
    *,
    addresses: int = 1,
    label: str = "",
    cost: Cost = COST,
) -> WalletFile:
    """A wallet of these secrets: the first ``addresses`` of its words, and all imported seeds.

    ``label`` is what the first address is called. Raises MisuseError for a password or a label
    that is none, and for a seed of another length.
    """
    check_password(password)
    label = checked_label(label)
    own = [
        _from_words(params, secrets, index) for index in range(addresses * bool(secrets.entropy))
    ]
    for number, seed in enumerate(secrets.seeds):
        _check_seed(seed)
        own.append(OwnAddress(_text(params, _key_of_seed(seed)), "seed", index=number))
    if label:
        own[0] = replace(own[0], label=label)
    file = replace(empty_wallet(params), addresses=own)
    return resealed(file, secrets, password, randomness, cost=cost)


def watching_wallet(params: NetworkParameters, addresses: list[str]) -> WalletFile:
    """A wallet without any key. Raises ReceiverError for a text that is no address."""
    texts = dict.fromkeys(canonical_address(text, params) for text in addresses)
    own = [OwnAddress(text, "watched") for text in texts]
    return replace(empty_wallet(params), addresses=own)


def resealed(
    file: WalletFile,
    secrets: Secrets,
    password: str,
    randomness: Randomness,
    *,
    cost: Cost | None = None,
) -> WalletFile:
    """The file, sealed anew with fresh salt and nonce: after every change, or by a new password."""
    if cost is None:
        cost = COST if file.seal is None else file.seal.cost
    salt, nonce = randomness(SALT_BYTES), randomness(NONCE_BYTES)
    return seal_wallet(file, secrets, password, cost=cost, salt=salt, nonce=nonce)


def with_next_address(
    file: WalletFile, password: str, label: str, randomness: Randomness
) -> WalletFile:
    """The file with the next address of its words. Raises NoSecretError if it has none."""
    label = checked_label(label)
    secrets = open_wallet(file, password)
    fresh = _from_words(file.params, secrets, next_index(file))
    grown = [*file.addresses, replace(fresh, label=label)]
    return resealed(replace(file, addresses=grown), secrets, password, randomness)


def with_addresses_up_to(
    file: WalletFile, password: str, end: int, randomness: Randomness
) -> WalletFile:
    """The file with all addresses of its words below index ``end``; those that it has stay.

    Raises NoSecretError if it has no words.
    """
    secrets = open_wallet(file, password)
    fresh = [_from_words(file.params, secrets, index) for index in range(next_index(file), end)]
    grown = replace(file, addresses=[*file.addresses, *fresh])
    return resealed(grown, secrets, password, randomness)


def next_index(file: WalletFile) -> int:
    """The index of the first address of the words that the wallet never had."""
    taken = [own.index for own in file.addresses if own.source == "words"]
    return max(taken, default=-1) + 1


def with_seed(
    file: WalletFile, password: str, seed: bytes, label: str, randomness: Randomness
) -> WalletFile:
    """The file with an imported 32-byte seed. Raises MisuseError if its address is there."""
    label = checked_label(label)
    _check_seed(seed)
    secrets = open_wallet(file, password)
    text = _text(file.params, _key_of_seed(seed))
    if any(own.address == text for own in file.addresses):
        raise MisuseError(f"the wallet has {text} already")
    own = OwnAddress(text, "seed", index=len(secrets.seeds), label=label)
    grown = Secrets(secrets.entropy, (*secrets.seeds, seed))
    return resealed(replace(file, addresses=[*file.addresses, own]), grown, password, randomness)


def with_label(file: WalletFile, address: str, label: str) -> WalletFile:
    """The file, not sealed yet, with a label; an empty one takes a contact out."""
    label = checked_label(label)
    address = canonical_address(address, file.params)
    # Older files may hold an address in upper case.
    if any(own.address.lower() == address for own in file.addresses):
        own = [
            replace(own, label=label) if own.address.lower() == address else own
            for own in file.addresses
        ]
        return replace(file, addresses=own)
    contacts = [contact for contact in file.contacts if contact.address.lower() != address]
    if label:
        contacts.append(Contact(address, label))
    return replace(file, contacts=contacts)


def signing_key(file: WalletFile, secrets: Secrets, address: str) -> KeyPair:
    """The key of one of the wallet's addresses.

    Raises NoSecretError if it has none, WalletDamagedError if the key is another address's.
    """
    own = next((own for own in file.addresses if own.address == address), None)
    if own is None:
        raise NoSecretError(f"this wallet does not hold {address}: choose the one that does")
    if own.source == "watched":
        raise NoSecretError(f"this wallet only watches {address}: sign where its key is")
    if own.source == "words":
        key = derived_key(secrets.entropy, file.network, own.account, own.index)
    else:
        key = _key_of_seed(secrets.seeds[own.index])
    if _text(file.params, key) != address:
        raise WalletDamagedError(f"the wallet's key does not belong to {address}: restore it")
    return key


def address_of_words(params: NetworkParameters, secrets: Secrets, index: int) -> str:
    """The text of the words' address of an index, in the wallet or not. Raises NoSecretError."""
    return _from_words(params, secrets, index).address


def _from_words(params: NetworkParameters, secrets: Secrets, index: int) -> OwnAddress:
    if not secrets.entropy:
        raise NoSecretError(
            "this wallet has imported keys alone, no words to make addresses from: "
            "`esper wallet new` makes one that has"
        )
    key = derived_key(secrets.entropy, params.name, ACCOUNT, index)
    return OwnAddress(_text(params, key), "words", ACCOUNT, index)


def _check_seed(seed: bytes) -> None:
    if len(seed) != SEED_BYTES:
        raise MisuseError(f"the seed has {len(seed)} bytes, must have {SEED_BYTES}")


def _key_of_seed(seed: bytes) -> KeyPair:
    return key_from_seed(SUITE_ML_DSA_65, seed)


def _text(params: NetworkParameters, key: KeyPair) -> str:
    return key.address.to_text(params.address_prefix)
