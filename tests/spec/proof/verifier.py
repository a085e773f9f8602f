"""The verifier: a proof, item by item of its transcript (section 14)."""

from __future__ import annotations

from tests.spec.proof import (
    claims,
    descriptor,
    embedding,
    fraction,
    lookup,
    modes,
    points,
    products,
    proof_bytes,
    relations,
    shape,
)
from tests.spec.proof import parameters as p
from tests.spec.proof.claims import Claim
from tests.spec.proof.errors import MalformedError, RejectedError
from tests.spec.proof.field import Ext, dot, ext_sum, powers
from tests.spec.proof.model_layout import ModelLayout
from tests.spec.proof.opening import whir, wire
from tests.spec.proof.opening.schedule import Schedule, schedule
from tests.spec.proof.reader import Reader
from tests.spec.proof.slots import Context, Slots, folded_values
from tests.spec.proof.statement import Statement, batch
from tests.spec.proof.transcript import Transcript, sumcheck
from tests.spec.proof.witness_layout import WitnessLayout


def verify(statement: Statement, proof: bytes) -> None:
    """Raises MalformedError or RejectedError unless the proof shows the statement."""
    if len(proof) not in p.PROOF_BYTES:
        raise MalformedError("the proof is too long")
    reader = Reader(proof)
    described = reader.take(reader.unsigned(4))
    d = descriptor.decode(described)
    if d.model_id != statement.model_id:
        raise RejectedError("the descriptor is that of another model")
    rows = batch(statement, d)
    on = modes.decode(reader.take(2 + len(d.layers)), d)
    layout = WitnessLayout(d, on, rows, ModelLayout(d))
    embedded = embedding.decode(reader, rows.tokens, d)
    embedding.check(embedded, d)
    body = proof_bytes.decode(reader, layout)
    reader.end()
    openings = [
        wire.decode(data, plan)
        for data, plan in zip(body.openings, _schedules(layout), strict=True)
    ]
    transcript = Transcript(p.PROOF_NAME)
    _absorb_parameters(transcript, layout)
    _absorb_statement(transcript, statement)
    transcript.string(on.data)
    transcript.string(described)
    transcript.string(body.witness_root)
    early = transcript.point(layout.num_vars)
    transcript.ext(body.early_value)
    witness_end, model_end = _check_relations(transcript, layout, body, embedded)
    of_witness = [(witness_end, body.witness_value), (early, body.early_value)]
    of_chunks = [[(model_end, value)] for value in body.chunk_values]
    roots = [body.witness_root, *d.roots]
    schedules = _schedules(layout)
    for root, claimed, plan, opening in zip(
        roots, [of_witness, *of_chunks], schedules, openings, strict=True
    ):
        transcript.string(root)
        whir.Verifier(transcript, plan, opening).check(root, claimed)


def _schedules(layout: WitnessLayout) -> list[Schedule]:
    """Of the openings of the witness and of each chunk."""
    d = layout.d
    level = p.level(len(d.roots))
    of_chunk = schedule(d.chunk_vars, level)
    return [schedule(layout.num_vars, level), *[of_chunk] * len(d.roots)]


def _absorb_parameters(transcript: Transcript, layout: WitnessLayout) -> None:
    transcript.u64(p.PROOF_VERSION)
    transcript.u64(p.MODULUS)
    for num_vars in (layout.num_vars, layout.d.chunk_vars):
        rate, level = p.first_rate(num_vars), p.level(len(layout.d.roots))
        for number in (num_vars, rate, p.POW_BITS, level):
            transcript.u64(number)


def _absorb_statement(transcript: Transcript, statement: Statement) -> None:
    transcript.string(statement.model_id)
    transcript.string(statement.binding)
    for number in (len(statement.sequences), statement.rows, statement.top_k):
        transcript.u64(number)
    for sequence in statement.sequences:
        for number in (len(sequence.prompt), len(sequence.answer), sequence.max_answer):
            transcript.u64(number)
        tokens = (*sequence.prompt, *sequence.answer)
        pairs = [pair for top in sequence.top for pair in top]
        transcript.string(
            b"".join(token.to_bytes(4, "little") for token in tokens)
            + b"".join(
                token.to_bytes(4, "little") + logit.to_bytes(8, "little", signed=True)
                for token, logit in pairs
            )
        )


def _check_relations(
    transcript: Transcript,
    layout: WitnessLayout,
    body: proof_bytes.ProofBody,
    embedded: embedding.EmbeddingRows,
) -> tuple[list[Ext], list[Ext]]:
    """Items 5 to 9: all but the openings. Returns the end points of the claims."""
    d, on, rows = layout.d, layout.modes, layout.batch
    beta, alpha = transcript.draw(), transcript.draw()
    leaf = fraction.check(transcript, body.root_denominator, body.fraction)
    transcript.ext(body.table_value)

    weights = relations.relation_weights(transcript.draw(), len(d.layers))
    point = points.draw(transcript, d, rows)
    transcript.exts([body.linear, body.contractions])
    linear = relations.Relations(layout, point, weights)

    claim = -(body.linear + linear.constant + body.contractions)
    claim, end = sumcheck(transcript, claim, body.products)
    q = products.cut(end, d, rows)
    values = dict(zip(shape.final_values(d, on), body.final_values, strict=True))
    if products.Products(point, q, d, rows).summand(values, weights, on) != claim:
        raise RejectedError("the products do not close")
    transcript.exts(body.final_values)

    folded = folded_values(len(d.layers))
    mu = dict(zip(folded, powers(transcript.draw(), len(folded) + 1)[1:], strict=True))
    claim = body.contractions + ext_sum(mu[name] * values[name] for name in folded)
    claim, end = sumcheck(transcript, claim, body.contraction)
    slots = Slots(Context(layout, point, q, weights, mu, end))
    if slots.e * (body.a_model + body.a_witness) * body.b != claim:
        raise RejectedError("the contraction does not close")
    transcript.exts([body.a_model, body.a_witness, body.b])

    looked_up = lookup.claims(layout, alpha, beta, leaf, body.table_value)
    found = [
        Claim(looked_up.keys, looked_up.keys_value),
        Claim(looked_up.multiplicities, looked_up.multiplicities_value),
        Claim(linear.functional, body.linear),
        Claim(looked_up.table_values, body.table_value),
        *claims.FinalClaims(layout, point, q, values, embedded).claims,
        Claim(slots.a_witness.witness, body.a_witness - slots.a_witness.public(embedded)),
        Claim(slots.b.witness, body.b - slots.b.public(embedded)),
        Claim(slots.a_model, body.a_model),
    ]
    delta = powers(transcript.draw(), len(found))
    total = claims.combined_value(found, delta, of_model=False)
    total, witness_end = sumcheck(transcript, total, body.witness_claims)
    if claims.witness_weight(found, delta, witness_end) * body.witness_value != total:
        raise RejectedError("the claims on the witness do not close")
    transcript.ext(body.witness_value)
    total = claims.combined_value(found, delta, of_model=True)
    total, model_end = sumcheck(transcript, total, body.model_claims)
    chunk_weights = claims.model_weights(found, delta, model_end, len(d.roots))
    if dot(chunk_weights, body.chunk_values) != total:
        raise RejectedError("the claims on the model do not close")
    transcript.exts(body.chunk_values)
    return witness_end, model_end
