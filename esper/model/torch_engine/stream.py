"""Answers by a model on a device, many sequences at a time that come and go."""

from collections.abc import Sequence
from itertools import count
from typing import Final

from esper.model.errors import InvalidFieldError
from esper.model.torch_engine.forward import Cache, Forward
from esper.model.torch_engine.schedule import Finished, Schedule
from esper.model.torch_engine.steps import Steps
from esper.model.torch_engine.weights import DeviceModel


class AnswerStream:
    """Greedy answers, as the native engine's ``generate`` gives them, in whatever order they end.

    stream.add(7, prompt, most=16)
    while len(stream):
        for answer in stream.step():
            ...
    """

    def __init__(
        self,
        model: DeviceModel,
        *,
        rows: int,
        slots: int,
        positions: int,
        top_k: int,
        graphs: bool,
    ) -> None:
        """Make room for ``slots`` sequences at a time, each of at most ``positions`` tokens.

        Args:
            model: on its device.
            rows: of a step.
            slots: sequences that run at a time, at most ``rows``.
            positions: prompt and answer, without its last token.
            top_k: candidates of every answer token, 1 to the vocabulary.
            graphs: whether steps are recorded and replayed: on CUDA alone.
        """
        shape = model.shape
        if not 1 <= positions <= shape.max_seq:
            raise InvalidFieldError("positions", positions, f"1 to {shape.max_seq}")
        if not 1 <= top_k <= shape.vocab:
            raise InvalidFieldError("top_k", top_k, f"1 to {shape.vocab}")
        self.rows: Final = rows
        """Of every step."""
        self.slots: Final = slots
        """Sequences that run at a time; more wait in line."""
        self._vocab = shape.vocab
        self._positions = positions
        self._schedule = Schedule(slots=slots, rows=rows, eos=model.parameters.eos)
        cache = Cache(model, slots, positions)
        self._steps = Steps(
            Forward(model, cache),
            rows=rows,
            asked=slots,
            nobody=cache.slots,
            top_k=top_k,
            device=model.device,
            graphs=graphs,
        )

    def __len__(self) -> int:
        """Sequences that have no answer yet."""
        return len(self._schedule)

    @property
    def graphs(self) -> bool:
        """Whether steps are replayed from graphs."""
        return self._steps.graphs

    def add(self, number: int, prompt: Sequence[int], most: int) -> None:
        """Put a sequence in line; ``step`` returns it under ``number``.

        Raises:
            InvalidFieldError: it does not fit the model or the stream.
        """
        if not prompt:
            raise InvalidFieldError("tokens", list(prompt), "at least one token id")
        outside = next((token for token in prompt if not 0 <= token < self._vocab), None)
        if outside is not None:
            raise InvalidFieldError("tokens", outside, f"ids from 0 to {self._vocab - 1}")
        if most < 1 or len(prompt) + most - 1 > self._positions:
            expected = f"a prompt and at least one token within {self._positions} positions"
            raise InvalidFieldError("tokens", len(prompt) + most - 1, expected)
        self._schedule.add(number, prompt, most)

    def clear(self) -> None:
        """Forget all sequences."""
        self._schedule.clear()

    def step(self) -> list[Finished]:
        """Run one step; the answers that ended with it."""
        step = self._schedule.next_step()
        if not step.rows:
            return []
        return self._schedule.take(self._steps.run(step))

    def answers(self, prompts: Sequence[Sequence[int]], most: int) -> list[Finished]:
        """All answers, in the order of the prompts; nothing else may be in the stream.

        Raises:
            InvalidFieldError: a prompt does not fit.
        """
        assert not len(self)
        for number, prompt in zip(count(), prompts, strict=False):
            self.add(number, prompt, most)
        found: dict[int, Finished] = {}
        while len(self):
            found |= {one.number: one for one in self.step()}
        return [found[number] for number in range(len(prompts))]
