"""Proposals, votes, delegations and proofs in words, from their bytes alone."""

from typing import Final

from esper.dao.benchmarks.item_proof import ItemProof
from esper.dao.benchmarks.report import ReportBody, bit
from esper.dao.bodies import Body, ChangeBody, ModelBody, RollbackBody
from esper.dao.evidence import Evidence
from esper.dao.hidden.hidden_set import SetBody, WithdrawBody
from esper.dao.hidden.openings import HiddenProof
from esper.dao.settings import SETTINGS
from esper.dao.steps import MAX_EXTENSIONS
from esper.market.records.double import TwoRecords
from esper.primitives.errors.dao_errors import DaoEncodingViolation
from esper.primitives.params import GovernanceParameters
from esper.primitives.units import FIXED_POINT_ONE
from esper.vm.governance.claim import Claim
from esper.vm.governance.propose import Propose
from esper.vm.governance.prove import Prove
from esper.vm.governance.vote import Vote
from esper.wallet.amounts import counted, esp_text

Lines = list[tuple[str, str]]
CHOICES: Final = ("no", "yes", "abstain")
PERCENT: Final = 100


def proposal_lines(proposal: Propose, rules: GovernanceParameters, height: int | None) -> Lines:
    """What it would do, what its bond may lose, and when what happens.

    ``height`` is that of the chain, so the vote opens after it; None: it is not known.
    """
    lines = [
        *proposed_lines(proposal),
        ("bond", f"{esp_text(proposal.bond)}, held until the vote closes"),
    ]
    try:
        body = proposal.read()
    except DaoEncodingViolation:
        return lines
    return [*lines, ("may burn", _burning(rules)), *_height_lines(body, rules, height)]


def proposed_lines(proposal: Propose) -> Lines:
    """What it would do."""
    try:
        return _body_lines(proposal.read())
    except DaoEncodingViolation as error:
        said = f"something that no block takes: {error}"
        return [("propose", said), ("body", proposal.body.hex())]


def vote_lines(vote: Vote) -> Lines:
    """What is voted on, and how."""
    said = CHOICES[vote.choice] if vote.choice < len(CHOICES) else f"choice {vote.choice}"
    return [
        ("vote", f"{said}, on proposal {vote.proposal.hex()}"),
        ("counts", "with the stake of when the proposal's epoch began; once, and for good"),
    ]


def delegate_lines(named: str) -> Lines:
    """Who votes from now on; ``named`` is the address, empty for nobody."""
    who = f"{named} votes with this stake, unless this address votes" if named else "nobody"
    return [("delegate", who), ("counts", "for proposals of credit epochs to come")]


def prove_lines(prove: Prove) -> Lines:
    """What is shown."""
    proof = ("proof", f"{counted(prove.room, 'byte')} at most, paid for by the byte")
    try:
        body = prove.read()
    except DaoEncodingViolation as error:
        said = f"nothing that a block takes: {error}"
        return [("prove", said), ("about", prove.target.hex()), proof]
    if isinstance(body, ItemProof):
        return [
            ("prove", f"what item {body.index} of a benchmark suite is worth"),
            ("of report", prove.target.hex()),
            ("effect", "proves one of its sample; if the report says otherwise, ends it"),
            ("brings", "half of the report's bond, where it ends"),
            proof,
        ]
    if isinstance(body, HiddenProof):
        return [
            ("prove", f"{counted(len(body.openings), 'item')} of a hidden set"),
            ("of set", prove.target.hex()),
            ("effect", "opens what was drawn; everybody sees these items from then on"),
            ("brings", "a part of the proposal's fee, once all that was drawn is open"),
            proof,
        ]
    if isinstance(body, Evidence):
        return [
            (
                "accuse",
                f"gateway {body.receipt.gateway.hex()} of an answer that is not its model's",
            ),
            ("receipt", prove.target.hex()),
            ("effect", "takes the penalty from its named rewards, its stake, its unbondings"),
            ("brings", "half of what is taken; the rest is nobody's"),
            proof,
        ]
    if isinstance(body, TwoRecords):
        return [
            (
                "accuse",
                f"provider {body.first.provider.hex()} of two answers to turn {body.first.turn}",
            ),
            ("of session", body.first.session.hex()),
            ("record", prove.target.hex()),
            ("effect", "expels the provider; its bond goes"),
            ("brings", "half of the bond; the rest is nobody's"),
        ]
    return [
        ("ready", f"for the model of proposal {prove.target.hex()}"),
        ("mined", f"block {body.reward_height}"),
        proof,
    ]


def claim_lines(claim: Claim) -> Lines:
    """What is claimed, and what its bond may lose."""
    try:
        body = claim.read()
    except DaoEncodingViolation as error:
        bond = ("bond", f"{esp_text(claim.bond)}, held until the vote closes")
        return [("claim", f"something that no block takes: {error}"), bond]
    match body:
        case ReportBody():
            return _report_lines(claim, body)
        case SetBody():
            return [
                ("hidden set", f"{counted(body.count, 'item')} that nobody else has seen"),
                ("root", body.root.hex()),
                ("for tokenizer", body.tokenizer.hex()),
                ("bond", f"{esp_text(claim.bond)}, held until the set ends or is taken back"),
                ("may burn", "all of it, if what a round draws is not opened and proven in time"),
            ]
        case WithdrawBody():
            return [
                ("take back", f"hidden set {body.set_id.hex()}"),
                ("effect", "the set ends and its bond goes back, where no model waits for it"),
            ]


