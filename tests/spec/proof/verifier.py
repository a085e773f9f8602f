"""The verifier: a proof, item by item of its transcript (section 14)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.spec.proof import parameters as p
from tests.spec.proof.argument import claims, fraction, lookup, points, products, relations
from tests.spec.proof.argument.claims import Claim
from tests.spec.proof.argument.residual import Start, folded_rows
from tests.spec.proof.argument.slots import Context, Slots, folded_values
from tests.spec.proof.arithmetic.field import Ext, ext_sum, powers
from tests.spec.proof.arithmetic.multilinear import Point
from tests.spec.proof.arithmetic.transcript import Transcript, sumcheck
from tests.spec.proof.decoding import descriptor, embedding, modes, proof_bytes, shape
from tests.spec.proof.decoding.model_layout import ModelLayout
from tests.spec.proof.decoding.proof_bytes import ProofBody
from tests.spec.proof.decoding.reader import Reader
from tests.spec.proof.decoding.statement import Statement, batch
from tests.spec.proof.decoding.witness_layout import WitnessLayout
from tests.spec.proof.errors import MalformedError, RejectedError
from tests.spec.proof.opening import whir, wire
from tests.spec.proof.opening.schedule import Schedule, Size, schedule
from tests.spec.proof.opening.wire import Opening


@dataclass(frozen=True)
class Decoded:
    """A proof whose bytes hold what they should, and whose embedding rows are the model's."""

    descriptor: bytes
    layout: WitnessLayout
    embedded: Start
    body: ProofBody
    openings: list[Opening]


@dataclass(frozen=True)
class Claimed:
    """What is left to show of a committed polynomial: its values at points."""

    root: bytes
    values: list[tuple[Point, Ext]]


def verify(statement: Statement, proof: bytes) -> None:
    """Raises MalformedError or RejectedError unless the proof shows the statement."""
    decoded = decode(statement, proof)
    transcript = Transcript(p.PROOF_NAME)
    claimed = check_relations(transcript, statement, decoded)
    check_openings(transcript, decoded.layout, claimed, decoded.openings)


def decode(statement: Statement, proof: bytes) -> Decoded:
    """All that is read before anything is computed but hashes."""
    if len(proof) not in p.PROOF_BYTES:
        raise MalformedError("the proof is too long")
    reader = Reader(proof)
    described = reader.take(reader.unsigned(4))
    d = descriptor.decode(described)
    on = modes.decode(reader.take(2 + len(d.layers)), d)
    if d.model_id != statement.model_id:
        raise RejectedError("the descriptor is that of another model")
    rows = batch(statement, d)
    layout = WitnessLayout(d, on, rows, ModelLayout(d))
    embedded = embedding.decode(reader, rows.tokens, d)
    embedding.check(embedded, d)
    return decode_body(reader, described, layout, embedded)


def decode_body(reader: Reader, described: bytes, layout: WitnessLayout, start: Start) -> Decoded:
    """What follows the embedding rows, to the end."""
    body = proof_bytes.decode(reader, layout)
    reader.end()
    openings = [
        wire.decode(data, plan) for data, plan in zip(body.openings, schedules(layout), strict=True)
    ]
    return Decoded(described, layout, start, body, openings)


def check_openings(
    transcript: Transcript,
    layout: WitnessLayout,
    claimed: list[Claimed],
    openings: list[Opening],
) -> None:
    """Item 10: the witness, then the model."""
    for claims_of_one, plan, opening in zip(claimed, schedules(layout), openings, strict=True):
        transcript.string(claims_of_one.root)
        verifier = whir.Verifier(transcript, plan, opening)
        verifier.check(claims_of_one.root, claims_of_one.values)


def schedules(layout: WitnessLayout) -> list[Schedule]:
    """Of the openings of the witness and of the model."""
    sizes = (Size.of(layout.cells), Size.of(layout.d.cells))
    return [schedule(size, p.level(layout.d.openings)) for size in sizes]


def absorb_public(transcript: Transcript, statement: Statement, layout: WitnessLayout) -> None:
    """Items 1 and 2."""
    _absorb_parameters(transcript, layout)
    _absorb_statement(transcript, statement)


def _absorb_parameters(transcript: Transcript, layout: WitnessLayout) -> None:
    transcript.u64(p.PROOF_VERSION if layout.d.part is None else p.PART_VERSION)
    transcript.u64(p.MODULUS)
    for size in (Size.of(layout.cells), Size.of(layout.d.cells)):
        rate, level = p.first_rate(size.num_vars), p.level(layout.d.openings)
        for number in (size.num_vars, size.width, rate, p.POW_BITS, level):
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


def check_relations(
    transcript: Transcript, statement: Statement, decoded: Decoded
) -> list[Claimed]:
    """Items 1 to 9: all but the openings."""
    absorb_public(transcript, statement, decoded.layout)
    transcript.string(decoded.layout.modes.data)
    return check_argument(transcript, decoded)


def check_argument(
    transcript: Transcript, decoded: Decoded, handed: Start | None = None
) -> list[Claimed]:
    """From the descriptor of item 3 to item 9.

    ``handed`` is what a part of a model hands on.
    """
    layout, body, embedded = decoded.layout, decoded.body, decoded.embedded
    d, on, rows = layout.d, layout.modes, layout.batch
    transcript.string(decoded.descriptor)
    transcript.string(body.witness_root)
    early = transcript.point(layout.num_vars)
    transcript.ext(body.early_value)

    beta, alpha = transcript.draw(), transcript.draw()
    leaf = fraction.check(transcript, body.root_denominator, body.fraction)
    transcript.ext(body.table_value)

    weights = relations.relation_weights(transcript.draw(), len(d.layers))
    point = points.draw(transcript, d, rows)
    transcript.exts([body.linear, body.contractions])
    linear = relations.Relations(layout, point, weights)
    if handed is not None:
        columns = points.plain(point.col, d.dim)
        taken, given = (
            folded_rows(rows_of.rows, rows_of.named(rows.tokens), columns, point.row)
            for rows_of in (embedded, handed)
        )
        linear.hand_on(weights[-1][0], taken, given)

    claim = -(body.linear + linear.constant + body.contractions)
    claim, end = sumcheck(transcript, claim, body.products)
    q = products.cut(end, d, rows)
    values = dict(zip(shape.final_values(d, on), body.final_values, strict=True))
    if products.Products(point, q, d, rows).summand(values, weights, on) != claim:
        raise RejectedError("the products do not close")
    transcript.exts(body.final_values)

    folded = folded_values(len(d.layers), d.has_head)
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
    if claims.model_weight(found, delta, model_end) * body.model_value != total:
        raise RejectedError("the claims on the model do not close")
    transcript.ext(body.model_value)
    of_witness = [(witness_end, body.witness_value), (early, body.early_value)]
    return [
        Claimed(body.witness_root, of_witness),
        Claimed(d.root, [(model_end, body.model_value)]),
    ]
