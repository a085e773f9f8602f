"""The thread of the gateway's database: questions go in, one after the other, and answers out."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import trio

from esper.gateway.store.gateway_store import GatewayStore

MOST_TOGETHER: Final = 64
"""Questions of one commit."""

T = TypeVar("T")


class StoreClosedError(Exception):
    """The database was closed already."""


@dataclass(slots=True)
class _Question:
    ask: Callable[[GatewayStore], Any]
    token: trio.lowlevel.TrioToken
    done: trio.Event
    answer: Any = None
    error: BaseException | None = None

    def carry_out(self, store: GatewayStore) -> None:
        """In the database's thread."""
        try:
            self.answer = self.ask(store)
        except BaseException as error:  # told to whoever asked
            self.error = error

    def tell(self) -> None:
        """Whoever asked goes on."""
        try:
            self.token.run_sync_soon(self.done.set)
        except trio.RunFinishedError:
            return


class StoreThread:
    """Opened by ``open``; every question is asked in its one thread, in the order of asking."""

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> "StoreThread":
        """Open or make the database, and let go what a crash left at work. Raises StoreError."""
        found = cls()
        opened = _Question(lambda store: None, trio.lowlevel.current_trio_token(), trio.Event())
        found._thread = threading.Thread(
            target=found._run, args=(path, opened), name="gateway-store", daemon=True
        )
        found._thread.start()
        await _answer(opened)
        return found

    async def ask(self, question: Callable[[GatewayStore], T]) -> T:
        """What ``question`` returns; see ``StorePort``. Raises StoreClosedError after the end."""
        if self._closed:
            raise StoreClosedError
        asked = _Question(question, trio.lowlevel.current_trio_token(), trio.Event())
        self._questions.put(asked)
        answer: T = await _answer(asked)
        return answer

    async def close(self) -> None:
        """Carry out what was asked, then close. Waits for it, even where it is cancelled."""
        self._closed = True
        self._questions.put(None)
        if self._thread is not None:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._thread.join)

    def _run(self, path: Path, opened: _Question) -> None:
        try:
            store = GatewayStore(path)
            store.recover()
        except BaseException as error:
            opened.error = error
            opened.token.run_sync_soon(opened.done.set)
            return
        opened.tell()
        while (asked := self._asked()) is not None:
            _carry_out(store, asked)
        store.close()

    def _asked(self) -> list[_Question] | None:
        """All that wait, at least one; None at the end."""
        first = self._questions.get()
        if first is None:
            return None
        found = [first]
        while len(found) < MOST_TOGETHER and not self._questions.empty():
            question = self._questions.get()
            if question is None:
                # For the next turn.
                self._questions.put(None)
                break
            found.append(question)
        return found


def _carry_out(store: GatewayStore, asked: list[_Question]) -> None:
    """Those that were asked at the same time share the disk's wait; none is told before its end."""
    try:
        with store.group():
            for question in asked:
                question.carry_out(store)
    except BaseException as error:  # nothing of it happened, and everybody is told
        for question in asked:
            question.error = question.error or error
    for question in asked:
        question.tell()


async def _answer(question: _Question) -> Any:
    await question.done.wait()
    if question.error is not None:
        raise question.error
    return question.answer
