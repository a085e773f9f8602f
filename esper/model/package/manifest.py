"""The manifest of a package: which files it has, in order, and how long each is.

    [version 1, files [[name Var(64), size U63] <= 64]]

It is chunk 0 of the package. Names ascend, so that one set of files has one manifest; they are of
`a-z0-9._-`, and `LICENSE`, which everybody writes so. A name becomes a file on other machines'
disks: none begins with a dot or a dash, so that none is hidden, a folder or an option.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from esper.model.package.errors import ManifestError
from esper.model.package.port import CHUNK_BYTES, MAX_CHUNKS
from esper.primitives.codec import Array, CodecError, Record, Unsigned, VarBytes, decode, encode

VERSION: Final = 1
MAX_FILES: Final = 64
MAX_NAME: Final = 64
LICENCE_FILE: Final = "LICENSE"
BANK_FILE: Final = "bank.json"
REQUIRED: Final = ("LICENSE", "bank.json", "config.json", "g16.safetensors", "tokenizer.json")
"""What every package has."""
OPTIONAL: Final = ("chat_template.jinja", "tokenizer_config.json")
"""What is taken along where it lies beside them: the chat template stands in one or the other."""
MOST_BYTES: Final = {
    "LICENSE": 1 << 20,
    "bank.json": 512 << 20,
    "chat_template.jinja": 1 << 20,
    "config.json": 1 << 20,
    "tokenizer.json": 64 << 20,
    "tokenizer_config.json": 1 << 20,
}
"""Of files that are read as a whole, and take many times their size in memory."""

_ALPHABET: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-")


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file of a package."""

    name: bytes
    """1 to MAX_NAME characters of the alphabet."""
    size: int
    """Bytes, at least 1."""

    @property
    def text(self) -> str:
        """The name as text."""
        return self.name.decode("ascii")

    @property
    def chunks(self) -> int:
        """How many chunks it has."""
        return -(-self.size // CHUNK_BYTES)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a package. Raises ManifestError for what no package may have."""

    files: tuple[PackagedFile, ...]
    """By name."""

    def __post_init__(self) -> None:
        for one in self.files:
            _check_name(one.name)
            if one.size < 1:
                raise ManifestError(
                    f"{one.text} is empty: fill it, or leave it out if it is not required"
                )
            most = MOST_BYTES.get(one.text, one.size)
            if one.size > most:
                raise ManifestError(f"{one.text} has {one.size:,} bytes, at most {most:,}")
        for before, after in pairwise(self.files):
            if before.name >= after.name:
                raise ManifestError(f"{after.text} stands behind {before.text}; names must ascend")
        names = {one.text for one in self.files}
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            raise ManifestError(f"{missing[0]} is missing; every package has it")
        if self.chunks > MAX_CHUNKS:
            raise ManifestError(f"{self.chunks} chunks, at most {MAX_CHUNKS}")

    @property
    def chunks(self) -> int:
        """Chunks of the whole package, the manifest's among them."""
        return 1 + sum(one.chunks for one in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(one.size for one in self.files)

    def to_bytes(self) -> bytes:
        """The canonical encoding: chunk 0."""
        return encode(MANIFEST, self)


MANIFEST: Final = Record(
    Manifest,
    VERSION,
    (
        (
            "files",
            Array(
                Record(PackagedFile, None, (("name", VarBytes(MAX_NAME)), ("size", Unsigned(63)))),
                MAX_FILES,
            ),
        ),
    ),
)


def decode_manifest(data: bytes) -> Manifest:
    """Read chunk 0. Raises ManifestError."""
    try:
        return decode(MANIFEST, data, limit=CHUNK_BYTES, what="manifest")
    except CodecError as error:
        raise ManifestError(str(error)) from error


def _check_name(name: bytes) -> None:
    shown = name.decode("ascii", "backslashreplace")
    if not name or name[:1] in (b".", b"-"):
        raise ManifestError(f"a file named {shown!r}; a name begins with a letter or a digit")
    if name != LICENCE_FILE.encode() and not _ALPHABET.issuperset(name):
        raise ManifestError(f"a file named {shown!r}; names are of a-z, 0-9, '.', '_' and '-'")
    if len(name) > MAX_NAME:
        raise ManifestError(f"a name of {len(name)} characters, at most {MAX_NAME}")
