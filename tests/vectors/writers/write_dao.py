"""Write the DAO's golden vectors: bodies, draws, rehearsals, what proofs bind to, packages.

    python -m tests.vectors.writers.write_dao

Run it only to add vectors: values that change for an old vector break every chain that exists.
"""

import json
from pathlib import Path
from typing import Any

from esper.consensus.call_groups import AUDIT
from esper.dao import bodies as b
from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.evidence import EVIDENCE, PUNISHED, Evidence, Punished, UnbondingPlace
from esper.dao.promise import Promise
from esper.dao.ready import (
    READY_BODY,
    READY_SUBJECT,
    ReadyBody,
    audit_binding,
    ready_bytes,
    rehearsal_seed,
)
from esper.dao.registry import Puzzle
from esper.dao.steps import drawn, drawn_seed
from esper.model.package.bank import bank_text_root
from esper.model.package.digests import chunk_digest, package_root
from esper.model.package.manifest import Manifest, PackagedFile
from esper.model.package.port import CHUNK_BYTES
from esper.model.prompts import PromptText
from esper.primitives.ids import ModelId, Txid
from esper.primitives.model_entry import ModelEntry, ModelShape
from esper.primitives.networks import NETWORKS
from esper.primitives.prompt import BankPrompt
from esper.primitives.work_outputs import Candidate, Opening, ProvenAnswer, WorkOutputs
from tests.support.dao_proposals import proposal
from tests.vectors.fields import encoding

FILE = Path(__file__).parents[1] / "dao.json"

WORD = (1 << 32) - 1
LONG = (1 << 64) - 1


def pattern(size: int, start: int) -> bytes:
    """Bytes that count up, to tell fields apart."""
    return bytes((start + step) % 256 for step in range(size))


def draws() -> list[dict[str, Any]]:
    """The seed of a proposal, and the height at which it then becomes active on each network."""
    found = []
    for start, final in ((0, 230), (1, 500_000), (200, (1 << 32) - 100_000)):
        beacon, proposal_id = pattern(64, start), Txid(pattern(64, start + 100))
        seed = drawn_seed(beacon, proposal_id)
        active = {
            name: drawn(proposal(final=final), seed, network.governance).active
            for name, network in NETWORKS.items()
        }
        found.append(
            {
                "beacon": beacon.hex(),
                "proposal": proposal_id.hex(),
                "seed": seed.hex(),
                "final": final,
                "active": active,
            }
        )
    return found


SHAPE = ModelShape(1024, 64, 172, 5, 8, 4, 200, 70_000)
ENTRY = ModelEntry(
    ModelId(pattern(64, 1)), 7, SHAPE, 1, 2, (0, 1, 2, 300), pattern(64, 2), pattern(64, 3), WORD
)


SUITES = tuple(
    b.NamedSuite(pattern(64, 4 + at), pattern(64, 8 + at), at * 16_384) for at in range(4)
)
MODEL = b.ModelBody(
    ENTRY,
    LONG,
    65_536,
    Puzzle(4, 256, 193, 64),
    pattern(300, 12),
    pattern(64, 13),
    pattern(64, 14),
    SUITES,
    b"Apache-2.0",
    b"A model",
    b"https://example.org/a-model",
)
BARE = b.ModelBody(ENTRY, 1, 0, Puzzle(1, 64, 49, 8), b"", bytes(64), bytes(64), (), b"", b"", b"")
CHANGE = b.ChangeBody(
    tuple(b.Moved(at * 255, (1 << 63) - 1 - at) for at in range(8)),
    (b.Moved(0, 40_000), b.Moved(255, 65_536)),
    (b.Moved(1, 1), b.Moved(128, LONG)),
    (200,),
    ((pattern(64, 15), pattern(64, 16)),),
    b"~ why ~",
)
SMALL = b.ChangeBody((), (), (), (), ((),), b"")
ROLLBACK = b.RollbackBody(Txid(pattern(64, 17)))


def bodies() -> list[dict[str, Any]]:
    """What proposals of each subject say."""
    return [
        encoding(b.MODEL_BODY, MODEL, "all of it"),
        encoding(b.MODEL_BODY, BARE, "as little as may be"),
        encoding(b.CHANGE_BODY, CHANGE, "all of it"),
        encoding(b.CHANGE_BODY, SMALL, "no texts any more"),
        encoding(b.ROLLBACK_BODY, ROLLBACK, "of a proposal"),
    ]


PROMPT = BankPrompt(pattern(64, 2), (5, 300, 70_000), ((0, 1), (2, 1)), pattern(64, 18))
READY = ReadyBody(
    70_000,
    WorkOutputs(
        (Opening(4095, PROMPT, (pattern(64, 19), pattern(64, 20))),),
        (
            ProvenAnswer(
                (9, 2),
                ((Candidate(9, 500), Candidate(8, -500)), (Candidate(2, 1), Candidate(3, -1))),
            ),
        ),
    ),
)
BARE_READY = ReadyBody(0, WorkOutputs((), ()))
LATE_READY = ReadyBody(
    WORD, WorkOutputs((), (ProvenAnswer((WORD,), ((Candidate(WORD, (1 << 62) - 1),),)),))
)


