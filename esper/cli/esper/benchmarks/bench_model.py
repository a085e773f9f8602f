"""`esper bench-model`: ask a model every item of a benchmark, and say what it gets right.

Exit status: 0 asked or written, whatever the score, 1 refused with the reason on standard error, 2
misused. What runs models is imported where it is needed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from esper.cli.esper.benchmarks.examining import (
    MOST_BATCH,
    MOST_THREADS,
    examinee,
    progress_shown,
    suite_named,
)
from esper.cli.esper.benchmarks.shown_report import item_lines, report_lines, suite_lines
from esper.cli.esper.models.model_argument import MODEL_ARGUMENT, model_folder
from esper.cli.esper.models.out_file import Force, OutFileError, check_out, write_out
from esper.cli.esper.models.proving_progress import apart
from esper.cli.esper.models.text_arguments import refuse, shown_path
from esper.primitives.networks import NETWORKS

if TYPE_CHECKING:
    from esper.model.benchmarks.measuring import Examinee, Means
    from esper.model.benchmarks.tokenised import Progress as Tell
    from esper.model.benchmarks.tokenised import TokenSuite

DEFAULT_NETWORK: Final = "mainnet"


def bench_command(
    directory: Annotated[Path, MODEL_ARGUMENT],
    suite: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Text of a benchmark (JSON lines), a suite made from one, or one of ours: "
            "own-choice, own-exact, own-judged.",
        ),
    ],
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="For judged pairs: folder of the model that compares, or `genesis`."
        ),
    ] = None,
    item: Annotated[
        int | None,
        typer.Option("--item", metavar="I", min=0, help="Ask this item alone, from 0; show it."),
    ] = None,
    write_suite: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT", help="Write the suite in token ids, print what names it; ask nothing."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report with all items as JSON.")
    ] = None,
    network: Annotated[
        str,
        typer.Option(help=f"Whose proofs the items must fit into: {', '.join(NETWORKS)}."),
    ] = DEFAULT_NETWORK,
    batch: Annotated[
        int, typer.Option(min=1, max=MOST_BATCH, help="Items that are answered together.")
    ] = 32,
    threads: Annotated[
        int | None, typer.Option(min=1, max=MOST_THREADS, help="Without it one a processor.")
    ] = None,
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask a model a benchmark with exact integer inference: the same result on every machine.

    The bits that are printed are what a report of the model says of the suite.
    """
    from esper.model.benchmarks.measuring import Means
    from esper.model.errors import ModelError

    if network not in NETWORKS:
        raise typer.BadParameter(
            f"is {network!r}, must be one of {', '.join(NETWORKS)}", param_hint="--network"
        )
    if write_suite is not None and (item is not None or out is not None):
        raise typer.BadParameter(
            "asks nothing: leave --item and --out out", param_hint="--write-suite"
        )
    if item is not None and out is not None:
        raise typer.BadParameter("is for a whole report: leave --item out", param_hint="--out")
    means = Means(NETWORKS[network].governance.audit_rows, batch, threads)
    try:
        for file in (write_suite, out):
            if file is not None:
                check_out(file, force=force)
        with progress_shown() as tell:
            model = examinee(directory, tell)
            other = None if judge is None else examinee(model_folder(judge), tell)
            asked = suite_named(suite, model, other, tell)
            if write_suite is not None:
                from esper.model.benchmarks.suite_file import suite_bytes

                write_out(write_suite, suite_bytes(asked), force=force)
                _say_suite(asked, write_suite, as_json=as_json)
                return
            if item is not None:
                fields, lines = _one(asked, item, model, other, means)
            else:
                fields, lines = _all(asked, model, other, means, tell)
        if out is not None:
            write_out(out, _line(fields), force=force)
    except (ModelError, OutFileError, OSError) as error:
        refuse(error, as_json=as_json)
    if as_json:
        typer.echo(_line(fields), nl=False)
        return
    for line in lines:
        typer.echo(line)
    if out is not None:
        typer.echo(f"written to {shown_path(out)}")


def _line(fields: dict[str, Any]) -> bytes:
    """The bytes of a report, the same for equal reports."""
    return (json.dumps(fields, separators=(",", ":")) + "\n").encode()


def _all(
    asked: TokenSuite, model: Examinee, judge: Examinee | None, means: Means, tell: Tell
) -> tuple[dict[str, Any], list[str]]:
    from esper.model.benchmarks.measuring import measured
    from esper.model.benchmarks.report import BenchmarkReport

    items = list(enumerate(asked.items))
    outcomes = apart(lambda: measured(asked.suite, items, model, means, judge=judge, progress=tell))
    report = BenchmarkReport(asked, model, means.most_rows, tuple(outcomes))
    return report.fields(), list(report_lines(report))


def _one(
    asked: TokenSuite, index: int, model: Examinee, judge: Examinee | None, means: Means
) -> tuple[dict[str, Any], list[str]]:
    from esper.model.benchmarks.errors import UnfitSuiteError
    from esper.model.benchmarks.measuring import measured
    from esper.model.benchmarks.report import outcome_fields

    if index >= len(asked.items):
        raise UnfitSuiteError(
            f"there is no item {index}: the suite has {len(asked.items)}, counted from 0"
        )
    item = asked.items[index]
    [outcome] = apart(lambda: measured(asked.suite, [(index, item)], model, means, judge=judge))
    [fields] = outcome_fields([outcome])
    fields |= {
        "prompt": list(item.prompt),
        "limit": item.limit,
        "choices": list(item.choices),
        "marker": list(item.marker),
        "expected": [list(one) for one in item.expected],
        "candidates": [
            [[one.token, one.logit] for one in reading.candidates] for reading in outcome.readings
        ],
    }
    return fields, list(item_lines(asked, item, outcome, model))


def _say_suite(asked: TokenSuite, out: Path, *, as_json: bool) -> None:
    from esper.model.benchmarks.report import suite_fields

    if as_json:
        typer.echo(_line(suite_fields(asked) | {"file": shown_path(out)}), nl=False)
        return
    for line in suite_lines(asked):
        typer.echo(line)
    typer.echo(f"written to {shown_path(out)}")
