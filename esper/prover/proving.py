"""Answering prompts and proving the answers."""

import os
from collections.abc import Callable
from collections.abc import Sequence as AbstractSequence
from threading import Thread
from typing import Final, Protocol

from esper.primitives.ids import ModelId
from esper.prover.errors import ProvingError
from esper.prover.statement import Fields, Sequence, Statement

MIN_ROWS = 2
"""Fewest positions of a proof."""
LEAST_MEMORY: Final = 192 << 20
"""Bytes that the smallest proof of a real model takes."""
ANSWER_STAGE: Final = "answer"
MODEL_STAGE: Final = "model commitment"

TopAnswer = tuple[list[int], list[list[tuple[int, int]]]]


class Engine(Protocol):
    """The part of the native model that proving needs."""

    def generate(
        self,
        prompts: AbstractSequence[AbstractSequence[int]],
        max_new: int,
        top_k: int,
        threads: int,
    ) -> list[TopAnswer]:
        """Greedy answers, and per answer token its best (id, logit) pairs."""


class Key(Protocol):
    """A committed model."""

    @property
    def model_id(self) -> ModelId:
        """64 bytes."""

    def prove(
        self,
        binding: bytes,
        shape: tuple[int, int],
        sequences: AbstractSequence[Fields],
        done: Callable[[str], None] | None = None,
        /,
    ) -> bytes:
        """Proof of the statement with these fields; ``done`` hears of every stage that is over."""


class ProvableModel(Protocol):
    """A model as `esper.model.load_model` gives it."""

    @property
    def native(self) -> Engine:
        """The integer engine."""

    @property
    def proving_key(self) -> Key:
        """The committed model."""


def prove(
    model: ProvableModel,
    prompts: AbstractSequence[AbstractSequence[int]],
    *,
    max_answer: int | AbstractSequence[int],
    binding: bytes,
    rows: int | None = None,
    top_k: int = 4,
    done: Callable[[str], None] | None = None,
) -> tuple[Statement, bytes]:
    """Answer `prompts` greedily and prove every answer token with its top logits.

    Args:
        model: from `esper.model.load_model`.
        prompts: token ids, each at least one.
        max_answer: longest answer in tokens, one number for all prompts or one for each; the end
            token ends one earlier.
        binding: 64 bytes that the proof is valid for alone.
        rows: positions of each sequence in the proof, a power of two; the fewest that fit if None.
        top_k: how many (id, logit) pairs are proven for each answer token.
        done: hears the name of every stage that is over, in the order of :func:`planned`.

    Returns:
        The statement, and the bytes of its proof.

    Raises:
        ProvingError: the prompts, sizes or model do not allow a proof; the message names what.
    """
    if len(binding) != 64:
        raise ProvingError(f"binding: {len(binding)} bytes, must be 64")
    if not prompts:
        raise ProvingError("prompts: none given; a proof covers at least one")
    limits = [max_answer] * len(prompts) if isinstance(max_answer, int) else list(max_answer)
    if len(limits) != len(prompts):
        raise ProvingError(f"max_answer: {len(limits)} limits for {len(prompts)} prompts")
    if rows is None:
        rows = fewest_rows(prompts, limits)
    tell = done or (lambda stage: None)
    try:
        answers = model.native.generate(prompts, max(limits), top_k, len(os.sched_getaffinity(0)))
        # Greedy answers to a lower limit are the beginnings of those to a higher one.
        sequences = tuple(
            Sequence(tuple(p), tuple(said[:limit]), limit, tuple(tuple(at) for at in top[:limit]))
            for p, limit, (said, top) in zip(prompts, limits, answers, strict=True)
        )
        tell(ANSWER_STAGE)
        key = model.proving_key
        tell(MODEL_STAGE)
        statement = Statement(key.model_id, binding, rows, top_k, sequences)
        proof = key.prove(binding, statement.shape(), statement.fields(), done)
    except (ValueError, OverflowError) as error:
        raise ProvingError(str(error)) from error
    return statement, proof


def fewest_rows(
    prompts: AbstractSequence[AbstractSequence[int]], limits: AbstractSequence[int]
) -> int:
    """The fewest positions, a power of two, that hold each prompt with its longest answer."""
    longest = max(len(p) + limit - 1 for p, limit in zip(prompts, limits, strict=True))
    return max(MIN_ROWS, 1 << (longest - 1).bit_length())


def prepare_memory() -> None:
    """Begin to make memory ready for the first proof of this process, in a thread.

    The kernel clears memory as it is touched, which takes a first proof a tenth of its time; a
    processor that waits for the model to be read does it meanwhile.
    """
    from esper._native import reserve_memory

    Thread(target=reserve_memory, args=(LEAST_MEMORY,), daemon=True).start()


def release_memory() -> int:
    """Give back the memory that proofs of this process keep for the next one.

    Returns the bytes of its large blocks. The next proof finds its memory again, which takes about
    a third of its time.
    """
    from esper._native import release_memory as release

    return release()
