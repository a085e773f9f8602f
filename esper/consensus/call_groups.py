"""Call groups: a block's answers to calls, each with the place of its proof.

Kinds share one form. A block's own calls are proven in groups, bound to the payee and to the
calls and not to the parent, so that a group outlives a change of the tip and nobody else can use
it. The answer to a lane, a call that was left open, is proven alone and bound to the sender of its
LlmResult.

    own calls  binding = H(esper/call/group/v1, genesis hash || payee || model_id || list root)
    lane       binding = H(esper/call/lane/v1, genesis hash || call id || sender)

The proof of a Prove transaction stands in a group as well: ``dao.ready`` says what it is bound to.
The list root is a Merkle root over the call ids in the group's order. A call id is a txid: it
commits to model, prompt, budget and caller. The statement of the proof has, for each call, the
prompt as it is, the answer, the call's max_tokens as its limit, and the logit of each answer token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from esper.primitives.codec import Array, FixedBytes, Record, Signed, Unsigned, VarBytes, decode
from esper.primitives.codec import encode as encode_value
from esper.primitives.hashing import HASH_BYTES, make_tag, tagged_hash
from esper.primitives.ids import ModelId, Txid
from esper.primitives.merkle import merkle_root
from esper.vm.answers import ANSWER as ANSWER_TOKENS
from esper.vm.answers import MAX_ANSWER_TOKENS
from esper.vm.context import Answer

TAG_GROUP: Final = make_tag("esper/call/group/v1")
TAG_LANE: Final = make_tag("esper/call/lane/v1")
TAG_CALL_LIST: Final = make_tag("esper/call/list/v1")

GROUP_VERSION: Final = 2
OWN_CALLS: Final = 0
LANE_ANSWER: Final = 1
AUDIT: Final = 2
"""The proof of a Prove transaction; its one call is that transaction, without logits."""
JUDGE: Final = 3
"""What a judge says of what such a proof shows; alike."""

CALL_TOP_K: Final = 1
"""Only the chosen token's logit is shown: a caller pays for tokens."""

# Limits of the wire; the networks' rows are lower in effect.
MAX_GROUP_CALLS: Final = 64
MAX_GROUP_PROOF: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ProvenCall:
    """One call of a group."""

    call_id: Txid
    """64 bytes: the call's txid."""
    logits: tuple[int, ...]
    """The logit of each answer token; no other token's is greater."""


@dataclass(frozen=True, slots=True)
class CallGroup:
    """Calls to one model that are proven together."""

    kind: int
    """OWN_CALLS, LANE_ANSWER, AUDIT or JUDGE."""
    model_id: ModelId
    """64 bytes."""
    calls: tuple[ProvenCall, ...]
    """In the order of the statement; one for a lane."""
    proof: bytes
    """The proof."""

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return encode_value(CALL_GROUP, self)


CALL_GROUP: Final = Record(
    CallGroup,
    GROUP_VERSION,
    (
        ("kind", Unsigned(2)),
        ("model_id", FixedBytes(HASH_BYTES)),
        (
            "calls",
            Array(
                Record(
                    ProvenCall,
                    None,
                    (
                        ("call_id", FixedBytes(HASH_BYTES)),
                        ("logits", Array(Signed(), MAX_ANSWER_TOKENS)),
                    ),
                ),
                MAX_GROUP_CALLS,
            ),
        ),
        ("proof", VarBytes(MAX_GROUP_PROOF)),
    ),
)


def decode_call_group(data: bytes, limit: int) -> CallGroup:
    """Read a group of at most ``limit`` bytes. Raises CodecError."""
    return decode(CALL_GROUP, data, limit=limit, what="call group")


def decode_result(data: bytes, limit: int) -> Answer | None:
    """Read a result of a body: token ids, None if there are none. Raises CodecError."""
    tokens: Answer = decode(ANSWER_TOKENS, data, limit=limit, what="result")
    return tokens or None


def encode_result(answer: Answer | None) -> bytes:
    """The bytes of an answer in a body, or of the mark that a call is left open."""
    return encode_value(ANSWER_TOKENS, answer or ())


def group_binding(
    genesis_hash: bytes, payee: bytes, model_id: ModelId, call_ids: Sequence[Txid]
) -> bytes:
    """64 bytes: what the proof of a block's own calls is bound to."""
    root = merkle_root(TAG_CALL_LIST, call_ids)
    return tagged_hash(TAG_GROUP, genesis_hash, payee, model_id, root)


def lane_binding(genesis_hash: bytes, call_id: Txid, sender: bytes) -> bytes:
    """64 bytes: what the proof of a lane's answer is bound to."""
    return tagged_hash(TAG_LANE, genesis_hash, call_id, sender)
