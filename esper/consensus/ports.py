"""What consensus and mining need from the model and the prover, as interfaces.

The pure rules see a ``WorkVerifier`` only. A miner also needs ``Inference`` and ``WorkProver``;
they are wired to the native engine and prover in ``esper.node``, and to fakes in tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from esper.primitives.ids import ModelId
from esper.primitives.work_outputs import ProvenAnswer
from esper.vm.view import Change, StateView


@dataclass(frozen=True, slots=True)
class WorkClaim:
    """What a proof must show: this model answers these inputs with exactly these lists."""

    model_id: ModelId
    """64 bytes."""
    binding: bytes
    """64 bytes: a proof made for anything else does not fit. Of work it is the seed."""
    rows: int
    """T: rows per sequence."""
    max_answers: tuple[int, ...]
    """Longest answer of each sequence, in tokens."""
    top_k: int
    """K."""
    inputs: tuple[tuple[int, ...], ...]
    """Input token ids per sequence."""
    answers: tuple[ProvenAnswer, ...]
    """Answers per sequence."""


class ProofRejectedError(Exception):
    """A proof that does not show its claim. The message says which check failed."""


class ProofMalformedError(ProofRejectedError):
    """Bytes that are no canonical proof at all: they do not decode, whatever they were to show.

    ``docs/proof.md``, section 15, says which refusals are of this kind.
    """


class ChainState(StateView, Protocol):
    """The state after a chain's tip, in memory or on disk."""

    def root_after(self, changes: Sequence[Change]) -> bytes:
        """32 bytes: the root after changes by ascending path; the state stays as it is."""


class WorkVerifier(Protocol):
    """Checks work proofs without weights."""

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Return if the proof shows the claim.

        Raises ProofMalformedError for bytes that are no proof, ProofRejectedError otherwise.
        """


class Inference(Protocol):
    """Runs a model by greedy decoding."""

    @property
    def model_id(self) -> ModelId:
        """64 bytes: what the chain calls this model."""

    def answer(
        self, inputs: Sequence[tuple[int, ...]], max_answer: int, top_k: int
    ) -> tuple[ProvenAnswer, ...]:
        """One answer per input: at most ``max_answer`` tokens, ending with EOS if it comes."""


class WorkProver(Protocol):
    """Proves work."""

    def prove(self, claim: WorkClaim) -> bytes:
        """The proof of a claim made by the same model. Slow: seconds."""
