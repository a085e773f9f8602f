"""The search for a winning ticket: seed, salted batch, inference, digest, comparison.

Attempts are independent, so several are answered in one call of the engine, which fills its batch.
No clock, no chain, no proof: what a search needs fits in a ``SearchJob``, so that it runs as well
in a process of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from esper.consensus.batch import batch_inputs, draw_indices
from esper.consensus.header import PreHeader, work_id, work_seed
from esper.consensus.ports import Inference, WorkClaim
from esper.consensus.ticket import batch_result, wins
from esper.dao.omega import reference_work, work_done
from esper.primitives.merkle import MerkleTree
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import PuzzleParameters
from esper.primitives.prompt import BankPrompt, bank_tree
from esper.primitives.work_outputs import Opening, ProvenAnswer, WorkOutputs


class WrongModelError(Exception):
    """A model or prompt bank that is not the chain's."""


def check_model(inference: Inference, model: ModelEntry) -> None:
    """Raises WrongModelError if the engine runs another model than the chain's ``model``."""
    if inference.model_id != model.model_id:
        raise WrongModelError(
            f"model {inference.model_id.hex()[:16]}… is not the chain's, "
            f"{model.model_id.hex()[:16]}…"
        )


@dataclass(frozen=True, slots=True)
class PromptSource:
    """The bank that prompts are drawn from, with its tree."""

    prompts: tuple[BankPrompt, ...]
    tree: MerkleTree

    @classmethod
    def of(cls, prompts: Sequence[BankPrompt], model: ModelEntry) -> "PromptSource":
        """A bank checked against that of an entry's model. Raises WrongModelError."""
        tree = bank_tree(prompts)
        if (tree.root, tree.count) != (model.bank_root, model.bank_size):
            raise WrongModelError(
                f"prompt bank has root {tree.root.hex()[:16]}… over {tree.count} prompts, "
                f"the chain's has {model.bank_root.hex()[:16]}… over {model.bank_size}"
            )
        return cls(tuple(prompts), tree)

    def openings(self, indices: Sequence[int]) -> tuple[Opening, ...]:
        """The entries at these places with their paths."""
        return tuple(Opening(i, self.prompts[i], self.tree.path(i)) for i in indices)


@dataclass(frozen=True, slots=True)
class SearchJob:
    """What to search for. Only nonce and time of the pre-header may change."""

    number: int
    """Distinguishes jobs; what is found names it."""
    pre: PreHeader
    """Complete pre-header."""
    earliest_ms: int
    """Least time that the header may have."""

    @property
    def words(self) -> str:
        """What is searched for, for people."""
        return f"block {self.pre.height}"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A pre-header whose batch won, and everything that a proof and a block need of it."""

    pre: PreHeader
    """With the nonce and time that won."""
    result: bytes
    """64 bytes: r."""
    outputs: WorkOutputs
    """Prompts with their openings, and the answers."""
    claim: WorkClaim
    """What is to be proven."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One nonce: everything that follows from it before a model is run."""

    pre: PreHeader
    """With the nonce and its time."""
    seed: bytes
    """64 bytes: what all of it is drawn from."""
    indices: tuple[int, ...]
    """Prompts of the bank."""
    inputs: tuple[tuple[int, ...], ...]
    """Token ids of each sequence, salt included."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What one call of the engine did."""

    attempts: int
    """Batches answered."""
    tokens: int
    """Rows of the model computed: inputs and answers, less the last answer of each."""
    ticket: Ticket | None
    """The first that won, if one did."""


class TicketSearch:
    """Tries nonces with one model."""

    def __init__(
        self, puzzle: PuzzleParameters, model: ModelEntry, inference: Inference, bank: PromptSource
    ) -> None:
        """Raises WrongModelError if the engine runs another model."""
        check_model(inference, model)
        self._puzzle = puzzle
        self._model = model
        self._inference = inference
        self._bank = bank

    def step(self, job: SearchJob, now_ms: int, nonces: range) -> Searched:
        """Answer the batches of these nonces at the time ``now_ms``."""
        batch = [self.attempt(job, now_ms, nonce) for nonce in nonces]
        tokens = 0
        for tried, (attempt, answers) in enumerate(
            zip(batch, self._answers(batch), strict=True), start=1
        ):
            searched = self.judged(attempt, answers)
            tokens += searched.tokens
            if searched.ticket is not None:
                return Searched(tried, tokens, searched.ticket)
        return Searched(len(batch), tokens, None)

    def attempt(self, job: SearchJob, now_ms: int, nonce: int) -> Attempt:
        """What follows from a nonce at the time ``now_ms``."""
        puzzle, model = self._puzzle, self._model
        pre = replace(job.pre, time_ms=max(now_ms, job.earliest_ms), nonce=nonce)
        seed = work_seed(work_id(pre))
        indices = draw_indices(seed, model.bank_size, puzzle.sequences)
        prompts = [self._bank.prompts[index] for index in indices]
        return Attempt(pre, seed, indices, batch_inputs(seed, prompts, puzzle, model))

    def judged(self, attempt: Attempt, answers: tuple[ProvenAnswer, ...]) -> Searched:
        """What came of one attempt whose sequences are all answered."""
        result = self._winning_result(attempt, answers)
        ticket = None if result is None else self._ticket(attempt, answers, result)
        return Searched(1, self._rows(answers), ticket)

    def _answers(self, batch: Sequence[Attempt]) -> Iterator[tuple[ProvenAnswer, ...]]:
        puzzle = self._puzzle
        inputs = [tokens for attempt in batch for tokens in attempt.inputs]
        answers = self._inference.answer(inputs, puzzle.max_answer, puzzle.top_k)
        for start in range(0, len(answers), puzzle.sequences):
            yield answers[start : start + puzzle.sequences]

    def _rows(self, answers: Sequence[ProvenAnswer]) -> int:
        inputs = self._puzzle.input_tokens
        return sum(inputs + len(answer.tokens) - 1 for answer in answers)

    def _winning_result(self, attempt: Attempt, answers: Sequence[ProvenAnswer]) -> bytes | None:
        puzzle, model = self._puzzle, self._model
        result = batch_result(
            attempt.seed, model.model_id, puzzle, attempt.indices, attempt.inputs, answers
        )
        work = work_done([len(answer.tokens) for answer in answers], puzzle, model)
        target = attempt.pre.target_value
        won = wins(int.from_bytes(result, "big"), target, work, reference_work(puzzle, model))
        return result if won else None

    def _ticket(self, attempt: Attempt, answers: tuple[ProvenAnswer, ...], result: bytes) -> Ticket:
        puzzle = self._puzzle
        claim = WorkClaim(
            model_id=self._model.model_id,
            binding=attempt.seed,
            rows=puzzle.rows,
            max_answers=(puzzle.max_answer,) * puzzle.sequences,
            top_k=puzzle.top_k,
            inputs=attempt.inputs,
            answers=answers,
        )
        outputs = WorkOutputs(self._bank.openings(attempt.indices), answers)
        return Ticket(attempt.pre, result, outputs, claim)
