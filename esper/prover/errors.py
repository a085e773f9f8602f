"""Why a statement cannot be proven, or a proof is not accepted."""


class ProofError(ValueError):
    """Base of the prover's and the verifier's refusals."""


class StatementError(ProofError):
    """A field of the statement is out of its range; the message names it."""


class ProvingError(ProofError):
    """The model cannot prove what was asked; the message says why."""


class VerificationError(ProofError):
    """The proof does not show the statement; the message is the check that failed."""


class MalformedProofError(VerificationError):
    """The bytes are no proof: they do not decode, whatever they were to show."""
