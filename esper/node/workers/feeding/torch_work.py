"""The torch engine behind the ports of consensus and of the search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from esper.model.torch_engine.seam import Wanted, open_stream, use_threads
from esper.node.workers.native_work import MiningModel
from esper.primitives.ids import ModelId
from esper.primitives.params import PuzzleParameters
from esper.primitives.work_outputs import Candidate, ProvenAnswer

if TYPE_CHECKING:
    from esper.model.torch_engine.schedule import Finished
    from esper.model.torch_engine.stream import AnswerStream


class TorchFeed:
    """An ``AnswerFeed`` over a stream of the torch engine."""

    def __init__(self, stream: AnswerStream) -> None:
        self._stream = stream

    @property
    def ahead(self) -> int:
        """Sequences that keep it full: one for each slot."""
        return self._stream.slots

    def __len__(self) -> int:
        """Sequences that have no answer yet."""
        return len(self._stream)

    def add(self, number: int, tokens: Sequence[int], max_answer: int) -> None:
        """Put a sequence in line. Raises InvalidFieldError if it does not fit."""
        self._stream.add(number, tokens, max_answer)

    def clear(self) -> None:
        """Forget all sequences."""
        self._stream.clear()

    def step(self) -> list[tuple[int, ProvenAnswer]]:
        """Run one step; the answers that ended, with their numbers."""
        return [(one.number, _proven(one)) for one in self._stream.step()]


class TorchInference:
    """Answers by the torch engine; the model's name is the native engine's."""

    def __init__(self, model_id: ModelId, stream: AnswerStream, top_k: int, device: str) -> None:
        """``stream`` gives ``top_k`` candidates of each token, and runs on ``device``."""
        self._model_id = model_id
        self._device = device
        self._stream = stream
        self._top_k = top_k
        self.feed = TorchFeed(stream)
        """The stream as a search feeds it."""

    @classmethod
    def open(
        cls,
        folder: Path,
        model: MiningModel,
        device: str,
        puzzle: PuzzleParameters,
        threads: int,
    ) -> TorchInference:
        """An engine for tickets of this shape that has given all known answers.

        Raises what ``open_stream`` does, each a ModelError.
        """
        wanted = Wanted(device, puzzle.input_tokens, puzzle.max_answer, puzzle.top_k, threads)
        # The engine first: it is refused sooner than the weights are committed to for a name.
        stream = open_stream(folder, model.native, wanted)
        return cls(model.model_id, stream, puzzle.top_k, device)

    @property
    def model_id(self) -> ModelId:
        """64 bytes: the loaded model."""
        return self._model_id

    def use_threads(self, threads: int) -> None:
        """Answer with so many threads, at least 1, from now on; a graphics card has its own."""
        use_threads(self._device, threads)

    def answer(
        self, inputs: Sequence[tuple[int, ...]], max_answer: int, top_k: int
    ) -> tuple[ProvenAnswer, ...]:
        """All inputs, in their order. Raises ValueError for another ``top_k`` than the stream's."""
        if top_k != self._top_k:
            raise ValueError(f"top_k: this engine was opened for {self._top_k}, not {top_k}")
        return tuple(_proven(one) for one in self._stream.answers(inputs, max_answer))


def _proven(one: Finished) -> ProvenAnswer:
    top = tuple(tuple(Candidate(*pair) for pair in candidates) for candidates in one.top)
    return ProvenAnswer(one.tokens, top)
