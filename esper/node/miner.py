"""Mining: template, seed, salted batch, inference, digest, ticket, proof, block.

Attempts are independent, so several are answered in one call of the engine, which fills its batch.
The clock is an argument; nothing here prints or stores.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from esper.consensus.batch import batch_inputs, draw_indices
from esper.consensus.block import Block
from esper.consensus.context import ChainContext
from esper.consensus.header import PreHeader, work_id, work_seed
from esper.consensus.outputs import Answer, Opening, WorkOutputs
from esper.consensus.ports import ChainState, Inference, WorkClaim, WorkProver
from esper.consensus.template import (
    EMPTY_PLAN,
    BlockPlan,
    Template,
    build_template,
    finished_block,
)
from esper.consensus.ticket import batch_result, reference_work, wins, work_done
from esper.crypto.vrf import VrfKey
from esper.primitives.merkle import MerkleTree
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters
from esper.primitives.prompt import BankPrompt, bank_tree

Clock = Callable[[], int]
"""Milliseconds; only differences and the header's time are taken from it."""


def _never() -> bool:
    return False


class WrongModelError(Exception):
    """A model or prompt bank that is not the chain's."""


@dataclass(frozen=True, slots=True)
class PromptSource:
    """The bank that prompts are drawn from, with its tree."""

    prompts: tuple[BankPrompt, ...]
    tree: MerkleTree

    @classmethod
    def of(cls, prompts: Sequence[BankPrompt], params: NetworkParameters) -> "PromptSource":
        """A bank checked against the chain's. Raises WrongModelError."""
        tree = bank_tree(prompts)
        model = params.model
        if (tree.root, tree.count) != (model.bank_root, model.bank_size):
            raise WrongModelError(
                f"prompt bank has root {tree.root.hex()[:16]}… over {tree.count} prompts, "
                f"{params.name}'s has {model.bank_root.hex()[:16]}… over {model.bank_size}"
            )
        return cls(tuple(prompts), tree)

    def openings(self, indices: Sequence[int]) -> tuple[Opening, ...]:
        """The entries at these places with their paths."""
        return tuple(Opening(i, self.prompts[i], self.tree.path(i)) for i in indices)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One nonce: everything that follows from it before a model is run."""

    pre: PreHeader
    seed: bytes
    indices: tuple[int, ...]
    inputs: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class MinedBlock:
    """A found and proven block and what it took."""

    block: Block
    """The block."""
    attempts: int
    """Batches answered, the winning one included."""
    tokens: int
    """Rows of the model computed: inputs and answers, less the last answer of each."""
    search_ms: int
    """Time of the search."""
    proof_ms: int
    """Time of the proof."""


class Miner:
    """Finds blocks for one payee with one model."""

    def __init__(
        self,
        params: NetworkParameters,
        *,
        inference: Inference,
        prover: WorkProver,
        bank: PromptSource,
        payee: bytes,
        vrf_secret: bytes,
        attempts_per_call: int = 8,
        model: ModelEntry | None = None,
    ) -> None:
        """``model`` is the tier's to mine, the first tier's if None.

        Raises WrongModelError if the engine runs another model.
        """
        self._model = params.model if model is None else model
        if inference.model_id != self._model.model_id:
            raise WrongModelError(
                f"model {inference.model_id.hex()[:16]}… is not {params.name}'s, "
                f"{self._model.model_id.hex()[:16]}…"
            )
        self._params = params
        self._inference = inference
        self._prover = prover
        self._bank = bank
        self._payee = payee
        self._secret = vrf_secret
        self._attempts_per_call = attempts_per_call
        self._key: VrfKey | None = None

    def mine(
        self,
        chain: ChainContext,
        state: ChainState,
        clock: Clock,
        plan: BlockPlan = EMPTY_PLAN,
        interrupted: Callable[[], bool] = _never,
    ) -> MinedBlock | None:
        """The next block of ``chain``, whose state is ``state``. Takes as long as it takes.

        ``interrupted`` is asked between batches; None if it says so before a ticket wins.
        """
        template = build_template(
            chain,
            state,
            self._payee,
            self._key_for(chain.height + 1),
            time_ms=clock(),
            tier=self._model.tier,
            plan=plan,
        )
        began = clock()
        attempts = tokens = 0
        while not interrupted():
            batch = self._batch(template, chain, clock(), first_nonce=attempts)
            for attempt, answered in zip(batch, self._answers(batch), strict=True):
                attempts += 1
                tokens += self._rows(answered)
                result = self._winning_result(attempt, answered)
                if result is not None:
                    found = clock()
                    won = replace(template, pre=attempt.pre)
                    block = self._proven(won, attempt, answered, result)
                    return MinedBlock(block, attempts, tokens, found - began, clock() - found)
        return None

    def _key_for(self, height: int) -> VrfKey:
        """The key whose window covers ``height``; windows follow each other from 0 on."""
        if self._key is None or not self._key.covers(height):
            depth = self._params.limits.vrf_depth
            start = height >> depth << depth
            self._key = VrfKey(self._secret, start=start, depth=depth, payee=self._payee)
        return self._key

    def _batch(
        self, template: Template, chain: ChainContext, now_ms: int, *, first_nonce: int
    ) -> list[Attempt]:
        """Attempts with new nonces and the clock's time."""
        time_ms = max(now_ms, chain.median_time_ms + 1)
        nonces = range(first_nonce, first_nonce + self._attempts_per_call)
        return [self._attempt(replace(template.pre, time_ms=time_ms, nonce=n)) for n in nonces]

    def _attempt(self, pre: PreHeader) -> Attempt:
        puzzle, model = self._params.puzzle, self._model
        seed = work_seed(work_id(pre))
        indices = draw_indices(seed, model.bank_size, puzzle.sequences)
        prompts = [self._bank.prompts[index] for index in indices]
        return Attempt(pre, seed, indices, batch_inputs(seed, prompts, puzzle, model))

    def _answers(self, batch: Sequence[Attempt]) -> Iterator[tuple[Answer, ...]]:
        puzzle = self._params.puzzle
        inputs = [tokens for attempt in batch for tokens in attempt.inputs]
        answers = self._inference.answer(inputs, puzzle.max_answer, puzzle.top_k)
        for start in range(0, len(answers), puzzle.sequences):
            yield answers[start : start + puzzle.sequences]

    def _rows(self, answers: Sequence[Answer]) -> int:
        inputs = self._params.puzzle.input_tokens
        return sum(inputs + len(answer.tokens) - 1 for answer in answers)

    def _winning_result(self, attempt: Attempt, answers: Sequence[Answer]) -> bytes | None:
        puzzle, model = self._params.puzzle, self._model
        result = batch_result(
            attempt.seed, model.model_id, puzzle, attempt.indices, attempt.inputs, answers
        )
        work = work_done([len(answer.tokens) for answer in answers], puzzle, model)
        target = attempt.pre.target_value
        won = wins(int.from_bytes(result, "big"), target, work, reference_work(puzzle, model))
        return result if won else None

    def _proven(
        self, template: Template, attempt: Attempt, answers: tuple[Answer, ...], result: bytes
    ) -> Block:
        puzzle, model = self._params.puzzle, self._model
        claim = WorkClaim(
            model_id=model.model_id,
            binding=attempt.seed,
            rows=puzzle.rows,
            max_answers=(puzzle.max_answer,) * puzzle.sequences,
            top_k=puzzle.top_k,
            inputs=attempt.inputs,
            answers=answers,
        )
        proof = self._prover.prove(claim)
        outputs = WorkOutputs(self._bank.openings(attempt.indices), answers)
        return finished_block(template, result, outputs, proof)
