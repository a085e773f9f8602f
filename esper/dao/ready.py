"""What shows that a miner runs a model that is about to be activated: a rehearsed ticket.

    seed    = XOF(esper/rehearsal/v1, genesis hash || proposal || sender || drawn seed), 64 bytes
    binding = H(esper/audit/v1, genesis hash || sender || u8 subject || target
                || H(esper/audit/body/v1, body) || u8 kind)

The ticket is drawn as a block's would be, from the sender's own seed: no two miners have the same,
and the proof is of use to nobody else.
"""

from dataclasses import dataclass
from typing import Final

from esper.primitives.codec import Record, Unsigned, decode, encode
from esper.primitives.hashing import HASH_BYTES, Xof, make_tag, tagged_hash
from esper.primitives.ids import Txid
from esper.primitives.work_outputs import WORK_OUTPUTS, WorkOutputs

TAG_REHEARSAL: Final = make_tag("esper/rehearsal/v1")
TAG_AUDIT: Final = make_tag("esper/audit/v1")
TAG_AUDIT_BODY: Final = make_tag("esper/audit/body/v1")

READY_SUBJECT: Final = 1
MAX_READY_BODY: Final = 49_152


@dataclass(frozen=True, slots=True)
class ReadyBody:
    """A rehearsed ticket."""

    reward_height: int
    """Height of a block whose reward is pending for the sender."""
    outputs: WorkOutputs
    """Prompts and answers of the ticket."""


READY_BODY: Final = Record(
    ReadyBody, None, (("reward_height", Unsigned(32)), ("outputs", WORK_OUTPUTS))
)


def read_ready(data: bytes) -> ReadyBody:
    """A rehearsed ticket from its bytes. Raises CodecError."""
    return decode(READY_BODY, data, limit=MAX_READY_BODY, what="rehearsed ticket")


def ready_bytes(body: ReadyBody) -> bytes:
    """The canonical bytes."""
    return encode(READY_BODY, body)


def rehearsal_seed(genesis_hash: bytes, proposal: Txid, sender: bytes, drawn: bytes) -> bytes:
    """64 bytes: what a sender's rehearsal for a proposal is drawn from."""
    return Xof(TAG_REHEARSAL, genesis_hash, proposal, sender, drawn).read(HASH_BYTES)


def audit_binding(
    genesis_hash: bytes, sender: bytes, subject: int, target: bytes, body: bytes, kind: int
) -> bytes:
    """64 bytes: what the proof of a Prove transaction is bound to; ``kind`` is its group's."""
    told = tagged_hash(TAG_AUDIT_BODY, body)
    return tagged_hash(
        TAG_AUDIT, genesis_hash, sender, bytes((subject,)), target, told, bytes((kind,))
    )
