"""Runs chat templates in a process of their own, which is ended when one takes too long.

The environment that runs them counts every step already (``environment``). What it may not know of,
a fault of Python, of Jinja or of its own, costs the process and not the node.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import Final, Self

from esper.model.errors import MachineError, TemplateKilledError, TemplateRefusedError
from esper.model.templates.apart.frames import HEAD, READY, encode_request, head_of, text_of
from esper.model.templates.chat_template import TemplateSource

LIMIT_S: Final = 1.0
"""Seconds by the clock for one rendering, compiling included."""
LONGEST_TEMPLATE: Final = 64 << 10
"""Bytes of a template in UTF-8."""
_START_S: Final = 60.0
_CHUNK: Final = 1 << 16
_PROGRAM: Final = ("-P", "-m", "esper.model.templates.apart.template_child")
_ENVIRONMENT: Final = ("PATH", "PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH")
"""What it is to know of the environment: no password or token of anybody."""


class TemplateProcess:
    """Lays out chats elsewhere; one at a time, for any thread. Close it at the end.

    The process starts with the first chat, and again after one that it did not survive.
    """

    def __init__(self, program: Sequence[str] = _PROGRAM, limit_s: float = LIMIT_S) -> None:
        """``program``: arguments of the interpreter."""
        self._program = tuple(program)
        self._limit_s = limit_s
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def render(self, template: TemplateSource, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the laid out messages as ``ChatTemplate.render`` does. Blocks.

        Raises:
            TemplateRefusedError: the template is too long, refuses them, or fails.
            TemplateKilledError: it did not end in time, or its process did not survive it.
            MachineError: the process cannot be started.
        """
        if (reason := too_long(template)) != "":
            raise TemplateRefusedError(f"the model's chat template cannot be used: {reason}")
        request = encode_request(template.source, template.tokens, messages)
        with self._lock:
            link = self._started()
            try:
                return self._asked(link, request)
            except (TemplateKilledError, OSError) as error:
                self._end()
                raise TemplateKilledError(
                    f"the model's chat template was ended: {self._said(error)}"
                ) from error
            except TemplateRefusedError:
                raise
            except BaseException:
                # What is left on the socket belongs to nobody.
                self._end()
                raise

    def close(self) -> None:
        """End the process. A later ``render`` starts another."""
        with self._lock:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _asked(self, link: socket.socket, request: bytes) -> str:
        until = time.monotonic() + self._limit_s
        link.settimeout(self._limit_s)
        # One that ends before it has read all says so on its way out.
        with suppress(BrokenPipeError, ConnectionResetError):
            link.sendall(request)
        head = head_of(_read(link, HEAD.size, until))
        text = _read(link, head.text, until)
        laid_out = text_of(head, text, _read(link, head.mask, until))
        if head.refused:
            raise TemplateRefusedError(laid_out)
        return laid_out

    def _started(self) -> socket.socket:
        if self._socket is not None and self._process is not None:
            if self._process.poll() is None:
                return self._socket
            self._end()
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise _unstarted(str(error.strerror or error)) from error
        self._socket = ours
        try:
            with theirs:
                # A session of its own: ctrl-C is the node's, which ends it itself.
                self._process = subprocess.Popen(
                    [sys.executable, *self._program],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                    start_new_session=True,
                )
            if _read(ours, len(READY), time.monotonic() + _START_S) != READY:
                raise TemplateKilledError("it began with something else than it should")
        except (OSError, TemplateKilledError) as error:
            self._end()
            raise _unstarted(self._said(error)) from error
        except BaseException:
            self._end()
            raise
        return ours

    def _end(self) -> None:
        link, process, self._socket, self._process = self._socket, self._process, None, None
        if link is not None:
            link.close()
        if process is not None:
            process.kill()
            process.wait()

    def _said(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"it did not end within {self._limit_s:g} s"
        if isinstance(error, ConnectionError):
            return "its process ended without an answer"
        if isinstance(error, OSError):
            return f"its process is not reached: {error.strerror or error}"
        return str(error)


def too_long(template: TemplateSource) -> str:
    """Why a template is not run at all; empty if it is."""
    length = len(template.source.encode(errors="surrogatepass"))
    if length > LONGEST_TEMPLATE:
        return f"it has {length:,} bytes, at most {LONGEST_TEMPLATE:,}"
    return ""


def _read(link: socket.socket, length: int, until: float) -> bytes:
    """So many bytes before the monotonic clock says ``until``, taken as they come.

    Raises TimeoutError, other OSErrors, and TemplateKilledError at the end of the other side.
    """
    data = bytearray()
    while len(data) < length:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        link.settimeout(left)
        more = link.recv(min(_CHUNK, length - len(data)))
        if not more:
            raise TemplateKilledError("its process ended without an answer")
        data += more
    return bytes(data)


def _unstarted(reason: str) -> MachineError:
    return MachineError(
        f"the process for chat templates cannot be started: {reason}; see the limits of open "
        "files, processes and memory (ulimit -a)"
    )
