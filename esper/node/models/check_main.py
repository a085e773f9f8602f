"""The program of a check: ``python -m esper.node.models.check_main``, one job, one answer.

A process of its own, for everything in the package is a stranger's: a pattern of its tokenizer may
run for ever, and a library may end with it. It ends at once when its input does.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from esper.consensus.batch import input_tokens
from esper.dao.bodies import ModelBody
from esper.model.errors import MachineError, ModelError
from esper.model.loaded import LoadedModel, load_model
from esper.model.package.check import CheckInputs, check_package
from esper.model.package.errors import FileChangedError
from esper.model.package.findings import Report, Weight, shown
from esper.model.package.package import pack
from esper.node.models.check_job import (
    CheckFailedError,
    CheckJob,
    CheckResult,
    FilesChangedError,
)
from esper.node.models.check_limits import set_limits
from esper.node.workers.worker_messages import frame, read_message

NICENESS: Final = 12
"""Whoever mines or waits for the node goes first."""
SEED_BYTES: Final = 64
TOLD: Final = (Weight.REFUSED, Weight.NOTICE)


def main() -> None:
    """Answer one job with a CheckResult or a CheckFailedError."""
    answers = os.fdopen(os.dup(1), "wb")
    # Nothing that a library prints may get between the frames.
    os.dup2(2, 1)
    os.nice(NICENESS)
    job = read_message(sys.stdin.buffer)
    threading.Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start()
    answer: CheckResult | CheckFailedError
    set_limits(job.folder, job.names, len(os.sched_getaffinity(0)))
    try:
        answer = checked(job)
    except CheckFailedError as error:
        answer = error
    except (MemoryError, OSError) as error:
        answer = CheckFailedError(shown(f"{type(error).__name__}: {error}"))
    answers.write(frame(answer))
    answers.flush()


def checked(job: CheckJob) -> CheckResult:
    """What ``check_package`` finds.

    Raises CheckFailedError, OSError and MemoryError for what is no fault of the package.
    """
    report = Report()
    threads = len(os.sched_getaffinity(0))
    inputs = CheckInputs(
        job.params, input_tokens, secrets.token_bytes(SEED_BYTES), threads, job.extends
    )
    try:
        package = pack(job.folder, job.names)
        if package.root != job.body.package:
            # The folder is that of this very package, and every chunk of it was right as it came.
            raise FilesChangedError("its files on this disk are not what came; they come again")
        model = _loaded(job.folder)
        report = check_package(job.folder, package, described(job, model), inputs, model=model)
    except FileChangedError as error:
        raise FilesChangedError(shown(str(error))) from error
    except MachineError as error:
        raise CheckFailedError(shown(str(error))) from error
    except ModelError as error:
        report.refuse("files", str(error))
    found = [one for weight in TOLD for one in report.findings if one.weight is weight]
    return CheckResult(report.refused, tuple(f"{one.subject}: {one.words}" for one in found))


def _loaded(folder: Path) -> LoadedModel | None:
    """None for what the checks will refuse, with the reason. Raises MachineError."""
    try:
        return load_model(folder)
    except MachineError:
        raise
    except ModelError:
        return None


def described(job: CheckJob, model: LoadedModel | None) -> ModelBody:
    """The body with its descriptor: no state keeps it, and the model's id is its hash."""
    if model is None:
        return job.body
    try:
        return replace(job.body, descriptor=model.proving_key.descriptor)
    except ModelError:
        # The checks meet the same, and say it.
        return job.body


def _end_with(stream: BinaryIO) -> None:
    stream.read()
    os._exit(0)


if __name__ == "__main__":
    main()
