"""Write golden vectors of benchmarks: texts, suites, items, reports, samples, proofs of items.

    python -m tests.vectors.writers.write_benchmarks

Run it only to add vectors: values that change for an old vector break every chain that exists.
"""

import json
from pathlib import Path
from typing import Any

from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.benchmarks.item import ITEM, TAG_ITEMS, Item, items_root
from esper.dao.benchmarks.item_proof import ITEM_PROOF, ItemProof
from esper.dao.benchmarks.report import REPORT_BODY, ReportBody, drawn_sample
from esper.dao.benchmarks.suite import NO_JUDGE, SUITE, Form, Suite
from esper.model.benchmarks.text import parse_text
from esper.primitives.codec import encode
from esper.primitives.ids import Txid
from esper.primitives.merkle import MerkleTree
from esper.primitives.work_outputs import Candidate
from tests.vectors.fields import encoding
from tests.vectors.writers.write_dao import pattern

FILE = Path(__file__).parents[1] / "benchmarks.json"

WORD = (1 << 32) - 1
LOGIT = (1 << 62) - 1

CHOICE = Item((1, 30, 300, 70_000), 1, (40, 41, WORD), (), ((41,),))
TEXT = Item((1, 5), 128, (9,), (7, 8), ((3, 4), (), (WORD,)))
JUDGED = Item((1, 6, 7), 64, (65, 66), (), ((20, 21, 22),))
WIDEST = Item(
    tuple(range(1024)),
    255,
    tuple(range(26)),
    tuple(range(16)),
    tuple((at,) * 64 for at in range(4)),
)
EMPTY = Item((), 0, (), (), ())
ITEMS = (CHOICE, TEXT, JUDGED, WIDEST, EMPTY)
ROOT = items_root(ITEMS)
TREE = MerkleTree.build(TAG_ITEMS, [encode(ITEM, one) for one in ITEMS])

OPTIONS = Suite(Form.CHOICE, NO_JUDGE, (), pattern(64, 1), len(ITEMS), ROOT)
TEXTS = Suite(Form.TEXT, NO_JUDGE, (), pattern(64, 2), 16_384, pattern(64, 3))
COMPARED = Suite(
    Form.JUDGED,
    pattern(64, 4),
    ((1, 70), (), (72,) * 256, (WORD,)),
    pattern(64, 1),
    len(ITEMS),
    ROOT,
)

PROOFS = (
    ("a choice", ItemProof(OPTIONS, 0, CHOICE, TREE.path(0), 4, (
        ShownAnswer((41,), (tuple(Candidate(41 + at, LOGIT - at) for at in range(4)),)),
    ))),
    ("a judged one", ItemProof(COMPARED, 2, JUDGED, TREE.path(2), 4, (
        ShownAnswer((5, 2), ((Candidate(5, 1),), (Candidate(2, -1),))),
        ShownAnswer((65,), (tuple(Candidate(65 + at, -at) for at in range(4)),)),
        ShownAnswer((66,), (tuple(Candidate(66 + at, -LOGIT + 4 - at) for at in range(4)),)),
    ))),
    ("what does not fit", ItemProof(OPTIONS, 4, EMPTY, TREE.path(4), 1, ())),
)  # fmt: skip

SAMPLED = ((0, 10, 1, 4), (0, 11, 2, 4), (7, 10, 16_384, 8), (7, 12, 16_384, 8), (9, 13, 5, 8))
"""Where report and beacon begin to count, items, and how many are wanted."""


TEXTS_WRITTEN = (
    (
        "choices",
        '{"benchmark": 1, "form": "choice", "name": "letters", "source": "made for a vector", '
        '"licence": "CC0-1.0", "prompt": "{question}"}\n'
        '{"question": "the quick", "choices": ["b", "f", "o"], "answer": 0}\n',
    ),
    (
        "an answer that is no ASCII, without spaces",
        '{"benchmark":1,"form":"exact","name":"häuser","source":"made for a vector",'
        '"licence":"CC0-1.0","prompt":"{question}","limit":6,"ends":[".","\\n"]}\n'
        '{"question":"über dem","answer":"Hund 🐕"}\n',
    ),
)
"""Cases, and the lines of each text."""


def texts() -> list[dict[str, Any]]:
    """Texts as people write them, with their hashes."""
    return [
        {"case": name, "text": text, "digest": parse_text(text.encode()).digest.hex()}
        for name, text in TEXTS_WRITTEN
    ]


def suites() -> list[dict[str, Any]]:
    """Suites of each form, with their ids."""
    made = (("choices", OPTIONS), ("texts", TEXTS), ("judged", COMPARED))
    return [encoding(SUITE, one, name) | {"id": one.id.hex()} for name, one in made]


def items() -> list[dict[str, Any]]:
    """The items of one suite, in order."""
    names = ("a choice", "a text", "a judged one", "widest", "as little as may be")
    return [encoding(ITEM, one, name) for one, name in zip(ITEMS, names, strict=True)]


def samples() -> list[dict[str, Any]]:
    """What is drawn of how many items."""
    found = []
    for start, drew, count, wanted in SAMPLED:
        report, beacon = Txid(pattern(64, start)), pattern(64, drew)
        sample = drawn_sample(report, beacon, count, wanted)
        found.append(
            {
                "report": report.hex(),
                "beacon": beacon.hex(),
                "count": count,
                "wanted": wanted,
                "sample": list(sample),
            }
        )
    return found


def document() -> dict[str, Any]:
    """The file's content."""
    widest = ReportBody(Txid(pattern(64, 5)), 3, pattern(2048, 6))
    return {
        "texts": texts(),
        "suites": suites(),
        "items": items(),
        "items_root": ROOT.hex(),
        "reports": [
            encoding(REPORT_BODY, ReportBody(Txid(pattern(64, 7)), 0, b"\x15"), "of five items"),
            encoding(REPORT_BODY, widest, "widest"),
        ],
        "samples": samples(),
        "proofs": [encoding(ITEM_PROOF, one, name) for name, one in PROOFS],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
