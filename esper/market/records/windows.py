"""Prompts, answers and traces as roots over windows of 32 tokens.

    prompt root = merkle root (esper/market/prompt/v1) over [salt, index, ids]
    answer root = merkle root (esper/market/answer/v1) over [index, ids]
    trace root  = merkle root (esper/market/trace/v1)  over [index, ids, best]
    seal        = H(esper/market/seal/v1, salt || trace root)

``best`` are the four best candidates of each position. Whoever did not run the model does not know
them, so a verifier cannot say "equal" without a replay: the trace is sealed until it has spoken.
The prompt's salt and the seal's are different ones: the seal's is published when a claim is
settled, and with the prompt's a short prompt could be guessed from its root.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, decode, encode
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.merkle import MerkleTree
from esper.primitives.work_outputs import CANDIDATE, Candidate

TAG_PROMPT: Final = make_tag("esper/market/prompt/v1")
TAG_ANSWER: Final = make_tag("esper/market/answer/v1")
TAG_TRACE: Final = make_tag("esper/market/trace/v1")
TAG_SEAL: Final = make_tag("esper/market/seal/v1")

WINDOW: Final = 32
"""Tokens of a window; the last one may have fewer."""
BEST: Final = 4
"""Candidates of each position of a trace."""
SALT_BYTES: Final = 32
WINDOW_LIMIT: Final = 4096
"""Bytes of a window, at most."""

_IDS: Final = Array(Unsigned(32), WINDOW)


@dataclass(frozen=True, slots=True)
class PromptWindow:
    """Tokens of a prompt."""

    salt: bytes
    """32 bytes, the same in all windows of a prompt."""
    index: int
    """Which window, from 0."""
    ids: tuple[int, ...]
    """Token ids."""


@dataclass(frozen=True, slots=True)
class AnswerWindow:
    """Tokens of an answer."""

    index: int
    """Which window, from 0."""
    ids: tuple[int, ...]
    """Token ids."""


@dataclass(frozen=True, slots=True)
class TraceWindow:
    """Tokens of an answer with what they were chosen from.

    Raises ValueError unless every token has BEST candidates.
    """

    index: int
    """Which window, from 0."""
    ids: tuple[int, ...]
    """Token ids."""
    best: tuple[tuple[Candidate, ...], ...]
    """Of each token the best candidates: logit descending, id ascending among equals."""

    def __post_init__(self) -> None:
        if len(self.best) != len(self.ids):
            raise ValueError(f"best: {len(self.best)} lists for {len(self.ids)} tokens")
        if any(len(candidates) != BEST for candidates in self.best):
            raise ValueError(f"best: a list has not {BEST} candidates")


PROMPT_WINDOW: Final = Record(
    PromptWindow,
    None,
    (("salt", FixedBytes(SALT_BYTES)), ("index", Unsigned(16)), ("ids", _IDS)),
)
ANSWER_WINDOW: Final = Record(AnswerWindow, None, (("index", Unsigned(16)), ("ids", _IDS)))
TRACE_WINDOW: Final = Record(
    TraceWindow,
    None,
    (("index", Unsigned(16)), ("ids", _IDS), ("best", Array(Array(CANDIDATE, BEST), WINDOW))),
)


def read_trace_window(data: bytes) -> TraceWindow:
    """A window of a trace from its bytes. Raises CodecError."""
    return decode(TRACE_WINDOW, data, limit=WINDOW_LIMIT, what="window of a trace")


def window_count(tokens: int) -> int:
    """Windows of so many tokens."""
    return -(-tokens // WINDOW)


def prompt_tree(salt: bytes, ids: Sequence[int]) -> MerkleTree:
    """The tree over a prompt; ``salt`` has SALT_BYTES."""
    windows = (PromptWindow(salt, index, part) for index, part in enumerate(_cut(ids)))
    return MerkleTree.build(TAG_PROMPT, [encode(PROMPT_WINDOW, one) for one in windows])


def answer_tree(ids: Sequence[int]) -> MerkleTree:
    """The tree over an answer."""
    windows = (AnswerWindow(index, part) for index, part in enumerate(_cut(ids)))
    return MerkleTree.build(TAG_ANSWER, [encode(ANSWER_WINDOW, one) for one in windows])


def trace_tree(ids: Sequence[int], best: Sequence[Sequence[Candidate]]) -> MerkleTree:
    """The tree over an answer's trace. Raises ValueError unless every token has BEST candidates."""
    if len(ids) != len(best):
        raise ValueError(f"best: {len(best)} lists for {len(ids)} tokens")
    lists = [tuple(one) for one in best]
    windows = (
        TraceWindow(index, part, tuple(lists[WINDOW * index : WINDOW * (index + 1)]))
        for index, part in enumerate(_cut(ids))
    )
    return MerkleTree.build(TAG_TRACE, [encode(TRACE_WINDOW, one) for one in windows])


def seal(salt: bytes, trace_root: bytes) -> bytes:
    """64 bytes: what a record says of a trace; ``salt`` has SALT_BYTES and is this seal's alone."""
    return tagged_hash(TAG_SEAL, salt, trace_root)


def _cut(ids: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(ids[at : at + WINDOW]) for at in range(0, len(ids), WINDOW)]
