"""Checking a proof in parts: no weights, no model files."""

from dataclasses import dataclass

from esper.primitives.ids import ModelId
from esper.prover.errors import MalformedProofError, StatementError, VerificationError
from esper.prover.statement import Statement


@dataclass(frozen=True, slots=True)
class PartsReport:
    """What a verified proof in parts rests on."""

    security_bits: float
    """Total soundness in bits, composed over the terms of all parts."""
    parts: tuple[float, ...]
    """The total of each part alone."""
    proof_bytes: int
    """Size of the proof."""
    milliseconds: float
    """Time of the verification alone, one thread."""


def verify_parts(statement: Statement, parts_id: ModelId, proof: bytes) -> PartsReport:
    """Check that the model known as ``parts_id`` gives the statement's answers and logits.

    ``parts_id`` has to come from whoever computed it from the model's integers. The statement's
    model id is what the proof was made for; it is compared with nothing here.

    Raises:
        StatementError: a field is out of its range.
        MalformedProofError: the bytes do not decode; ``docs/parts.md``, section 6.
        VerificationError: the proof does not show the statement; the message is the failed check.
    """
    from esper import _native

    named = (
        ("parts_id", parts_id),
        ("model_id", statement.model_id),
        ("binding", statement.binding),
    )
    for field, value in named:
        if len(value) != 64:
            raise StatementError(f"{field}: {len(value)} bytes, must be 64")
    shape, fields = statement.shape(), statement.fields()
    try:
        report = _native.verify_proof_in_parts(
            parts_id, statement.model_id, statement.binding, shape, fields, proof
        )
    except _native.MalformedProofError as error:
        raise MalformedProofError(str(error)) from error
    except ValueError as error:
        raise VerificationError(str(error)) from error
    return PartsReport(
        security_bits=report["security_bits"],
        parts=tuple(part["security_bits"] for part in report["parts"]),
        proof_bytes=len(proof),
        milliseconds=report["milliseconds"],
    )
