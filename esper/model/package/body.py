"""The proposal of a model from its folder: everything in it but who proposes, and for how much."""

from __future__ import annotations

from dataclasses import dataclass, replace

from esper.dao import bodies
from esper.dao.bodies import ModelBody, NamedSuite
from esper.dao.cost import proving_cost
from esper.dao.descriptor import described
from esper.dao.model_rules import (
    PROOF_OVERHEAD,
    ROWS,
    check_model,
    check_puzzle,
    embedding_bytes,
)
from esper.dao.omega import computed_omega
from esper.dao.registry import LEAST_SHARE, Puzzle, TierRegistry
from esper.model.loaded import LoadedModel
from esper.model.package.bank import bank_text_root
from esper.model.package.findings import Report
from esper.model.package.package import Package
from esper.model.prompts import PromptBank
from esper.model.tokenizer import special_tokens
from esper.primitives.codec import encode
from esper.primitives.errors.dao_errors import ProposalViolation
from esper.primitives.model_entry import ModelEntry, ModelShape
from esper.primitives.params import NetworkParameters


@dataclass(frozen=True, slots=True)
class BodyOptions:
    """What the folder does not say. None: what the network and the rules suggest."""

    tier: int = 0
    """Where the model is to be mined."""
    share: int | None = None
    """Of a new tier, 16.16; the least one where nothing is said."""
    puzzle: Puzzle | None = None
    """Its ticket."""
    omega: int | None = None
    """16.16; what is computed where nothing is said."""
    licence: str = ""
    name: str = ""
    link: str = ""
    suites: tuple[NamedSuite, ...] = ()


def special_ids_of(model: LoadedModel) -> tuple[int, ...]:
    """Ids that salt never uses: what the tokenizer marks as special, BOS and EOS. Ascending."""
    return tuple(sorted({*special_tokens(model.tokenizer), model.bos, model.eos}))


def entry_of(
    model: LoadedModel, tier: int, bank: PromptBank | None, tokenizer_id: bytes = bytes(64)
) -> ModelEntry:
    """The entry of a loaded model, with a bank that is still to be made where there is none yet.

    ``tokenizer_id`` is for a model without a bank: a bank has that of its prompts.

    Raises InvalidFieldError for a model that cannot be proven.
    """
    return ModelEntry(
        model_id=model.model_id,
        tier=tier,
        shape=ModelShape(**{name: getattr(model.shape, name) for name in model.shape.__slots__}),
        bos=model.bos,
        eos=model.eos,
        special_ids=special_ids_of(model),
        tokenizer_id=tokenizer_id if bank is None else bank.tokenizer_id,
        bank_root=bytes(64) if bank is None else bank.root,
        bank_size=0 if bank is None else len(bank.prompts),
    )


def ticket_of(entry: ModelEntry, descriptor: bytes, params: NetworkParameters) -> Puzzle:
    """The network's own ticket, with no more rows and sequences than such a model may have.

    Rows: as many as the model knows positions. Sequences: fewer, down to one, while the proof costs
    too much or does not fit. It may break a rule nevertheless: no ticket suits every model.
    """
    ticket, model = Puzzle.of(params.puzzle), described(descriptor)
    rows = [one for one in ROWS if one <= min(ticket.rows, entry.shape.max_seq)]
    if rows and rows[-1] != ticket.rows:
        ticket = replace(ticket, rows=rows[-1], input_tokens=rows[-1] + 1 - ticket.max_answer)
    room = params.limits.proof_bytes - PROOF_OVERHEAD
    while ticket.sequences > 1 and (
        proving_cost(ticket, entry.shape) > params.governance.proving_cost_limit
        or embedding_bytes(ticket, model) > room
    ):
        ticket = replace(ticket, sequences=ticket.sequences - 1)
    return ticket


def model_body(
    model: LoadedModel,
    bank: PromptBank,
    package: Package,
    params: NetworkParameters,
    tiers: TierRegistry,
    options: BodyOptions,
) -> ModelBody:
    """What a proposal says of this model.

    A longer bank for a tier's own model keeps the tier's omega and ticket.

    Raises InvalidFieldError for a model that cannot be proven, and ValueError for texts that are
    not printable ASCII, or too long.
    """
    entry = entry_of(model, options.tier, bank)
    descriptor = model.proving_key.descriptor
    tier = tiers.find(options.tier)
    extended = tier if tier is not None and tier.model.model_id == entry.model_id else None
    if extended is not None:
        puzzle, omega = options.puzzle or extended.puzzle, options.omega or extended.omega
    else:
        puzzle = options.puzzle or ticket_of(entry, descriptor, params)
        computed = computed_omega(puzzle, entry, Puzzle.of(params.puzzle), params.model)
        omega = options.omega or computed
    least = 0 if tier is not None else LEAST_SHARE
    return ModelBody(
        entry=entry,
        omega=omega,
        share=least if options.share is None else options.share,
        puzzle=puzzle,
        descriptor=descriptor,
        package=package.root,
        bank_text=bank_text_root(bank.texts),
        suites=options.suites,
        licence=options.licence.encode(),
        name=options.name.encode(),
        link=options.link.encode(),
    )


def longest_prompt(puzzle: Puzzle, entry: ModelEntry, params: NetworkParameters) -> int:
    """Most tokens of a prompt of the bank: BOS and enough salt stand before it.

    Raises PuzzleViolation for a ticket or an alphabet that no proposal may have.
    """
    check_puzzle(puzzle, entry, params.puzzle.salt_bits)
    return puzzle.input_tokens - 1 - entry.minimum_salt(params.puzzle.salt_bits)


def judge_by_rules(
    body: ModelBody,
    tiers: TierRegistry,
    params: NetworkParameters,
    texts: tuple[bytes, ...],
    report: Report,
) -> None:
    """Add whether the chain would take the proposal, as far as its body says."""
    try:
        encode(bodies.MODEL_BODY, body)
        check_model(body, tiers, params, texts)
    except ProposalViolation as violation:
        report.refuse("rules", f"{violation.rule.removesuffix('Violation')}: {violation}")
    except ValueError as error:
        report.refuse("rules", f"no proposal can say this: {error}")
    else:
        report.right("rules", "a proposal of it keeps the rules of the chain")
    for one in tiers.tiers:
        if one.id != body.entry.tier and one.model.model_id == body.entry.model_id:
            report.notice("tier", f"tier {one.id} has this model: none may propose it for another")
