"""Checking a proof: no weights, no model files."""

from dataclasses import dataclass

from esper.prover.errors import MalformedProofError, StatementError, VerificationError
from esper.prover.statement import Statement


@dataclass(frozen=True, slots=True)
class Report:
    """What a verified proof rests on."""

    security_bits: float
    """Total soundness in bits, composed over all terms and openings from the parameters used."""
    terms: tuple[tuple[str, float], ...]
    """The terms of that total."""
    proof_bytes: int
    """Size of the proof."""
    milliseconds: float
    """Time of the verification alone, one thread."""
    witness_vars: int
    """log2 of the committed witness cells."""
    leaf_vars: int
    """log2 of the lookup argument's leaves."""


def verify(statement: Statement, proof: bytes) -> Report:
    """Check that the model with the statement's id gives the statement's answers and logits.

    Other threads of Python go on meanwhile, and may verify at the same time.

    Raises:
        StatementError: a field is out of its range.
        MalformedProofError: the bytes do not decode; ``docs/proof.md``, section 15.
        VerificationError: the proof does not show the statement; the message is the failed check.
    """
    from esper import _native

    for field, value in (("model_id", statement.model_id), ("binding", statement.binding)):
        if len(value) != 64:
            raise StatementError(f"{field}: {len(value)} bytes, must be 64")
    shape, fields = statement.shape(), statement.fields()
    try:
        report = _native.verify_proof(statement.model_id, statement.binding, shape, fields, proof)
    except _native.MalformedProofError as error:
        raise MalformedProofError(str(error)) from error
    except ValueError as error:
        raise VerificationError(str(error)) from error
    return Report(
        security_bits=report["security_bits"],
        terms=tuple(report["terms"]),
        proof_bytes=len(proof),
        milliseconds=report["milliseconds"],
        witness_vars=report["witness_vars"],
        leaf_vars=report["leaf_vars"],
    )
