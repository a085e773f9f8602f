"""Whether a worker of another machine found what it says: all but the model's run is done again.

What is left to believe are the answers. They are proven before a block holds them, by a prover that
runs the model itself; a worker that makes answers up costs that run, and no wrong block.
"""

from collections.abc import Sequence
from typing import Final

from esper.node.workers.farm.found_record import FoundRecord, decode_found
from esper.node.workers.search import PromptSource, SearchJob, Ticket, TicketSearch
from esper.primitives.codec import CodecError
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import PuzzleParameters
from esper.primitives.work_outputs import ProvenAnswer

MOST_AHEAD_MS: Final = 5_000
"""By which a worker's clock may be ahead of this machine's: clocks that are set by the network
differ by less, and a header from the future is held back by every node."""


class StrangeResultError(Exception):
    """A result that no worker of this program gives; the message says what is wrong with it."""


class TicketCheck:
    """Checks tickets of one model."""

    def __init__(self, puzzle: PuzzleParameters, model: ModelEntry, bank: PromptSource) -> None:
        """``bank`` is the model's, as ``PromptSource.of`` checked it."""
        self._puzzle = puzzle
        self._search = TicketSearch(puzzle, model, _NoInference(model.model_id), bank)

    def checked(self, job: SearchJob, nonces: range, data: bytes, now_ms: int) -> Ticket:
        """The ticket that a worker found for a job among its nonces. Raises StrangeResultError.

        ``now_ms`` is this machine's clock.
        """
        try:
            found = decode_found(data)
        except CodecError as error:
            raise StrangeResultError(str(error)) from error
        self._check_header(job, nonces, found, now_ms)
        self._check_shape(found.answers)
        attempt = self._search.attempt(job, found.time_ms, found.nonce)
        ticket = self._search.judged(attempt, found.answers).ticket
        if ticket is None:
            raise StrangeResultError(f"nonce {found.nonce} does not win with these answers")
        return ticket

    def _check_header(self, job: SearchJob, nonces: range, found: FoundRecord, now_ms: int) -> None:
        if found.number != job.number:
            raise StrangeResultError(f"job {found.number} was not asked for, {job.number} was")
        if found.nonce not in nonces:
            raise StrangeResultError(
                f"nonce {found.nonce} is not the worker's: it has {nonces.start} to "
                f"{nonces.stop - 1}"
            )
        if found.time_ms < job.earliest_ms:
            raise StrangeResultError(
                f"time {found.time_ms} lies before the job's earliest, {job.earliest_ms}"
            )
        if found.time_ms > now_ms + MOST_AHEAD_MS:
            raise StrangeResultError(
                f"time {found.time_ms} lies {found.time_ms - now_ms} ms ahead of this machine's: "
                "set the clock of the worker's machine"
            )

    def _check_shape(self, answers: Sequence[ProvenAnswer]) -> None:
        puzzle = self._puzzle
        if len(answers) != puzzle.sequences:
            raise StrangeResultError(f"{len(answers)} answers to {puzzle.sequences} sequences")
        for place, answer in enumerate(answers):
            if not 1 <= len(answer.tokens) <= puzzle.max_answer:
                raise StrangeResultError(
                    f"answer {place} has {len(answer.tokens)} tokens, not 1 to {puzzle.max_answer}"
                )
            if len(answer.top) != len(answer.tokens):
                raise StrangeResultError(
                    f"answer {place} has candidates for {len(answer.top)} of its "
                    f"{len(answer.tokens)} tokens"
                )
            for token, top in zip(answer.tokens, answer.top, strict=True):
                if len(top) != puzzle.top_k:
                    raise StrangeResultError(
                        f"answer {place} has {len(top)} candidates of a token, not {puzzle.top_k}"
                    )
                if top[0].token != token:
                    raise StrangeResultError(f"answer {place} is not its own best candidates")


class _NoInference:
    """The name of a model that is not run here."""

    def __init__(self, model_id: ModelId) -> None:
        self.model_id = model_id

    def answer(
        self, inputs: Sequence[tuple[int, ...]], max_answer: int, top_k: int
    ) -> tuple[ProvenAnswer, ...]:
        """Nobody asks: attempts are made and judged, and answered elsewhere."""
        raise NotImplementedError
