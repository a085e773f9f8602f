"""Evidence against a gateway: an answer that it signed, and the model's own to the same prompt.

    target = the digest that the gateway signed: H(esper/receipt/sign/v1, receipt)
    limit  = tokens of the model's answer that are shown, at most as many as were signed

The model's answer is proven as far as it is shown, whatever the receipt says about the most that
were asked for. So an honest answer that a stop, its reader or its budget cut short is the model's
own, and never contradicted; one that goes on where the model ended is; and no answer becomes too
long to be contradicted by what its signer puts behind the first false token.
"""

from dataclasses import dataclass
from typing import Final

from esper.crypto.signatures import MAX_KEY_BYTES, MAX_SIGNATURE_BYTES
from esper.dao.benchmarks.answers import SHOWN_ANSWER, ShownAnswer
from esper.dao.promise import PROMISE_RECORD, Promise
from esper.primitives.codec import (
    Array,
    CodecError,
    Record,
    Unsigned,
    VarBytes,
    decode,
    encode,
)

EVIDENCE_SUBJECT: Final = 4
MAX_EVIDENCE: Final = 49_152
EVIDENCE_LISTED: Final = 1
"""Candidates of each token in the proof: who is shown to have lied chose no list."""
MAX_REWARDS: Final = 16
MAX_UNBONDINGS: Final = 4
RECORD_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class UnbondingPlace:
    """Where units on their way from a stake stand in the state."""

    height: int
    """Height at which they are released."""
    index: int
    """Their number among those released there."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an accuser shows, and where else than in the stake the penalty may be taken from."""

    receipt: Promise
    """What the gateway signed."""
    suite: int
    """Signature suite of the gateway's key."""
    key: bytes
    """Its public key."""
    signature: bytes
    """Its signature over the receipt's digest."""
    answer: ShownAnswer
    """What the model says to the prompt, as the proof shows it."""
    rewards: tuple[int, ...]
    """Heights of blocks whose rewards are pending for the gateway, in the order of taking."""
    unbondings: tuple[UnbondingPlace, ...]
    """Where units of its unstaked stake wait, in the order of taking."""

    @property
    def limit(self) -> int:
        """Answer tokens of the proof's statement: whoever accuses shows up to a false one."""
        return len(self.answer.tokens)


EVIDENCE: Final = Record(
    Evidence,
    None,
    (
        ("receipt", PROMISE_RECORD),
        ("suite", Unsigned(8)),
        ("key", VarBytes(MAX_KEY_BYTES)),
        ("signature", VarBytes(MAX_SIGNATURE_BYTES)),
        ("answer", SHOWN_ANSWER),
        ("rewards", Array(Unsigned(32), MAX_REWARDS)),
        (
            "unbondings",
            Array(
                Record(UnbondingPlace, None, (("height", Unsigned(32)), ("index", Unsigned(32)))),
                MAX_UNBONDINGS,
            ),
        ),
    ),
)


def read_evidence(data: bytes) -> Evidence:
    """Evidence from its bytes; nothing is named twice. Raises CodecError."""
    found = decode(EVIDENCE, data, limit=MAX_EVIDENCE, what="evidence against a gateway")
    for names in (found.rewards, found.unbondings):
        if len(set(names)) != len(names):
            raise CodecError("evidence against a gateway: a reward or an unbonding stands twice", 0)
    return found


def evidence_bytes(evidence: Evidence) -> bytes:
    """The canonical bytes."""
    return encode(EVIDENCE, evidence)


@dataclass(frozen=True, slots=True)
class Punished:
    """What evidence about one receipt has taken so far."""

    taken: int
    """Units."""


PUNISHED: Final = Record(Punished, RECORD_VERSION, (("taken", Unsigned(63)),))
