"""Load: what a Beat shows that its provider's machines can compute.

    answer i is the model's to BOS and ids of XOF(esper/market/load/v1, beacon || provider || u32 i)
    load root = merkle root (esper/market/loads/v1) over the answers
    opened    = index of XOF(esper/market/load/pick/v1, beacon || provider) below their number

The answers are due a few blocks after the beacon of the drawn height. The next Beat opens the one
that its own beacon draws: whoever computed a part of them weighs, on average, that part.
"""

from dataclasses import dataclass
from typing import Final

from esper.dao.benchmarks.answers import SHOWN_ANSWER, ShownAnswer
from esper.market.parameters import MarketParameters
from esper.market.records.beat import BEAT_PATH, BeatPath
from esper.primitives.codec import Array, FixedBytes, Record, decode
from esper.primitives.hashing import HASH_BYTES, Xof, make_tag, u32

TAG_LOAD: Final = make_tag("esper/market/load/v1")
TAG_LOADS: Final = make_tag("esper/market/loads/v1")
TAG_LOAD_PICK: Final = make_tag("esper/market/load/pick/v1")

MAX_LOAD_PATH: Final = 32
"""Hashes of a path, at most: there are no more than 2^32 answers."""
MAX_ANSWERS: Final = (1 << 32) - 1
LOAD_LIMIT: Final = 4096
"""Bytes of an opened load answer, at most."""


@dataclass(frozen=True, slots=True)
class LoadOpening:
    """A load answer of the Beat before, with its way to that Beat's root."""

    answer: ShownAnswer
    """The model's answer, in the puzzle's shape."""
    siblings: tuple[bytes, ...]
    """64-byte hashes from the answer to the root of the load answers."""
    load_root: bytes
    """64 bytes: that root."""
    path: BeatPath
    """From there to the Beat's."""


LOAD_OPENING: Final = Record(
    LoadOpening,
    None,
    (
        ("answer", SHOWN_ANSWER),
        ("siblings", Array(FixedBytes(HASH_BYTES), MAX_LOAD_PATH)),
        ("load_root", FixedBytes(HASH_BYTES)),
        ("path", BEAT_PATH),
    ),
)


def read_load(data: bytes) -> LoadOpening:
    """An opened load answer from its bytes. Raises CodecError."""
    return decode(LOAD_OPENING, data, limit=LOAD_LIMIT, what="opened load answer")


def load_answers(load: int, reference: int, params: MarketParameters) -> int:
    """How many answers so many units of load are, 1 at least and MAX_ANSWERS at most.

    ``reference``: multiply-accumulates of one answer, as the model's entry says.
    """
    return min(max(1, load * params.load_unit // reference), MAX_ANSWERS)


def load_prompt(
    beacon: bytes, provider: bytes, index: int, ordinary: int, tokens: int
) -> tuple[int, ...]:
    """What load answer ``index`` answers, behind BOS: places of ids among the ordinary ones.

    ``beacon``: 64 bytes, of the drawn height; ``ordinary``: how many ids of the vocabulary are not
    special; ``tokens``: ids of the prompt.
    """
    stream = Xof(TAG_LOAD, beacon, provider, u32(index))
    return tuple(stream.below(ordinary) for _ in range(tokens))


def opened_load(beacon: bytes, provider: bytes, answers: int) -> int:
    """Which of so many load answers of its last Beat a provider opens.

    ``beacon``: 64 bytes, of the drawn height of the Beat that opens.
    """
    return Xof(TAG_LOAD_PICK, beacon, provider).below(answers)
