"""Steps of one fixed shape, on CUDA replayed from a graph: a step is a thousand small kernels."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from esper.model.torch_engine.forward import Forward
from esper.model.torch_engine.halves import LEAST_ROWS
from esper.model.torch_engine.schedule import Candidates, Step

WARM_UP: Final = 2
"""Runs before a recording, in which libraries choose their kernels."""


def whole(rows: int) -> int:
    """A number of rows as products want it."""
    return -(-rows // LEAST_ROWS) * LEAST_ROWS


class Steps:
    """Runs steps of up to ``rows`` rows, up to ``asked`` of which are asked for."""

    def __init__(
        self,
        forward: Forward,
        *,
        rows: int,
        asked: int,
        nobody: int,
        top_k: int,
        device: str,
        graphs: bool,
    ) -> None:
        """``nobody`` is the slot of rows that fill a step up."""
        self.rows: Final = whole(rows)
        """Of every step."""
        self.graphs = graphs
        """Whether steps are replayed; False once the recording has failed."""
        self._forward = forward
        self._filler = (0, nobody, 0)
        self._top_k = top_k
        self._inputs = torch.zeros((3, self.rows), dtype=torch.int64, device=device)
        self._asked = torch.zeros(whole(asked), dtype=torch.int64, device=device)
        self._recorded: tuple[Any, tuple[Tensor, Tensor]] | None = None

    def run(self, step: Step) -> list[Candidates]:
        """The candidates of the rows that are asked for, in their order."""
        given = [(row.token, row.slot, row.position) for row in step.rows]
        given += [self._filler] * (self.rows - len(given))
        self._inputs.copy_(torch.tensor(given, dtype=torch.int64).T)
        places = [*step.asked, *([0] * (len(self._asked) - len(step.asked)))]
        self._asked.copy_(torch.tensor(places, dtype=torch.int64))
        ids, logits = self._replayed() if self.graphs else self._computed()
        return _pairs(ids.tolist(), logits.tolist(), len(step.asked))

    def _computed(self) -> tuple[Tensor, Tensor]:
        tokens, slots, positions = self._inputs
        stream = self._forward.run(tokens, slots, positions)
        return self._forward.candidates(stream, self._asked, self._top_k)

    def _replayed(self) -> tuple[Tensor, Tensor]:
        if self._recorded is None:
            try:
                self._recorded = _record(self._computed)
            except RuntimeError:
                # Slower, and as right: every operation is one that runs by itself as well.
                self.graphs = False
                torch.cuda.synchronize()
                return self._computed()
        graph, found = self._recorded
        graph.replay()
        return found


def _record(work: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Any, tuple[Tensor, Tensor]]:
    # Unmeasured: no graphics card was at hand. The known answers go through what was recorded.
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = work()
    return graph, found


def _pairs(ids: Sequence[Sequence[int]], logits: Sequence[Sequence[int]], count: int) -> list[Any]:
    return [
        tuple(zip(row, values, strict=True))
        for row, values in zip(ids[:count], logits[:count], strict=True)
    ]
