"""What mining needs from whoever searches and proves, in processes or in tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from esper.consensus.call_groups import CallGroup
from esper.consensus.ports import WorkClaim
from esper.node.workers.call_answerer import AnsweredCall, OpenCall
from esper.node.workers.rehearsal import Rehearsal, RehearsalJob
from esper.node.workers.search import SearchJob
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_slot import WorkerSlot
from esper.primitives.params import CallParameters

TICKET_PROOF: Final = "proof of a ticket"
LANE_PROOF: Final = "proof of a long answer"
"""What a prover has in hand, in words."""


class SearcherPort(Protocol):
    """Searches for tickets beside the event loop."""

    slot: WorkerSlot
    """What is told of the process of this machine."""

    async def run(
        self,
        events: "trio.MemorySendChannel[Found | Progress]",
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Work until cancelled; started once it can search. Raises WorkerError."""

    def search(self, job: SearchJob | None) -> None:
        """Search for this from now on; None: stop."""

    def use_threads(self, threads: int) -> None:
        """Search with so many threads from now on."""


class ProverPort(Protocol):
    """Proves beside the event loop, one thing at a time. Cancelling a call abandons its proof."""

    slot: WorkerSlot
    """What is told of the process of this machine."""

    async def start(self) -> None:
        """Be ready before the first request, which begins it otherwise. Raises WorkerError."""

    async def prove_work(self, claim: WorkClaim) -> bytes:
        """The proof of a ticket. Raises WorkerError."""

    async def answer(self, calls: Sequence[OpenCall]) -> list[AnsweredCall]:
        """Answers, in the order of the calls. Raises WorkerError."""

    async def prove_calls(
        self, calls: Sequence[AnsweredCall], payee: bytes, rules: CallParameters
    ) -> CallGroup:
        """The group of a payee's own calls, by the rules in force. Raises WorkerError."""

    async def prove_lane(
        self, call: AnsweredCall, sender: bytes, rules: CallParameters
    ) -> CallGroup:
        """The group of an answer to a lane, by the rules in force. Raises WorkerError."""

    async def rehearse(self, job: RehearsalJob) -> Rehearsal:
        """A ticket of a model that is about to be activated. Raises WorkerError."""

    async def use_threads(self, threads: int) -> None:
        """Prove with so many threads from the next proof on."""

    async def close(self) -> None:
        """End what runs."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Who searches and proves with one model: processes, or stand-ins in tests."""

    searcher: SearcherPort
    """Searches for tickets."""
    work_prover: ProverPort
    """Proves tickets."""
    call_prover: ProverPort
    """Answers and proves calls, beside the other."""


def calls_proof(calls: int) -> str:
    """What a prover of so many calls has in hand, in words."""
    return "proof of a call" if calls == 1 else f"proof of {calls} calls"
