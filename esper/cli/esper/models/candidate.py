"""A folder as a proposal would have it: package, body, and what a node would find."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from esper.consensus.batch import input_tokens
from esper.dao.bodies import ModelBody
from esper.dao.registry import TierRegistry
from esper.model.errors import ModelError
from esper.model.loaded import LoadedModel, load_model
from esper.model.package.bank import make_bank
from esper.model.package.body import (
    BodyOptions,
    entry_of,
    judge_by_rules,
    longest_prompt,
    model_body,
    ticket_of,
)
from esper.model.package.check import CheckInputs, check_package
from esper.model.package.findings import Report
from esper.model.package.manifest import BANK_FILE
from esper.model.package.package import Package, Progress, pack
from esper.model.prompts import PromptText, encode_bank, read_bank
from esper.primitives.params import NetworkParameters


@dataclass(frozen=True, slots=True)
class Candidate:
    """What was found of a folder."""

    package: Package
    """Its files."""
    body: ModelBody | None
    """What a proposal would say; None where the files are no model with a bank."""
    report: Report
    """What a node would find."""


def candidate_of(
    folder: Path,
    params: NetworkParameters,
    tiers: TierRegistry,
    options: BodyOptions,
    more: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Candidate:
    """Pack and check a folder.

    Args:
        folder: the files of a package.
        params: the network that it is for.
        tiers: those that the network has.
        options: what the proposal is to say beside.
        more: names of further files of the package.
        progress: hears what is being done.

    Raises ModelError for a folder that is no package, and ValueError for options that no proposal
    may have.
    """
    package = pack(folder, more, progress)
    report = Report()
    try:
        model = load_model(folder)
        bank = read_bank(folder / BANK_FILE)
        body = model_body(model, bank, package, params, tiers, options)
    except ModelError as error:
        report.refuse("model", str(error))
        return Candidate(package, None, report)
    tier = tiers.find(options.tier)
    own = tier.model if tier is not None and tier.model.model_id == body.entry.model_id else None
    inputs = CheckInputs(
        params, input_tokens, secrets.token_bytes(64), len(os.sched_getaffinity(0)), own
    )
    report = check_package(folder, package, body, inputs, progress, model)
    judge_by_rules(body, tiers, params, params.governance.texts, report)
    return Candidate(package, body, report)


def bank_for(
    folder: Path,
    texts: tuple[PromptText, ...],
    params: NetworkParameters,
    options: BodyOptions,
    progress: Progress | None = None,
) -> bytes:
    """The bank file of these texts for the model in ``folder``: those that leave room for salt.

    Raises ModelError, and PuzzleViolation for a ticket that no proposal may have.
    """
    model: LoadedModel = load_model(folder)
    entry = entry_of(model, options.tier, None)
    puzzle = options.puzzle or ticket_of(entry, model.proving_key.descriptor, params)
    longest = longest_prompt(puzzle, entry, params)
    return encode_bank(make_bank(folder, texts, longest, progress))
