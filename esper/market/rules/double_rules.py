"""What must hold of two records that are shown against their provider.

1. target   2. network   3. one turn of one session   4. they differ   5. signatures

None of it needs a proof or a session: an honest provider makes a turn durable before it signs, so
it signs each once, whoever asks for it and whatever became of the session.
"""

from esper.dao.promise import signer_of
from esper.market.records.double import TwoRecords
from esper.primitives.errors.market_errors import NotAFaultViolation


def check_double(target: bytes, shown: TwoRecords, genesis_hash: bytes) -> None:
    """All five; the signatures come last, they are dear. Raises NotAFaultViolation."""
    first, second = shown.first, shown.second

    # 1. It is about the first of them.
    if first.digest != target:
        raise NotAFaultViolation("the first record is not the one that the proof is about")

    # 2. What was signed elsewhere is no fault here.
    if not first.genesis_hash == second.genesis_hash == genesis_hash:
        raise NotAFaultViolation("a record is of another network")

    # 3. A turn is one session's with one provider.
    if (first.provider, first.session, first.turn) != (
        second.provider,
        second.session,
        second.turn,
    ):
        raise NotAFaultViolation("the records are not of one provider, session and turn")

    # 4. One record with two signatures is one answer: signing is hedged.
    if first == second:
        raise NotAFaultViolation("both are the same record")

    # 5. The provider signed both.
    signed = (first, shown.first_signature), (second, shown.second_signature)
    for name, (record, signature) in zip(("first", "second"), signed, strict=True):
        if signer_of(record.to_bytes(), shown.key, signature) != first.provider:
            raise NotAFaultViolation(f"the signature of the {name} record is not the provider's")
