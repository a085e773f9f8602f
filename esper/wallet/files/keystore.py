"""A wallet's file: addresses and labels in clear text, secrets sealed, all of it authenticated.

    {"format": 1, "network": …, "genesis_hash": …, "addresses": […], "contacts": […],
     "prompts_are_public": …, "seal": {…} or null, "checksum": …}

Balances can be listed without a password. The seal's associated data is the whole file but what is
sealed, so changing anything needs the password, and an address that someone else put in is noticed
when it is next typed. The checksum tells a damaged disk from a wrong password; it is no protection.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from esper.consensus.genesis import genesis_hash
from esper.primitives.address import Address, AddressError
from esper.primitives.hashing import make_tag, tagged_hash32
from esper.primitives.networks import UnknownNetworkError, network
from esper.primitives.params import NetworkParameters
from esper.wallet.errors import (
    NoSecretError,
    OtherNetworkError,
    WalletDamagedError,
    WalletNewerError,
)
from esper.wallet.files.cost import Cost
from esper.wallet.files.given_files import GivenTextError, without_mark
from esper.wallet.files.sealing import NONCE_BYTES, SALT_BYTES, opened, sealed
from esper.wallet.secrets import Secrets

TAG_CHECKSUM: Final = make_tag("esper/wallet/checksum/v1")
TAG_ASSOCIATED: Final = make_tag("esper/wallet/keystore/v1")

FORMAT: Final = 1
MAX_FILE_BYTES: Final = 1 << 22
MAX_LABEL: Final = 64

_REMEDY: Final = "restore it from a backup or its words"

Label = Annotated[str, Meta(max_length=MAX_LABEL)]
Number = Annotated[int, Meta(ge=0, lt=1 << 32)]


class OwnAddress(Struct, frozen=True, forbid_unknown_fields=True):
    """An address of the wallet and where its key comes from."""

    address: Annotated[str, Meta(max_length=120)]
    """As text, under the network's prefix."""
    source: Annotated[str, Meta(pattern="^(words|seed|watched)$")]
    """From the words, an imported seed, or without a key here."""
    account: Number = 0
    """Second step of the path; 0 unless from the words."""
    index: Number = 0
    """Third step of the path, or which imported seed."""
    label: Label = ""
    """What the owner calls it."""


class Contact(Struct, frozen=True, forbid_unknown_fields=True):
    """Someone else's address."""

    address: Annotated[str, Meta(max_length=120)]
    """As text, under the network's prefix."""
    label: Label
    """What the owner calls it."""


class Seal(Struct, frozen=True, forbid_unknown_fields=True):
    """The sealed secrets and what opening them takes beside the password."""

    kdf: Annotated[str, Meta(pattern="^argon2id$")]
    """How the password becomes a key."""
    memory_kib: int
    """Argon2id's memory."""
    iterations: int
    """Argon2id's passes."""
    lanes: int
    """Argon2id's lanes."""
    salt: Annotated[str, Meta(pattern=f"^[0-9a-f]{{{2 * SALT_BYTES}}}$")]
    """16 bytes in hex, new at every change."""
    cipher: Annotated[str, Meta(pattern="^chacha20poly1305$")]
    """How the key encrypts."""
    nonce: Annotated[str, Meta(pattern=f"^[0-9a-f]{{{2 * NONCE_BYTES}}}$")]
    """12 bytes in hex, new at every change."""
    sealed: Annotated[str, Meta(pattern=r"^(?:[0-9a-f]{2})*+$(?!\n)")]
    """The secrets, encrypted, in hex. Possessive: to go back to each pair would take eighty times
    the memory of the text."""

    @property
    def cost(self) -> Cost:
        """Argon2id's parameters, not checked yet."""
        return Cost(self.memory_kib, self.iterations, self.lanes)


