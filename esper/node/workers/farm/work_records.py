"""What workers of the farm are asked and answer, as records: nothing of it is ever unpickled."""

from dataclasses import dataclass
from typing import Final

from esper.consensus.header import PRE_HEADER
from esper.consensus.ports import WorkClaim
from esper.node.workers.farm.found_record import FOUND_BYTES
from esper.node.workers.search import SearchJob
from esper.node.workers.worker_messages import Search
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, VarBytes, decode, encode
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.work_outputs import CANDIDATE, MAX_TOP_K, ProvenAnswer

WORK_VERSION: Final = 1
WORK_BYTES: Final = 1 << 24
"""Of a claim, and of a proof."""
MOST_TOKENS: Final = 1 << 16
"""Of an input, and of an answer; rules and model allow fewer."""
MOST_SEQUENCES: Final = 256
NAME_BYTES: Final = 256

SEARCH_JOB: Final = Record(
    SearchJob,
    None,
    (("number", Unsigned(64)), ("pre", PRE_HEADER), ("earliest_ms", Unsigned(63))),
)


@dataclass(frozen=True, slots=True)
class ToldSearch:
    """A Search, as it is sent."""

    jobs: tuple[SearchJob, ...]
    """One, or none: stop."""
    first_nonce: int
    """Where to begin."""


TOLD_SEARCH: Final = Record(
    ToldSearch,
    WORK_VERSION,
    (("jobs", Array(SEARCH_JOB, 1)), ("first_nonce", Unsigned(64))),
)


def told_bytes(search: Search) -> bytes:
    """What a worker is to search for, as it is sent."""
    jobs = () if search.job is None else (search.job,)
    return encode(TOLD_SEARCH, ToldSearch(jobs, search.first_nonce))


def decode_told(data: bytes) -> Search:
    """What a worker is to search for. Raises CodecError."""
    told = decode(TOLD_SEARCH, data, limit=WORK_BYTES, what="told search")
    return Search(told.jobs[0] if told.jobs else None, told.first_nonce)


@dataclass(frozen=True, slots=True)
class SearchNews:
    """What a worker's search did since it was last asked."""

    attempts: int = 0
    """Batches answered."""
    tokens: int = 0
    """Rows of the model computed."""
    number: int = 0
    """Of the job that something was found for."""
    found: bytes = b""
    """A FoundRecord, empty if nothing was found."""


SEARCH_NEWS: Final = Record(
    SearchNews,
    WORK_VERSION,
    (
        ("attempts", Unsigned(32)),
        ("tokens", Unsigned(32)),
        ("number", Unsigned(64)),
        ("found", VarBytes(FOUND_BYTES)),
    ),
)


def news_bytes(news: SearchNews) -> bytes:
    """The record as it is sent."""
    return encode(SEARCH_NEWS, news)


def decode_news(data: bytes) -> SearchNews:
    """What a worker says of its search. Raises CodecError."""
    return decode(SEARCH_NEWS, data, limit=2 * FOUND_BYTES, what="search news")


CLAIM_ANSWER: Final = Record(
    ProvenAnswer,
    None,
    (
        ("tokens", Array(Unsigned(32), MOST_TOKENS)),
        ("top", Array(Array(CANDIDATE, MAX_TOP_K), MOST_TOKENS)),
    ),
)
"""As in a block, but of a call's length."""

WORK_CLAIM: Final = Record(
    WorkClaim,
    WORK_VERSION,
    (
        ("model_id", FixedBytes(HASH_BYTES)),
        ("binding", FixedBytes(HASH_BYTES)),
        ("rows", Unsigned(32)),
        ("max_answers", Array(Unsigned(32), MOST_SEQUENCES)),
        ("top_k", Unsigned(8)),
        ("inputs", Array(Array(Unsigned(32), MOST_TOKENS), MOST_SEQUENCES)),
        ("answers", Array(CLAIM_ANSWER, MOST_SEQUENCES)),
    ),
)


def claim_bytes(claim: WorkClaim) -> bytes:
    """A claim as it is sent. Raises ValueError for one outside the limits."""
    return encode(WORK_CLAIM, claim)


def decode_claim(data: bytes) -> WorkClaim:
    """A claim to be proven. Raises CodecError."""
    return decode(WORK_CLAIM, data, limit=WORK_BYTES, what="claim")


@dataclass(frozen=True, slots=True)
class WorkReply:
    """What came of a worker's work."""

    failed: int
    """0, or 1: a fault of the worker's machine or build."""
    data: bytes
    """The proof, or a sentence in UTF-8 if it failed."""


WORK_REPLY: Final = Record(
    WorkReply, WORK_VERSION, (("failed", Unsigned(1)), ("data", VarBytes(WORK_BYTES)))
)


def reply_bytes(reply: WorkReply) -> bytes:
    """The record as it is sent."""
    return encode(WORK_REPLY, reply)


def decode_reply(data: bytes) -> WorkReply:
    """A worker's answer. Raises CodecError."""
    return decode(WORK_REPLY, data, limit=WORK_BYTES + 64, what="worker's reply")


@dataclass(frozen=True, slots=True)
class WorkerFace:
    """Who a worker is, for people: nothing follows from it."""

    host: bytes
    """Name of its machine, UTF-8."""
    pid: int
    """Of its process there."""


WORKER_FACE: Final = Record(
    WorkerFace, WORK_VERSION, (("host", VarBytes(NAME_BYTES)), ("pid", Unsigned(32)))
)


def face_bytes(face: WorkerFace) -> bytes:
    """The record as it is sent."""
    return encode(WORKER_FACE, face)


def decode_face(data: bytes) -> WorkerFace:
    """Who a worker says it is. Raises CodecError."""
    return decode(WORKER_FACE, data, limit=2 * NAME_BYTES, what="worker's face")
