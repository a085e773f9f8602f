"""Following a call until it is answered, through a node that may stand still or go away.

    answered, lapsed, dropped ──▶ the last news
    no block for long         ──▶ StillTip, and in the end CallOverdueError
    the node does not answer  ──▶ NodeAway, NodeBack, and in the end NodeLostError

The call itself goes on without whoever follows it: it waits in the node's journal, or is in the
chain already.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from esper.rpc.client import NodeAnswerError, NodeUnreachableError
from esper.rpc.methods import GET_CALL
from esper.rpc.schema import AsOf, CallReply, TransactionParams
from esper.wallet.errors import CallOverdueError, NodeLostError
from esper.wallet.node_port import Node

FINAL: Final = frozenset({"answered", "lapsed", "dropped"})
"""After these nothing more happens, but for a reorganisation."""

INTERVAL_S: Final = 0.5
"""Between two questions: well below a block's time, and nothing to a node."""

STILL_TOLD_S: Final = 60.0
"""After so long without a block, and whenever it has become twice as long, that is told."""

STILL_LIMIT_S: Final = 600.0
"""Nobody is made to wait longer for a block without having asked for it."""

AWAY_LIMIT_S: Final = 120.0
"""A node that is started anew is back by then."""


@dataclass(frozen=True, slots=True)
class StillTip:
    """No block came for a while."""

    height: int
    """Where the chain stands."""
    seconds: int
    """For how long."""


@dataclass(frozen=True, slots=True)
class NodeAway:
    """The node does not answer; it is asked again."""

    reason: str
    """What the client says of it."""


@dataclass(frozen=True, slots=True)
class NodeBack:
    """It answers again."""


News = CallReply | StillTip | NodeAway | NodeBack
"""What happens while a call is followed."""


class _Patience:
    """How long it has been, and when to give up."""

    def __init__(
        self, now: Callable[[], float], timeout_s: float | None, still_limit_s: float
    ) -> None:
        self._now = now
        self._began = self._moved = now()
        self._timeout_s = timeout_s
        self._still_limit_s = still_limit_s
        self._tell_at = STILL_TOLD_S
        self._height = -1

    def saw(self, reply: CallReply) -> StillTip | None:
        """The tip of an answer; what to tell of it, if anything. Raises CallOverdueError."""
        if reply.as_of.height != self._height:
            self._height, self._moved, self._tell_at = reply.as_of.height, self._now(), STILL_TOLD_S
        self.check(reply.status)
        still = self._now() - self._moved
        # Whoever names a time of their own waits that long.
        if self._timeout_s is None and still >= self._still_limit_s:
            raise CallOverdueError(
                f"no block came for {int(still)} seconds (the chain stands at {self._height}), and "
                f"the call is {reply.status}"
            )
        if still < self._tell_at:
            return None
        self._tell_at *= 2
        return StillTip(self._height, int(still))

    def check(self, where: str) -> None:
        """Raises CallOverdueError once the time that was named is over."""
        if self._timeout_s is not None and self._now() - self._began >= self._timeout_s:
            raise CallOverdueError(f"after {self._timeout_s:g} seconds the call is {where}")


def call_progress(
    node: Node,
    txid: str,
    sleep: Callable[[float], None],
    *,
    now: Callable[[], float] = time.monotonic,
    reconnect: Callable[[], Node] | None = None,
    timeout_s: float | None = None,
    still_limit_s: float = STILL_LIMIT_S,
    interval_s: float = INTERVAL_S,
) -> Iterator[News]:
    """What the node says of a call, whenever it says something else, up to the last.

    ``reconnect`` makes a client for a node that went away, which may be at another address now.
    Raises CallOverdueError after ``timeout_s``, or after ``still_limit_s`` without a block if no
    time is named; NodeLostError, and the node's errors. The call goes on without whoever asks.
    """
    patience = _Patience(now, timeout_s, still_limit_s)
    last: CallReply | None = None
    away_since: float | None = None
    while True:
        try:
            if away_since is not None and reconnect is not None:
                node = reconnect()
            reply = node.call(GET_CALL, TransactionParams(txid))
        except (NodeUnreachableError, NodeAnswerError) as error:
            if away_since is None:
                away_since = now()
                yield NodeAway(str(error))
            if now() - away_since >= AWAY_LIMIT_S:
                raise NodeLostError(f"the node is away for {AWAY_LIMIT_S:g} seconds") from error
            patience.check("unknown, for its node is away")
            sleep(interval_s)
            continue
        if away_since is not None:
            away_since = None
            yield NodeBack()
        # A new block alone is no news.
        news = replace(reply, as_of=AsOf(0, True))
        if news != last:
            yield reply
        last = news
        if reply.status in FINAL:
            return
        still = patience.saw(reply)
        if still is not None:
            yield still
        sleep(interval_s)


def phrase(news: News) -> str:
    """Where a call stands, in a few words on one line, whatever the node says."""
    return " ".join(_phrase(news).split())


def _phrase(news: News) -> str:
    match news:
        case StillTip(height, seconds):
            return f"no block for {seconds} seconds: the chain stands at {height}"
        case NodeAway(reason):
            return f"the node is away, asking again: {reason}"
        case NodeBack():
            return "the node is back"
        case CallReply() as reply:
            return _reply_phrase(reply)


def _reply_phrase(reply: CallReply) -> str:
    match reply.status:
        case "queued":
            return f"queued, {reply.position} before it" if reply.position else "queued, it is next"
        case "proven":
            return "proven by the node's word, waits for its block"
        case "answered":
            return f"in block {reply.height}"
        case "open":
            return "its answer comes in a later block"
        case "lapsed":
            return "lapsed unanswered, its credits are back"
        case "dropped":
            return f"dropped: {reply.reason}"
        case _:
            return reply.status
