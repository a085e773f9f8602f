"""Signatures that are the same in every run: the real ones of suite 1 are hedged.

NOT A SIGNATURE: a hash of key and digest that anyone can compute. It shows nothing but that every
node asks for the right one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

from esper.crypto.signatures import SCHEMES
from esper.crypto.signing import KeyPair
from esper.primitives.address import SUITE_ML_DSA_65

LENGTH = SCHEMES[SUITE_ML_DSA_65].signature_bytes


def fake_signature(key: bytes, digest: bytes) -> bytes:
    """Of a public key over a digest."""
    return hashlib.shake_256(b"FAKE SIGNATURE" + key + digest).digest(LENGTH)


def holds(key: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether it is the one."""
    return signature == fake_signature(key, digest)


def first_invalid(claims: Sequence[tuple[bytes, bytes, bytes]], threads: int) -> int | None:
    """As the extension says it."""
    del threads
    return next((at for at, claim in enumerate(claims) if not holds(*claim)), None)


def sign_fake(pair: KeyPair, digest: bytes) -> bytes:
    """In place of ``KeyPair.sign``."""
    return fake_signature(pair.public, digest)


@contextmanager
def fake_signatures() -> Iterator[None]:
    """Sign and check in this way within."""
    scheme = replace(SCHEMES[SUITE_ML_DSA_65], check=holds)
    with (
        mock.patch.dict(SCHEMES, {SUITE_ML_DSA_65: scheme}),
        mock.patch("esper.node.signatures.batch.ml_dsa_65_first_invalid", first_invalid),
        mock.patch.object(KeyPair, "sign", sign_fake),
    ):
        yield
