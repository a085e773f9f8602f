"""Models that are asked, and suites that they are asked, from what was typed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from esper.cli.esper.models.proving_progress import apart

if TYPE_CHECKING:
    from esper.model.benchmarks.measuring import Examinee
    from esper.model.benchmarks.tokenised import Progress as Tell
    from esper.model.benchmarks.tokenised import TokenSuite

MOST_BATCH: Final = 1024
MOST_THREADS: Final = 1024
_errors = Console(stderr=True)


def examinee(folder: Path, tell: Tell) -> Examinee:
    """The model of a folder, committed to. Raises ModelError."""
    from esper.model.benchmarks.measuring import Examinee
    from esper.model.loaded import load_model

    tell("loading the model", 0, 1)
    model = load_model(folder)
    tell("committing to the weights", 0, 1)
    return apart(lambda: Examinee.of(folder, model))


def suite_named(named: str, model: Examinee, judge: Examinee | None, tell: Tell) -> TokenSuite:
    """A suite from its file, or made from a text. Raises ModelError."""
    from esper.model.benchmarks.measuring import check_suite
    from esper.model.benchmarks.own import benchmark_file
    from esper.model.benchmarks.suite_file import is_suite_file, read_suite
    from esper.model.benchmarks.text import read_text
    from esper.model.benchmarks.tokenised import suite_of

    path = benchmark_file(named)
    if is_suite_file(path):
        suite = read_suite(path)
    else:
        judge_id = None if judge is None else judge.entry.model_id
        suite = suite_of(read_text(path), model.vocabulary, judge_id, tell)
    check_suite(suite.suite, model, judge)
    return suite


@contextmanager
def progress_shown() -> Iterator[Tell]:
    """A bar on standard error while the block runs; nothing where that is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=_errors, transient=True, disable=not _errors.is_terminal
    ) as bar:
        task = bar.add_task("starting", total=None)

        def tell(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=total)

        yield tell
