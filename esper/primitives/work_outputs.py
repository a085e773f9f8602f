"""What the work leaves in a block's body: the prompts with their openings, and the answers."""

from dataclasses import dataclass
from typing import Final

from esper.primitives.codec import (
    Array,
    FixedBytes,
    Record,
    Signed,
    Unsigned,
    UnsignedPair,
    encode,
)
from esper.primitives.hashing import HASH_BYTES, make_tag, tagged_hash
from esper.primitives.prompt import BankPrompt

TAG_OUTPUTS: Final = make_tag("esper/work/outputs/v1")

OUTPUTS_VERSION: Final = 1

# Limits of the wire, above every network's puzzle: the rules compare with the puzzle afterwards.
# They are a few times the puzzle and no more: anybody can have outputs read without having worked.
MAX_SEQUENCES: Final = 4
MAX_ANSWER: Final = 64
MAX_TOP_K: Final = 8
MAX_PROMPT: Final = 512
MAX_SPANS: Final = 64
MAX_PATH: Final = 40


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entry of a top-K list."""

    token: int
    """Token id."""
    logit: int
    """Its integer logit, in (-2^62, 2^62)."""


@dataclass(frozen=True, slots=True)
class ProvenAnswer:
    """What the model said to one sequence."""

    tokens: tuple[int, ...]
    """1 to g ids, EOS last if it ended early."""
    top: tuple[tuple[Candidate, ...], ...]
    """Per answer token the K best candidates: logit descending, id ascending among equals."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A prompt with the proof that it stands in the bank."""

    index: int
    """Place in the bank."""
    prompt: BankPrompt
    """The entry."""
    path: tuple[bytes, ...]
    """Merkle path of 64-byte hashes."""


@dataclass(frozen=True, slots=True)
class WorkOutputs:
    """Openings and answers in the batch's order."""

    openings: tuple[Opening, ...]
    """One per sequence."""
    answers: tuple[ProvenAnswer, ...]
    """One per sequence."""

    @property
    def hash(self) -> bytes:
        """64 bytes: the header's outputs_hash. Computed anew at every call."""
        return outputs_hash(encode(WORK_OUTPUTS, self))


def outputs_hash(data: bytes) -> bytes:
    """64 bytes: the header's outputs_hash, from the bytes of the outputs."""
    return tagged_hash(TAG_OUTPUTS, data)


CANDIDATE: Final = Record(Candidate, None, (("token", Unsigned(32)), ("logit", Signed())))

PROVEN_ANSWER: Final = Record(
    ProvenAnswer,
    None,
    (
        ("tokens", Array(Unsigned(32), MAX_ANSWER)),
        ("top", Array(Array(CANDIDATE, MAX_TOP_K), MAX_ANSWER)),
    ),
)

BANK_PROMPT: Final = Record(
    BankPrompt,
    None,
    (
        ("tokenizer_id", FixedBytes(HASH_BYTES)),
        ("tokens", Array(Unsigned(32), MAX_PROMPT)),
        ("mask_spans", Array(UnsignedPair(32), MAX_SPANS)),
        ("json_hash", FixedBytes(HASH_BYTES)),
    ),
)

OPENING: Final = Record(
    Opening,
    None,
    (
        ("index", Unsigned(32)),
        ("prompt", BANK_PROMPT),
        ("path", Array(FixedBytes(HASH_BYTES), MAX_PATH)),
    ),
)

WORK_OUTPUTS: Final = Record(
    WorkOutputs,
    OUTPUTS_VERSION,
    (
        ("openings", Array(OPENING, MAX_SEQUENCES)),
        ("answers", Array(PROVEN_ANSWER, MAX_SEQUENCES)),
    ),
)
