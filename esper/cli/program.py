"""A program's one handler: whatever a command raises becomes a sentence and an exit status.

Exit status: what the command says; 0 where a reader of the answer closed the pipe, having seen
enough; 1 where the machine refuses; 2 for a command line that means nothing; 130 after ctrl-C; 70
for a defect. That nobody reads standard error changes nothing of what is done, nor the status.
A defect names its place; with ``ESPER_TRACEBACK`` set it comes with its traceback.
"""

from __future__ import annotations

import io
import os
import resource
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

from esper.cli import version

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

INTERRUPTED: Final = 130
"""As shells have it: 128 and the number of the signal."""
STANDARD_OUTPUT: Final = 1
STANDARD_ERROR: Final = 2
AGAIN_S: Final = 0.01
"""Until an interruption that met a place without a caller comes again."""


class _PerhapsUnread(io.FileIO):
    """A stream whose reader may leave: what is written then is lost, and nothing else."""

    def write(self, data: Any, /) -> int:
        """As of ``FileIO``, but for a closed pipe."""
        with suppress(BrokenPipeError):
            return super().write(data)
        return len(data)


def start(program: str) -> NoReturn:
    """Run the command line of this process and leave with its status."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    try:
        status = run(program, sys.argv[1:], interruptible=interruptible)
        # Nothing is left that ctrl-C could interrupt but the interpreter's own end.
        if interruptible:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:
        status = INTERRUPTED
    _let_go_of_what_cannot_be_written()
    sys.exit(status)


def run(program: str, typed: Sequence[str], *, interruptible: bool = False) -> int:
    """The status of a program's command line; what went wrong has been told on standard error.

    ``interruptible``: from here on, ctrl-C is a KeyboardInterrupt.
    """
    as_json = "--json" in typed
    try:
        try:
            _open_standard_streams()
            if interruptible:
                _take_over_ctrl_c()
            status = _invoke(program, typed)
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
        except BaseException as error:
            if _is_interrupt(error):
                return INTERRUPTED
            if isinstance(error, BrokenPipeError) and _reader_left():
                return 0
            from esper.cli.telling import tell

            return tell(program, error, as_json=as_json)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError:
        return 1  # Standard error cannot be written to: there is nobody to tell.


def _invoke(program: str, typed: Sequence[str]) -> int:
    """Load the command and run it. Raises whatever it raises."""
    if version.asked_for(typed):
        version.show(program)
        return 0
    import typer

    # What tells of an error is loaded first: after one there may be no memory left for it.
    import esper.cli.telling  # noqa: F401

    if program == "esper":
        # Keys and passwords are in this process's memory: a crash must not write them to a disk.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    module = import_module(f"esper.cli.{program}.app")
    completing = f"_{program.upper()}_COMPLETE" in os.environ
    command = typer.main.get_command(module.application(None if completing else typed))
    if completing:
        command.main([], prog_name=program)
    try:
        with command.make_context(program, list(typed)) as context:
            command.invoke(context)
    except typer.Exit as left:
        return left.exit_code
    return 0


def _take_over_ctrl_c() -> None:
    """Ctrl-C is a KeyboardInterrupt from here on, wherever it meets the program.

    Python runs some code that nobody called: what follows when an object is freed. An exception
    there has nowhere to go, is told with its traceback and forgotten, and so would ctrl-C be.
    """
    usual = sys.unraisablehook

    def once_more(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    def unraisable(met: UnraisableHookArgs) -> None:
        if issubclass(met.exc_type, KeyboardInterrupt):
            # Not at once: it would meet this very function.
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            usual(met)

    signal.signal(signal.SIGALRM, once_more)
    sys.unraisablehook = unraisable
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_interrupt(error: BaseException) -> bool:
    """Whether ctrl-C is what ended it, within a group of tasks or at a question as well."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_interrupt, error.exceptions))
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)


def _open_standard_streams() -> None:
    """A stream that the caller closed is one to nowhere: a file or socket would get its number.

    What a terminal's encoding does not have is shown escaped, instead of ending the command.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.stderr = _standard_error()


def _standard_error() -> TextIO:
    """A refusal that nobody reads is a refusal, and a hint that nobody reads stops no payment."""
    found = sys.stderr
    try:
        is_the_process_s_own = found.fileno() == STANDARD_ERROR
        found.flush()
    except (OSError, ValueError):
        return found
    if not is_the_process_s_own:
        return found
    return io.TextIOWrapper(
        io.BufferedWriter(_PerhapsUnread(STANDARD_ERROR, "w", closefd=False)),
        encoding=found.encoding,
        errors=found.errors,
        line_buffering=True,
    )


def _reader_left() -> bool:
    """Whether whoever read standard output has gone."""
    poll = select.poll()
    poll.register(STANDARD_OUTPUT, 0)
    return any(what & select.POLLERR for _, what in poll.poll(0))


def _let_go_of_what_cannot_be_written() -> None:
    """The interpreter writes out its streams when it ends, and would show a traceback."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)