def ready() -> list[dict[str, Any]]:
    """Rehearsed tickets."""
    return [
        encoding(READY_BODY, READY, "a ticket"),
        encoding(READY_BODY, BARE_READY, "as little as may be"),
        encoding(READY_BODY, LATE_READY, "widest numbers"),
    ]


RECEIPT = Promise(
    pattern(64, 80),
    b"\1" + pattern(32, 81),
    ModelId(pattern(64, 82)),
    (1, 300),
    12,
    (7, 2),
    bytes(64),
    9,
)
EVIDENCES = (
    (
        "all of it",
        Evidence(
            *(RECEIPT, 1, pattern(40, 83), pattern(60, 84)),
            ShownAnswer((7, 5), ((Candidate(7, 500),), (Candidate(5, -500),))),
            (8, 7),
            (UnbondingPlace(20, 1), UnbondingPlace(WORD, WORD)),
        ),
    ),
    ("as little as may be", Evidence(RECEIPT, 0, b"", b"", ShownAnswer((), ()), (), ())),
)


def evidence() -> list[dict[str, Any]]:
    """What shows that a gateway lied, and what the state keeps of it."""
    return [
        *(encoding(EVIDENCE, one, name) for name, one in EVIDENCES),
        encoding(PUNISHED, Punished(1), "the least"),
        encoding(PUNISHED, Punished((1 << 63) - 1), "the most"),
    ]


def rehearsals() -> list[dict[str, Any]]:
    """Seeds that differ by network, proposal, sender and draw, one after another."""
    made = ((0, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 1, 1))
    found = []
    for network, proposed, sent, drew in made:
        genesis, model = pattern(64, 30 + network), Txid(pattern(64, 40 + proposed))
        sender, seed = b"\1" + pattern(32, 50 + sent), pattern(64, 60 + drew)
        found.append(
            {
                "genesis_hash": genesis.hex(),
                "proposal": model.hex(),
                "sender": sender.hex(),
                "drawn": seed.hex(),
                "seed": rehearsal_seed(genesis, model, sender, seed).hex(),
            }
        )
    return found


def audits() -> list[dict[str, Any]]:
    """What the proofs of Prove transactions are bound to: here, and with each part another."""
    genesis, sender, target = pattern(64, 70), b"\1" + pattern(32, 71), pattern(64, 72)
    body = ready_bytes(READY)
    made = (
        (genesis, sender, READY_SUBJECT, target, body, AUDIT),
        (pattern(64, 73), sender, READY_SUBJECT, target, body, AUDIT),
        (genesis, b"\1" + pattern(32, 74), READY_SUBJECT, target, body, AUDIT),
        (genesis, sender, 255, target, body, AUDIT),
        (genesis, sender, READY_SUBJECT, pattern(64, 75), body, AUDIT),
        (genesis, sender, READY_SUBJECT, target, ready_bytes(BARE_READY), AUDIT),
        (genesis, sender, READY_SUBJECT, target, body, 3),
        (genesis, sender, READY_SUBJECT, target, b"", AUDIT),
    )
    return [
        {
            "genesis_hash": parts[0].hex(),
            "sender": parts[1].hex(),
            "subject": parts[2],
            "target": parts[3].hex(),
            "body": parts[4].hex(),
            "kind": parts[5],
            "binding": audit_binding(*parts).hex(),
        }
        for parts in made
    ]


FILES = (
    ("LICENSE", 7),
    ("bank.json", CHUNK_BYTES),
    ("config.json", 1),
    ("g16.safetensors", 2 * CHUNK_BYTES + 5),
    ("tokenizer.json", CHUNK_BYTES - 1),
)
"""Names and lengths of the files of a made-up package; byte i of file n is (i + n) mod 251."""


def file_bytes(number: int, size: int) -> bytes:
    """The bytes of one of FILES."""
    block = bytes(at % 251 for at in range(number, number + 251))
    return (block * (size // 251 + 1))[:size]


def packages() -> dict[str, Any]:
    """A package from its files to its root, and the root of a bank's texts."""
    manifest = Manifest(tuple(PackagedFile(name.encode(), size) for name, size in FILES))
    chunks = [manifest.to_bytes()]
    for number, (_, size) in enumerate(FILES):
        data = file_bytes(number, size)
        chunks += [data[at : at + CHUNK_BYTES] for at in range(0, size, CHUNK_BYTES)]
    digests = [chunk_digest(chunk) for chunk in chunks]
    texts = (PromptText("", "What is 2+2?", (8, 11)), PromptText("Be brief.", "W\u00e4r's?"))
    return {
        "files": [[name, size] for name, size in FILES],
        "manifest": chunks[0].hex(),
        "digests": [digest.hex() for digest in digests],
        "root": package_root(digests).hex(),
        "json_hashes": [text.json_hash.hex() for text in texts],
        "bank_text": bank_text_root(texts).hex(),
    }


def document() -> dict[str, Any]:
    """The file's content."""
    periods = {
        name: {"grace": network.governance.grace, "jitter": network.governance.jitter}
        for name, network in NETWORKS.items()
    }
    return {
        "periods": periods,
        "draws": draws(),
        "bodies": bodies(),
        "ready": ready(),
        "evidence": evidence(),
        "rehearsals": rehearsals(),
        "audits": audits(),
        "packages": packages(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
