"""What consensus and mining need from the model and the prover, as interfaces.

The pure rules see a ``WorkVerifier`` only. A miner also needs ``Inference`` and ``WorkProver``;
they are wired to the native engine and prover in ``esper.node``, and to fakes in tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from esper.consensus.outputs import Answer


@dataclass(frozen=True, slots=True)
class WorkClaim:
    """What a work proof must show: this model answers these inputs with exactly these lists."""

    model_id: bytes
    """64 bytes."""
    binding: bytes
    """64 bytes, the seed: a proof for another block does not fit."""
    rows: int
    """T: rows per sequence."""
    max_answer: int
    """g."""
    top_k: int
    """K."""
    inputs: tuple[tuple[int, ...], ...]
    """Input token ids per sequence."""
    answers: tuple[Answer, ...]
    """Answers per sequence."""


class ProofRejectedError(Exception):
    """A proof that does not show its claim. The message says which check failed."""


class ProofMalformedError(ProofRejectedError):
    """Bytes that are no canonical proof at all."""


class WorkVerifier(Protocol):
    """Checks work proofs without weights."""

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Return if the proof shows the claim.

        Raises ProofMalformedError for bytes that are no proof, ProofRejectedError otherwise.
        """


class Inference(Protocol):
    """Runs a model by greedy decoding."""

    @property
    def model_id(self) -> bytes:
        """64 bytes: what the chain calls this model."""

    def answer(
        self, inputs: Sequence[tuple[int, ...]], max_answer: int, top_k: int
    ) -> tuple[Answer, ...]:
        """One answer per input: at most ``max_answer`` tokens, ending with EOS if it comes."""


class WorkProver(Protocol):
    """Proves work."""

    def prove(self, claim: WorkClaim) -> bytes:
        """The proof of a claim made by the same model. Slow: seconds."""
