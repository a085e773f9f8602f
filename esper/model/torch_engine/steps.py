"""Steps of fixed shapes, on CUDA replayed from graphs: a step is some thousand small kernels.

Graphs are recorded on first use, one for each number of rows that are asked for, and share their
memory, since they never run at the same time.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from esper.model.torch_engine.forward import Forward
from esper.model.torch_engine.halves import LEAST_ROWS
from esper.model.torch_engine.schedule import Candidates, Step

WARM_UP: Final = 2
"""Runs before a recording, in which libraries choose their kernels."""


def asked_sizes(rows: int) -> tuple[int, ...]:
    """The numbers of asked rows that steps of ``rows`` are padded to: a quarter, half, and all."""
    return tuple(sorted({max(rows // 4, LEAST_ROWS), max(rows // 2, LEAST_ROWS), rows}))


class Steps:
    """Runs steps of up to ``rows`` rows."""

    def __init__(
        self,
        forward: Forward,
        *,
        rows: int,
        nobody: int,
        top_k: int,
        device: str,
        graphs: bool,
    ) -> None:
        """``nobody`` is the slot of rows that fill a step up; ``rows`` a multiple of 32."""
        if rows % LEAST_ROWS or rows < LEAST_ROWS:
            raise ValueError(f"rows: a multiple of {LEAST_ROWS}, not {rows}")
        self.rows: Final = rows
        """Of every step."""
        self.graphs = graphs
        """Whether steps are replayed; False once a recording has failed."""
        self._forward = forward
        self._filler = (0, nobody, 0)
        self._top_k = top_k
        self._device = device
        self._inputs = torch.zeros((3, rows), dtype=torch.int64, device=device)
        self._asked = {
            size: torch.zeros(size, dtype=torch.int64, device=device) for size in asked_sizes(rows)
        }
        self._recorded: dict[int, tuple[Any, tuple[Tensor, Tensor]]] = {}
        self._pool: Any = None

    def run(self, step: Step) -> list[Candidates]:
        """The candidates of the rows that are asked for, in their order."""
        given = [(row.token, row.slot, row.position) for row in step.rows]
        given += [self._filler] * (self.rows - len(given))
        self._inputs.copy_(torch.tensor(given, dtype=torch.int64).T)
        size = next(one for one in self._asked if one >= len(step.asked))
        asked = self._asked[size]
        places = [*step.asked, *([0] * (size - len(step.asked)))]
        asked.copy_(torch.tensor(places, dtype=torch.int64))
        ids, logits = self._replayed(size) if self.graphs else self._computed(asked)
        return _pairs(ids.tolist(), logits.tolist(), len(step.asked))

    def _computed(self, asked: Tensor) -> tuple[Tensor, Tensor]:
        tokens, slots, positions = self._inputs
        stream = self._forward.run(tokens, slots, positions)
        return self._forward.candidates(stream, asked, self._top_k)

    def _replayed(self, size: int) -> tuple[Tensor, Tensor]:
        if size not in self._recorded:
            try:
                self._recorded[size] = self._record(lambda: self._computed(self._asked[size]))
            except RuntimeError:
                # Slower, and as right: every operation is one that runs by itself as well.
                self.graphs = False
                self._recorded.clear()
                torch.cuda.synchronize()
                return self._computed(self._asked[size])
        graph, found = self._recorded[size]
        graph.replay()
        return found

    def _record(self, work: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Any, Any]:
        # Unmeasured: no graphics card was at hand. The known-answer test runs what was recorded.
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                work()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            found = work()
        self._pool = graph.pool()
        return graph, found


def _pairs(ids: Sequence[Sequence[int]], logits: Sequence[Sequence[int]], count: int) -> list[Any]:
    return [
        tuple(zip(row, values, strict=True))
        for row, values in zip(ids[:count], logits[:count], strict=True)
    ]
