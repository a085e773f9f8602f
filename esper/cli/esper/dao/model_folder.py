"""From a folder with a model's package to what a proposal says of it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from esper.dao.bodies import MAX_SUITES, ModelBody, NamedSuite
from esper.dao.registry import Puzzle, TierRegistry
from esper.primitives.params import NetworkParameters
from esper.wallet.errors import MisuseError


def model_body_of(
    folder: Path,
    tier: int,
    share: int | None,
    params: NetworkParameters,
    tiers: TierRegistry,
    *,
    puzzle: Puzzle | None = None,
    more: Sequence[str] = (),
    suites: Sequence[Path] = (),
    name: str = "",
    licence: str = "",
    link: str = "",
) -> ModelBody:
    """The body for a model in ``folder``, by the same checks as `esper model check`.

    ``params`` and ``tiers`` are those in force: votes move both. ``share`` is a new tier's, of
    65536, ``puzzle`` its ticket where the network's will not do, ``more`` names of further files of
    the package, ``suites`` files of suites in token ids. Raises MisuseError for a folder that is no
    package, or one that nodes would refuse, with all that they would refuse it for.
    """
    from esper.model.errors import ModelError
    from esper.model.package.findings import Weight

    try:
        candidates = import_module("esper.cli.esper.models.candidate")
        bodies = import_module("esper.model.package.body")
    except ModuleNotFoundError as error:
        raise MisuseError(
            "--model: this program cannot read packages of models; take a release that has "
            "`esper model check`"
        ) from error
    options = bodies.BodyOptions(
        tier=tier,
        share=share,
        puzzle=puzzle,
        name=name,
        licence=licence,
        link=link,
        suites=_named(suites),
    )
    try:
        found = candidates.candidate_of(folder, params, tiers, options, tuple(more))
    except (ModelError, OSError, ValueError) as error:
        raise MisuseError(f"--model {folder}: {error}") from error
    body: ModelBody | None = found.body
    if body is None or found.report.refused:
        refused = [
            f"{one.subject}: {one.words}"
            for one in found.report.findings
            if one.weight is Weight.REFUSED
        ]
        raise MisuseError(f"--model {folder}: nodes would refuse it; {'; '.join(refused)}")
    return body


def _named(suites: Sequence[Path]) -> tuple[NamedSuite, ...]:
    """Suites as a proposal names them. Raises MisuseError."""
    from esper.model.benchmarks.suite_file import read_suite
    from esper.model.errors import ModelError

    if len(suites) > MAX_SUITES:
        raise MisuseError(f"--suite: {len(suites)} are named, a proposal has room for {MAX_SUITES}")
    found = []
    for path in suites:
        try:
            suite = read_suite(path)
        except (ModelError, OSError) as error:
            raise MisuseError(f"--suite: {error}") from error
        found.append(NamedSuite(suite.text, suite.suite.id, suite.suite.count))
    return tuple(found)
