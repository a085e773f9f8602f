"""The suite and the models of a report, loaded and held against what the chain says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esper.cli.esper.benchmarks.examining import (
    MOST_BATCH,
    MOST_THREADS,
    examinee,
    progress_shown,
    suite_named,
)
from esper.cli.esper.models.model_argument import model_folder
from esper.cli.esper.models.proving_progress import Progress, check_memory, shown
from esper.cli.esper.reports.item_proving import Asking
from esper.cli.esper.session import Session
from esper.model.benchmarks.measuring import Means
from esper.prover.free_memory import free_memory
from esper.wallet.errors import WalletError

if TYPE_CHECKING:
    from esper.prover import ProofPlan
    from esper.rpc.schema import SuiteReply

Suite = Annotated[
    str | None,
    typer.Option(
        "--suite",
        metavar="FILE",
        help="Text of a benchmark, a suite that `esper bench-model --write-suite` wrote, or one of "
        "ours: own-choice, own-exact, own-judged.",
    ),
]
Judge = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="DIR",
        help="For judged pairs: folder of the model that compares, or `genesis`.",
    ),
]
Batch = Annotated[
    int, typer.Option(min=1, max=MOST_BATCH, help="Items that are answered together.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, max=MOST_THREADS, help="Without it one a processor.")
]


class OtherModelError(WalletError):
    """A model that is not the one that a proposal is about."""


class OtherSuiteError(WalletError):
    """A suite that a proposal does not name, or not at that place."""


@dataclass(frozen=True, slots=True)
class Named:
    """What was typed about what is asked."""

    model: Path
    suite: str
    judge: str | None
    batch: int
    threads: int | None


def load(s: Session, named: Named, model_id: str) -> Asking:
    """Load what was named; the model must be ``model_id``, in hexadecimal.

    Raises OtherModelError and ModelError.
    """
    means = Means(s.params.governance.audit_rows, named.batch, named.threads)
    with progress_shown() as tell:
        model = examinee(named.model, tell)
        found = model.entry.model_id.hex()
        if found != model_id:
            raise OtherModelError(
                f"{named.model} is model {found[:16]}…, the proposal is about {model_id[:16]}…: "
                "name the folder of that model; `esper model fetch` gets its package"
            )
        judge = None if named.judge is None else examinee(model_folder(named.judge), tell)
        suite = suite_named(named.suite, model, judge, tell)
    return Asking(suite, model, judge, means)


def place_of(asking: Asking, suites: list[SuiteReply]) -> int:
    """The place of a suite among those that a proposal names. Raises OtherSuiteError."""
    own = asking.suite.suite.id.hex()
    for one in suites:
        if one.suite == own:
            return one.place
    there = ", ".join(f"{one.suite[:16]}… of {one.items} items" for one in suites) or "none"
    raise OtherSuiteError(
        f"the proposal does not name suite {own[:16]}…; it names: {there}. Make the suite from the "
        "same text with this model's tokenizer"
    )


def check_same_suite(asking: Asking, suite: SuiteReply) -> None:
    """Raises OtherSuiteError unless a report is about this suite."""
    own = asking.suite.suite.id.hex()
    if own != suite.suite:
        raise OtherSuiteError(
            f"the report is about suite {suite.suite[:16]}…, this is {own[:16]}…: name the file or "
            "the text that it was made from"
        )


@contextmanager
def proof_shown(plan: ProofPlan) -> Iterator[Callable[[str], None]]:
    """A bar on standard error while an item is proven. Raises TooLittleMemoryError."""
    check_memory(plan, free_memory())
    progress = Progress(plan)
    with shown(progress):
        yield progress.done