class WalletFile(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in a wallet's file."""

    format: int
    """1."""
    network: str
    """Name of the network."""
    genesis_hash: str
    """64 bytes in hex: which network of that name."""
    addresses: Annotated[list[OwnAddress], Meta(max_length=10_000)]
    """The wallet's own, oldest first."""
    contacts: Annotated[list[Contact], Meta(max_length=10_000)] = []
    """Labels of others' addresses."""
    prompts_are_public: bool = False
    """Whether the owner was told that prompts stay readable to everyone for ever."""
    seal: Seal | None = None
    """None: the wallet only watches."""
    checksum: str = ""
    """32 bytes in hex over everything else."""

    @property
    def params(self) -> NetworkParameters:
        """The rules of its network, which was checked when the file was read."""
        return network(self.network)

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        return msgspec.json.format(msgspec.json.encode(_with_checksum(self)), indent=1) + b"\n"


def empty_wallet(params: NetworkParameters) -> WalletFile:
    """A wallet of a network with nothing in it."""
    return WalletFile(FORMAT, params.name, genesis_hash(params).hex(), [])


def read_wallet(data: bytes, what: str) -> WalletFile:
    """Read a wallet's file; ``what`` names it in messages.

    Raises WalletDamagedError, WalletNewerError or OtherNetworkError.
    """
    if len(data) > MAX_FILE_BYTES:
        raise WalletDamagedError(f"{what} is larger than 4 MiB, as no wallet is")
    if not data.strip():
        raise WalletDamagedError(f"{what} is empty: {_REMEDY}")
    try:
        data = without_mark(data)
        version = msgspec.json.decode(data, type=_Version).format
        if version > FORMAT:
            raise WalletNewerError(
                f"{what} has format {version}, this program knows {FORMAT}: use a newer program"
            )
        file = msgspec.json.decode(data, type=WalletFile)
    except GivenTextError as error:
        raise WalletDamagedError(f"{what} {error}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WalletDamagedError(f"{what} is damaged or no wallet ({error}): {_REMEDY}") from None
    if file.format != FORMAT or _with_checksum(file).checksum != file.checksum:
        raise WalletDamagedError(f"{what} is damaged, its checksum does not fit: {_REMEDY}")
    _check_network(file, what)
    return file


def seal_wallet(
    file: WalletFile, secrets: Secrets, password: str, *, cost: Cost, salt: bytes, nonce: bytes
) -> WalletFile:
    """The file with these secrets sealed anew over all that it says. Raises CostError.

    ``salt`` (16 bytes) and ``nonce`` (12 bytes) are random and never used twice.
    """
    seal = Seal(
        kdf="argon2id",
        memory_kib=cost.memory_kib,
        iterations=cost.iterations,
        lanes=cost.lanes,
        salt=salt.hex(),
        cipher="chacha20poly1305",
        nonce=nonce.hex(),
        sealed="",
    )
    bare = replace(file, seal=seal, checksum="")
    data = sealed(
        secrets.to_bytes(), password, _associated(bare), cost=cost, salt=salt, nonce=nonce
    )
    return _with_checksum(replace(bare, seal=replace(seal, sealed=data.hex())))


def open_wallet(file: WalletFile, password: str) -> Secrets:
    """The wallet's secrets. Raises NoSecretError, WrongPasswordError or CostError."""
    seal = file.seal
    if seal is None:
        raise NoSecretError("this wallet only watches: it holds no key and has no password")
    bare = replace(file, seal=replace(seal, sealed=""), checksum="")
    data = opened(
        bytes.fromhex(seal.sealed),
        password,
        _associated(bare),
        cost=seal.cost,
        salt=bytes.fromhex(seal.salt),
        nonce=bytes.fromhex(seal.nonce),
    )
    return Secrets.from_bytes(data)


class _Version(Struct):
    format: int


def _check_network(file: WalletFile, what: str) -> None:
    try:
        params = network(file.network)
    except UnknownNetworkError as error:
        raise OtherNetworkError(f"{what}: {error}") from None
    known = genesis_hash(params).hex()
    if file.genesis_hash != known:
        raise OtherNetworkError(
            f"{what} was made for {file.network} with genesis {file.genesis_hash[:16]}…, this "
            f"program's is {known[:16]}…: use the program that it was made with, or restore its "
            f"words here: esper wallet restore --network {file.network}"
        )
    texts = [own.address for own in file.addresses] + [c.address for c in file.contacts]
    for text in texts:
        try:
            Address.from_text(text, params.address_prefix)
        except AddressError as error:
            raise WalletDamagedError(f"{what}: {error}") from None


def _associated(bare: WalletFile) -> bytes:
    return TAG_ASSOCIATED + msgspec.json.encode(bare)


def _with_checksum(file: WalletFile) -> WalletFile:
    plain = msgspec.json.encode(replace(file, checksum=""))
    return replace(file, checksum=tagged_hash32(TAG_CHECKSUM, plain).hex())
