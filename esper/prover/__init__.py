"""Proof of inference: what is claimed, proving it with the model, checking it without."""

from esper.prover.errors import (
    MalformedProofError,
    ProofError,
    ProvingError,
    StatementError,
    VerificationError,
)
from esper.prover.planning import ProofPlan, planned
from esper.prover.proving import ProvableModel, prepare_memory, prove, release_memory
from esper.prover.statement import Sequence, Statement
from esper.prover.verification import Report, verify

__all__ = [
    "MalformedProofError",
    "ProofError",
    "ProofPlan",
    "ProvableModel",
    "ProvingError",
    "Report",
    "Sequence",
    "Statement",
    "StatementError",
    "VerificationError",
    "planned",
    "prepare_memory",
    "prove",
    "release_memory",
    "verify",
]
