"""Golden packages, by an independent computation: digests, roots, and the texts of a bank."""

import hashlib
import json

from blake3 import blake3

from tests.vectors.writers import write_dao

DOCUMENT = json.loads(write_dao.FILE.read_text())


def root_of(use: bytes, items: list[bytes]) -> bytes:
    """The root of a Merkle tree, from its definition."""

    def tagged(tag: bytes, data: bytes) -> bytes:
        return hashlib.sha3_512(tag.ljust(32, b"\0") + data).digest()

    level = [tagged(b"esper/merkle/leaf/v1", item) for item in items]
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [
            tagged(b"esper/merkle/node/v1", b"".join(pair)) if len(pair) == 2 else pair[0]
            for pair in pairs
        ]
    head = use.ljust(32, b"\0") + len(items).to_bytes(8, "big")
    return tagged(b"esper/merkle/root/v1", head + level[0])


def test_a_package_from_its_files_to_its_root() -> None:
    vector = DOCUMENT["packages"]
    mebi = 1 << 20
    chunks = [bytes.fromhex(vector["manifest"])]
    for number, (_, size) in enumerate(vector["files"]):
        data = bytes((at + number) % 251 for at in range(size))
        chunks += [data[at : at + mebi] for at in range(0, size, mebi)]
    context = "esper weights chunk v1"
    digests = [blake3(chunk, derive_key_context=context).digest() for chunk in chunks]
    assert [one.hex() for one in digests] == vector["digests"]
    assert root_of(b"esper/package/v1", digests).hex() == vector["root"]
    # [1, [[name, size], ...]]: small numbers stand as they are, others behind their width.
    manifest = bytes.fromhex(vector["manifest"])
    assert manifest[:3] == b"\x92\x01\x95"
    assert manifest[3:13] == b"\x92\xc4\x07LICENSE"[:10]


def test_the_texts_of_a_bank() -> None:
    vector = DOCUMENT["packages"]
    hashes = [bytes.fromhex(one) for one in vector["json_hashes"]]
    assert root_of(b"esper/bank/text/v1", hashes).hex() == vector["bank_text"]
