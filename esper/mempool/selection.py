"""The order in which a block takes what waits: every prefix of it is valid.

Of each sender only the first transaction that was not taken yet competes. Calls that fit the budget
go first, because the budget bounds them; what pays a fee follows by its rate, and may let another
call of its sender come forward.
"""

import heapq
from collections.abc import Iterable, Iterator

from esper.mempool.call_queue import CallChooser
from esper.mempool.lines.sender_line import SenderLine
from esper.mempool.waiting import Waiting


def selected(lines: Iterable[SenderLine], height: int, calls: CallChooser) -> Iterator[Waiting]:
    """For the block at ``height``. The lines are taken as they are when it begins."""
    rest: dict[bytes, Iterator[Waiting]] = {}
    heads: list[tuple[int, int, Waiting]] = []

    def come_forward(sender: bytes) -> None:
        waiting = next(rest[sender], None)
        if waiting is None or waiting.transaction.not_before > height:
            return
        if waiting.is_call:
            calls.offer(waiting)
        else:
            heapq.heappush(heads, (-waiting.rate, waiting.order, waiting))

    for line in lines:
        if line.ready:
            sender = line.ready[0].transaction.sender
            rest[sender] = iter(line.ready)
            come_forward(sender)
    while True:
        waiting = calls.choose()
        if waiting is None:
            if not heads:
                return
            waiting = heapq.heappop(heads)[2]
        yield waiting
        come_forward(waiting.transaction.sender)
