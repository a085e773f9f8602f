"""Answers of the chain made again by this machine, bit for bit, and where it parts from another.

A chain holds tokens and logits: they tell at which token two machines differ. What the layers made
on the way there is in no block, so a trace of it is written on one machine and compared on another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from esper.node.offline.recorded import Recorded, RecordedAnswer
from esper.node.offline.traces import SequenceTrace, Trace

DIGEST_BYTES: Final = 32


class ReplayEngine(Protocol):
    """The part of ``esper._native.NativeModel`` that runs again."""

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new: int, top_k: int, threads: int
    ) -> list[tuple[list[int], list[list[tuple[int, int]]]]]:
        """Greedy answers with their best pairs."""

    def trace(self, tokens: Sequence[int], threads: int, /) -> list[list[bytes]]:
        """Digests of the layers, by position."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where this machine says something else than the chain."""

    sequence: int
    """Which answer, from 0."""
    token: int
    """Which token of the answer, from 0."""
    position: int
    """Position of the model behind which it comes, from 0."""
    recorded: tuple[tuple[int, int], ...]
    """The best (id, logit) of the chain; empty where its answer has ended."""
    computed: tuple[tuple[int, int], ...]
    """Those of this machine, as many."""


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """The first place where the layers of two machines made something else."""

    sequence: int
    """Which answer, from 0."""
    position: int
    """Position of the model, from 0."""
    layer: int | None
    """Which layer, from 0; None: the output matrix behind them."""


class TraceMismatchError(Exception):
    """Two traces that are not of the same work."""


def replayed(recorded: Recorded, engine: ReplayEngine, threads: int) -> Difference | None:
    """Make all answers again; where the first that is another parts. None: all are the same."""
    for number, one in enumerate(recorded.answers):
        top_k = max(len(one.top[0]), 1)
        ((_, tops),) = engine.generate([one.prompt], one.max_tokens, top_k, threads)
        found = _difference(number, one, [tuple(top) for top in tops])
        if found is not None:
            return found
    return None


def _difference(
    number: int, one: RecordedAnswer, tops: Sequence[tuple[tuple[int, int], ...]]
) -> Difference | None:
    """Lists are compared: the first of each is the token, so answers agree if they do."""
    for place in range(max(len(one.top), len(tops))):
        recorded = one.top[place] if place < len(one.top) else ()
        computed = tops[place] if place < len(tops) else ()
        if recorded != computed:
            position = len(one.prompt) - 1 + place
            return Difference(number, place, position, recorded, computed)
    return None


def traced(recorded: Recorded, engine: ReplayEngine, threads: int) -> Trace:
    """What the layers of this machine make of all tokens that the model read."""
    sequences = tuple(
        SequenceTrace(
            tokens=one.inputs,
            digests=tuple(b"".join(row) for row in engine.trace(one.inputs, threads)),
        )
        for one in recorded.answers
    )
    return Trace(recorded.model_id, sequences)


def compared(own: Trace, other: Trace) -> LayerDifference | None:
    """Where the first difference is, by sequence, position, layer.

    Raises TraceMismatchError for traces of other models or other tokens.
    """
    if own.model_id != other.model_id:
        raise TraceMismatchError("the trace is of another model")
    if [one.tokens for one in own.sequences] != [one.tokens for one in other.sequences]:
        raise TraceMismatchError("the trace is of other work: its tokens are others")
    for number, (one, two) in enumerate(zip(own.sequences, other.sequences, strict=True)):
        for position, (mine, theirs) in enumerate(zip(one.digests, two.digests, strict=False)):
            if len(mine) != len(theirs):
                raise TraceMismatchError("the trace has another number of layers")
            for start in range(0, len(mine), DIGEST_BYTES):
                if mine[start : start + DIGEST_BYTES] != theirs[start : start + DIGEST_BYTES]:
                    is_output = start + DIGEST_BYTES == len(mine)
                    layer = None if is_output else start // DIGEST_BYTES
                    return LayerDifference(number, position, layer)
    return None
