"""Packages in memory, and shelves that keep them as a node's store would."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from esper.p2p.packages.ports import PackageErrors
from esper.p2p.service.packages.package_jobs import PackageSource


class WrongListError(Exception):
    """A list that is not the root's."""


class WrongChunkError(Exception):
    """A chunk unlike its digest."""


class CannotBeError(Exception):
    """A package that cannot be."""


ERRORS = PackageErrors((WrongListError, WrongChunkError), (CannotBeError,))


def digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def root_of(digests: bytes) -> bytes:
    return hashlib.blake2b(len(digests).to_bytes(8, "big") + digests).digest()


@dataclass(frozen=True)
class Package:
    """A package with all its chunks."""

    chunks: tuple[bytes, ...]

    @cached_property
    def digests(self) -> bytes:
        return b"".join(map(digest, self.chunks))

    @cached_property
    def root(self) -> bytes:
        return root_of(self.digests)


@lru_cache
def package(count: int, seed: int = 1, size: int = 40) -> Package:
    chance = random.Random(seed)
    return Package(tuple(chance.randbytes(size) for _ in range(count)))


@dataclass
class Kept:
    """One package of a shelf."""

    digests: bytes
    manifest_first: bool = True
    chunks: dict[int, bytes] = field(default_factory=dict)
    fails: Exception | None = None
    """What every call raises."""
    forgets: bool = False
    """Whether what is put is lost."""
    puts: int = 0

    def digest_count(self) -> int:
        return len(self.digests) // 32

    def has(self, index: int) -> bool:
        return index in self.chunks

    def missing(self) -> Sequence[int]:
        if self.manifest_first and 0 not in self.chunks:
            return (0,)
        return [one for one in range(self.digest_count()) if one not in self.chunks]

    def get(self, index: int) -> bytes:
        if self.fails is not None:
            raise self.fails
        return self.chunks[index]

    def put(self, index: int, data: bytes) -> None:
        self.puts += 1
        if self.fails is not None:
            raise self.fails
        if digest(data) != self.digests[32 * index : 32 * index + 32]:
            raise WrongChunkError(f"chunk {index} is not the package's")
        if not self.forgets:
            self.chunks[index] = data


class Shelf:
    """A store of packages."""

    def __init__(self, *whole: Package, manifest_first: bool = True) -> None:
        self.kept: dict[bytes, Kept] = {}
        self.manifest_first = manifest_first
        self.fails: Exception | None = None
        for one in whole:
            self.keep(one, range(len(one.chunks)))

    def keep(self, one: Package, indices: Sequence[int]) -> None:
        chunks = {index: one.chunks[index] for index in indices}
        self.kept[one.root] = Kept(one.digests, self.manifest_first, chunks)

    def find(self, root: bytes) -> Kept | None:
        if self.fails is not None:
            raise self.fails
        return self.kept.get(root)

    def begin(self, root: bytes, digests: bytes) -> Kept:
        if self.fails is not None:
            raise self.fails
        if root_of(digests) != root:
            raise WrongListError("the list is not the root's")
        return self.kept.setdefault(root, Kept(digests, self.manifest_first))

    def is_whole(self, one: Package) -> bool:
        kept = self.kept.get(one.root)
        return kept is not None and [kept.chunks.get(at) for at in range(len(one.chunks))] == list(
            one.chunks
        )

    @property
    def source(self) -> PackageSource:
        return PackageSource(self, ERRORS)
