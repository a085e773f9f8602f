"""Known answers, asked of a device before anything is mined with it, at the shapes that are used.

1. Products: every shape of matrix, all rows of a step, heaviest and random values, against NumPy.
2. Ties: the best of equal logits.
3. Answers: in full steps and in all slots, against the native engine on the same model.

A fault that shows seldom is caught later: no ticket leaves this machine before the native prover
has run it again.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import torch

from esper.model.checkpoint import linear_sizes
from esper.model.config import Shape
from esper.model.g16_parameters import Parameters
from esper.model.torch_engine.arithmetic import best
from esper.model.torch_engine.errors import WrongAnswersError
from esper.model.torch_engine.halves import Int8Product, Linear
from esper.model.torch_engine.seam import Wanted
from esper.model.torch_engine.stream import AnswerStream

COLUMNS: Final = 48
"""Outputs of a product that are computed a second time: the first, the last, and between."""
PROMPTS: Final = 3
"""Different ones; a step's rows repeat them."""
NATIVE_WORK: Final = 1 << 33
"""Products of weights that the native engine may take for its answers: seconds on one core."""
LEAST_ANSWER: Final = 2
"""Tokens of an answer, also of the largest model: the second one is read from the cache."""


class NativeAnswers(Protocol):
    """The compiled engine's part that is compared with."""

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new: int, top_k: int, threads: int
    ) -> list[tuple[list[int], list[list[tuple[int, int]]]]]:
        """Greedy answers, and for each answer token its ``top_k`` (id, logit) pairs."""


def check_products(
    parameters: Parameters, rows: int, asked: int, device: str, product: Int8Product
) -> None:
    """Compare a device's products with NumPy's, for steps of ``rows`` rows, ``asked`` asked for.

    Raises:
        WrongAnswersError: one differs; the message names its shape.
    """
    for count, outputs, inputs, bits in sorted(_products(parameters, rows, asked)):
        weight, values = _heavy(outputs, inputs, count, bits)
        linear = Linear("", weight, np.ones(outputs, np.int32), bits, device, product)
        found = linear(torch.from_numpy(values).to(device)).cpu().numpy()
        some = _columns(outputs)
        expected = values.astype(np.int64) @ weight[some].T.astype(np.int64)
        wrong = int(np.count_nonzero(found[:, some] != expected))
        if wrong:
            raise WrongAnswersError(
                device,
                f"{wrong} of {expected.size} entries of a product of {count} x {inputs} values "
                f"and {inputs} x {outputs} weights are not the integers they must be",
            )


def check_ties(parameters: Parameters, asked: int, wanted: Wanted) -> None:
    """Let the device choose among equal logits, for ``asked`` rows.

    Raises:
        WrongAnswersError: it does not choose the lowest ids.
    """
    vocab = parameters.shape.vocab
    ids = np.arange(vocab)
    some = np.stack([(ids * step + step) % 5 for step in (1, 2, 3, 7)]) << 40
    rows = np.arange(asked) % len(some)
    expected = np.stack([np.lexsort((ids, -row))[: wanted.top_k] for row in some])[rows]
    found, tops = best(torch.from_numpy(some[rows]).to(wanted.device), wanted.top_k)
    right = np.array_equal(found.cpu().numpy(), expected)
    if not right or not np.array_equal(tops.cpu().numpy(), some[rows[:, None], expected]):
        raise WrongAnswersError(wanted.device, "the best of equal logits are not the lowest ids")


def check_answers(
    stream: AnswerStream,
    native: NativeAnswers,
    parameters: Parameters,
    wanted: Wanted,
) -> None:
    """Compare a stream's answers with the native engine's, in full steps and in all slots.

    Args:
        stream: as it will be used, and empty.
        native: of the same model.
        parameters: of the model.
        wanted: what will be asked; answers are shorter here where the model is large.

    Raises:
        WrongAnswersError: an answer or a logit differs.
    """
    vocab = parameters.shape.vocab
    prompt_tokens, max_answer = wanted.prompt_tokens, wanted.max_answer
    weights = _weights(parameters.shape)
    affordable = NATIVE_WORK // (PROMPTS * weights) - prompt_tokens
    most = max(min(max_answer, affordable), min(LEAST_ANSWER, max_answer))

    lengths = (prompt_tokens, max(prompt_tokens // 2, 1), max(prompt_tokens - 1, 1))
    long = [_prompt(length, vocab, parameters.bos) for length in lengths]
    # One token each: so many rows are asked for at once.
    short = [(token % vocab,) for token in (parameters.bos, 7, 11)]
    for prompts, count, longest in (
        # All slots, each of which the short ones use a second time.
        (long, stream.slots, most),
        (short, stream.slots, min(LEAST_ANSWER, max_answer)),
    ):
        known = native.generate(prompts, longest, wanted.top_k, wanted.threads)
        asked = [prompts[place % PROMPTS] for place in range(count)]
        for place, found in enumerate(stream.answers(asked, longest)):
            tokens, top = known[place % PROMPTS]
            if found.tokens != tuple(tokens) or found.top != tuple(map(tuple, top)):
                raise WrongAnswersError(
                    wanted.device,
                    f"answer {place + 1} of {count} to {len(asked[place])} tokens differs from "
                    "the native engine's",
                )


def _products(p: Parameters, rows: int, asked: int) -> set[tuple[int, int, int, int]]:
    """(rows, outputs, inputs, bits of the values) of every product of a step."""
    shape = p.shape
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return {
        (rows, q + 2 * kv, shape.dim, 16),
        (rows, shape.dim, q, 16),
        (rows, 2 * shape.hidden, shape.dim, 16),
        *((rows, shape.dim, shape.hidden, layer.z_bits) for layer in p.layers),
        (asked, shape.vocab, shape.dim, 16),
    }


def _heavy(
    outputs: int, inputs: int, rows: int, bits: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32]]:
    """Weights and values: the first rows of both as large as they get, the others at random."""
    random = np.random.default_rng([outputs, inputs, rows])
    top = (1 << (bits - 1)) - 1
    weight = random.integers(-127, 127, (outputs, inputs), np.int8, endpoint=True)
    values = random.integers(-top, top, (rows, inputs), np.int32, endpoint=True)
    for place, size in enumerate((1, -1)):
        weight[place % outputs] = size * 127
        values[place] = size * top
    return weight, values


def _columns(outputs: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, outputs - 1, COLUMNS).astype(np.int64))


def _prompt(length: int, vocab: int, bos: int) -> tuple[int, ...]:
    random = np.random.default_rng([length, vocab])
    return (bos, *random.integers(0, vocab, length - 1).tolist())


def _weights(shape: Shape) -> int:
    layer = sum(outputs * inputs for outputs, inputs in linear_sizes(shape).values())
    return shape.layers * layer + shape.vocab * shape.dim