def _report_lines(claim: Claim, body: ReportBody) -> Lines:
    right = sum(bit(body.bits, index) for index in range(8 * len(body.bits)))
    return [
        ("report", f"{counted(right, 'right item')} of suite {body.suite}"),
        ("on", f"the model of proposal {body.proposal.hex()}"),
        ("bond", f"{esp_text(claim.bond)}, held until the vote closes"),
        ("may burn", "all of it, if its sample is not proven in time or one item is otherwise"),
    ]


def _body_lines(body: Body) -> Lines:
    match body:
        case ModelBody():
            lines = _model_lines(body)
        case ChangeBody():
            lines = _change_lines(body)
        case RollbackBody():
            return [
                ("propose", "a rollback: a model is not activated, or taken back"),
                ("of", f"proposal {body.proposal.hex()}"),
            ]
    if body.link:
        lines.append(("link", body.link.decode("ascii")))
    return lines


def _model_lines(body: ModelBody) -> Lines:
    entry, puzzle = body.entry, body.puzzle
    name = body.name.decode("ascii") or "without a name"
    new = f", a new one with {part_text(body.share)} of all blocks" if body.share else ""
    ticket = (
        f"{counted(puzzle.sequences, 'sequence')} of {puzzle.rows} rows, "
        f"{puzzle.input_tokens} tokens in, {puzzle.max_answer} out at most"
    )
    return [
        ("propose", f"model {name} for tier {entry.tier}{new}"),
        ("model", entry.model_id.hex()),
        ("weighs", f"{omega_text(body.omega)} of genesis' tickets each"),
        ("ticket", ticket),
        ("prompts", f"{entry.bank_size} in its bank"),
        ("package", body.package.hex()),
        ("licence", body.licence.decode("ascii") or "not named"),
    ]


def _change_lines(body: ChangeBody) -> Lines:
    lines: Lines = [("propose", "a change of the network's parameters")]
    for one in body.settings:
        setting = SETTINGS.get(one.of)
        lines.append(("set", f"{one.of if setting is None else setting.name} to {one.to}"))
    lines += [("retire", f"tier {tier}: its model is not mined any more") for tier in body.retire]
    lines += [("share", f"of tier {one.of} to {part_text(one.to)}") for one in body.shares]
    lines += [("omega", f"of tier {one.of} to {omega_text(one.to)}") for one in body.omegas]
    lines += [("texts", ", ".join(text.hex() for text in texts) or "none") for texts in body.texts]
    return lines


def part_text(share: int) -> str:
    """A share of 65536 as a percentage with two places."""
    hundredths = PERCENT * PERCENT * share // FIXED_POINT_ONE
    return f"{hundredths // PERCENT}.{hundredths % PERCENT:02} %"


def omega_text(omega: int) -> str:
    """16.16 with four places, rounded: what was typed as 1.1 is shown so."""
    return f"{omega / FIXED_POINT_ONE:.4f}"


def _burning(rules: GovernanceParameters) -> str:
    part = f"{rules.quorum_per_mille // 10} %"
    return (
        f"nothing if it passes, or {part} of the quorum vote; else a tenth of the bond, and all "
        "of it if fewer than 1 % of the quorum say yes"
    )


def _height_lines(body: Body, rules: GovernanceParameters, height: int | None) -> Lines:
    """When the vote opens and closes, and the earliest height at which it acts."""
    if isinstance(body, RollbackBody):
        window = rules.rollback_window
        closes = _at(height, window)
        acts = (
            f"a model that waits ends when the vote closes; one that is confirmed goes "
            f"{counted(rules.horizon, 'block')} after the vote that reaches two thirds"
        )
    else:
        window = rules.vote_window
        late = MAX_EXTENSIONS * rules.vote_tail
        closes = f"{_at(height, window)}, at most {counted(late, 'block')} later if it swings"
        acts = f"{_at(height, window + rules.grace)} the earliest, if it passes"
    return [
        ("opens", f"{_at(height, 0)} the earliest"),
        ("closes", closes),
        ("acts", acts),
    ]


def proposal_heights(body: Body, rules: GovernanceParameters, height: int) -> dict[str, int | None]:
    """The same for programs; ``acts`` of a rollback follows from when it reaches two thirds."""
    first = height + 1
    if isinstance(body, RollbackBody):
        closes = first + rules.rollback_window
        return {"opens": first, "closes": closes, "closes_latest": closes, "acts": None}
    closes = first + rules.vote_window
    late = MAX_EXTENSIONS * rules.vote_tail
    return {
        "opens": first,
        "closes": closes,
        "closes_latest": closes + late,
        "acts": closes + rules.grace,
    }


def _at(height: int | None, later: int) -> str:
    """A height that lies so many blocks behind the block that takes the proposal."""
    if height is not None:
        return f"at height {height + 1 + later}"
    return f"{counted(later, 'block')} after its block" if later else "with its block"
