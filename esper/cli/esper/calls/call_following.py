"""Waiting for a call's answer: where it stands, on a terminal or line by line."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Final

from rich.console import Console
from rich.text import Text

from esper.cli.esper import environment
from esper.cli.esper.session import Session, printable
from esper.rpc.schema import CallReply
from esper.wallet.call_progress import STILL_LIMIT_S, call_progress, phrase

STILL_SPACINGS: Final = 20
"""Mean spacings without a block: that long a gap comes about once in 10^8 blocks."""


def follow(s: Session, txid: str, timeout_s: float | None) -> CallReply:
    """Show where the call stands, and the answer as soon as it is known; the last news.

    Raises CallOverdueError, NodeLostError, and the node's errors.
    """
    console = Console(stderr=True)
    live = not s.as_json and environment.is_terminal()
    spacing_s = s.params.difficulty.spacing_ms / 1000
    shown: str | None = None
    last: CallReply | None = None
    with console.status("submitted") if live else nullcontext() as line:
        for news in call_progress(
            s.node,
            txid,
            environment.sleep,
            now=environment.now,
            reconnect=s.reconnected,
            timeout_s=timeout_s,
            still_limit_s=max(STILL_LIMIT_S, STILL_SPACINGS * spacing_s),
        ):
            if line is not None:
                line.update(Text(printable(phrase(news))))
            if line is None or not isinstance(news, CallReply):
                s.note(phrase(news))
            if not isinstance(news, CallReply):
                continue
            last = news
            if last.answer is not None and last.answer != shown and last.status != "answered":
                shown = last.answer
                s.note(f"{shown}\n(not final yet)")
    assert last is not None, "progress ends with news"
    return last
