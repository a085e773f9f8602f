"""The native engine and prover behind the ports of consensus."""

from collections.abc import Callable, Sequence
from typing import Protocol

from esper.consensus.ports import ProofMalformedError, ProofRejectedError, WorkClaim
from esper.primitives.ids import ModelId
from esper.primitives.work_outputs import Candidate, ProvenAnswer
from esper.prover import (
    MalformedProofError,
    ProofError,
    ProvableModel,
    Statement,
    prove,
    verify,
)
from esper.prover import Sequence as ProvenSequence


class MiningModel(ProvableModel, Protocol):
    """A model that can be proven and knows its name, as ``esper.model.load_model`` gives it."""

    @property
    def model_id(self) -> ModelId:
        """64 bytes."""


def statement_of(claim: WorkClaim) -> Statement:
    """A claim in the prover's words."""
    sequences = tuple(
        ProvenSequence(
            prompt=tokens,
            answer=answer.tokens,
            max_answer=limit,
            top=tuple(tuple((c.token, c.logit) for c in top) for top in answer.top),
        )
        for tokens, answer, limit in zip(
            claim.inputs, claim.answers, claim.max_answers, strict=True
        )
    )
    return Statement(
        model_id=claim.model_id,
        binding=claim.binding,
        rows=claim.rows,
        top_k=claim.top_k,
        sequences=sequences,
    )


class NativeInference:
    """Answers by the native integer engine."""

    def __init__(self, model: MiningModel, threads: int) -> None:
        self._model = model
        self._threads = threads

    @property
    def model_id(self) -> ModelId:
        """64 bytes: the loaded model."""
        return self._model.model_id

    def use_threads(self, threads: int) -> None:
        """Answer with so many threads, at least 1, from now on."""
        self._threads = threads

    def answer(
        self, inputs: Sequence[tuple[int, ...]], max_answer: int, top_k: int
    ) -> tuple[ProvenAnswer, ...]:
        """All inputs in one batch of the engine."""
        generated = self._model.native.generate(inputs, max_answer, top_k, self._threads)
        return tuple(
            ProvenAnswer(tuple(tokens), tuple(tuple(Candidate(*pair) for pair in at) for at in top))
            for tokens, top in generated
        )


class DisagreementError(Exception):
    """Engine and prover give different answers: a fault of this machine or build, not of a peer."""


class NativeProver:
    """Proves claims made by the same model."""

    def __init__(self, model: MiningModel) -> None:
        self._model = model

    def prove(self, claim: WorkClaim, done: Callable[[str], None] | None = None) -> bytes:
        """The proof; ``done`` hears the name of every stage that is over.

        Raises DisagreementError if the prover's own run answers something else.
        """
        statement, proof = prove(
            self._model,
            claim.inputs,
            max_answer=claim.max_answers,
            binding=claim.binding,
            rows=claim.rows,
            top_k=claim.top_k,
            done=done,
        )
        if statement != statement_of(claim):
            raise DisagreementError(
                "the prover's run differs from the engine's; run the self-tests of this build"
            )
        return proof


class NativeVerifier:
    """Checks work proofs with the native verifier, without weights."""

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Return if the proof shows the claim.

        Raises ProofMalformedError for bytes that do not decode, ProofRejectedError otherwise.
        """
        try:
            verify(statement_of(claim), proof)
        except MalformedProofError as error:
            raise ProofMalformedError(str(error)) from error
        except ProofError as error:
            raise ProofRejectedError(str(error)) from error
