"""Proposals, settings and counts as lines for people."""

from __future__ import annotations

from collections.abc import Sequence

from esper.cli.esper.dao.setting_units import UNITS
from esper.rpc.schema import (
    LiveProposal,
    ProposalReply,
    ProposedModel,
    ReadinessReply,
    SettingReply,
    TierReply,
)
from esper.wallet.amounts import esp_text
from esper.wallet.dao_words import omega_text, part_text


def live_lines(live: LiveProposal) -> list[str]:
    """A proposal in a list."""
    return [
        f"{live.number}  {live.id[:16]}…  {live.subject}: {live.about}",
        f"   {_standing(live)}",
        f"   at {live.next}: {live.then}",
    ]


def proposal_text(found: ProposalReply) -> list[str]:
    """Everything about a proposal."""
    live = found.live
    lines = [
        f"proposal {live.number}, {live.subject}: {live.about}",
        f"id        {live.id}",
        f"by        {live.proposer}",
        *_body(found),
        f"votes     {_standing(live)}",
        f"quorum    a fifth of {esp_text(live.quorum)}, "
        + ("reached" if live.quorum_reached else "not reached"),
        f"opened    at {found.opened}; weights are of the beginning of epoch {found.epoch}",
    ]
    closed = "closes" if live.open else "closed"
    extended = f", extended {found.extensions} of 3 times" if found.extensions else ""
    lines.append(f"{closed:9} at {found.closes}{extended}")
    lines.append(f"next      at {live.next}: {live.then}")
    if found.check is not None and found.model is not None:
        again = ", postponed once" if found.postponed else ""
        lines.append(f"check     at {found.check}{again}: {found.ready} of {found.seen} ready")
    if found.active is not None:
        lines.append(f"acts      at {found.active}")
    if found.trial_ends is not None:
        lines.append(f"trial     until {found.trial_ends}")
    if int(live.bond) or live.open:
        lines.append(f"bond      {esp_text(live.bond)}, {_burning(found)}")
    if int(found.fee):
        lines.append(f"fee       {esp_text(found.fee)}, back when it ends")
    if found.rollback_until is not None:
        lines.append(f"rollback  {found.rollback}, may be opened until {found.rollback_until}")
    return lines


def setting_line(one: SettingReply) -> str:
    """A parameter: what holds and in what it counts, how far it may go, what is under way."""
    unit = f" {UNITS[one.name]}" if one.name in UNITS else ""
    began = "" if one.in_force == one.genesis else f", began with {one.genesis}"
    rests = "" if one.rests_until is None else f", rests until {one.rests_until}"
    pending = "".join(f", {p.value} by proposal {p.number}" for p in one.pending)
    shape = ", a power of two" if one.power_of_two else ""
    return (
        f"{one.name:26} {one.in_force}{unit}  "
        f"({one.least} to {one.most}{shape}){began}{rests}{pending}"
    )


def text_lines(texts: Sequence[str]) -> list[str]:
    """The texts that every other model needs a report on, in order."""
    return [
        f"{'text ' + str(number):26} {text}  (a model needs a report on it that stands)"
        for number, text in enumerate(texts)
    ]


def tier_line(one: TierReply) -> str:
    """A tier: its model, its part of the blocks, the weight of its tickets."""
    previous = f", before it {one.previous_model_id[:16]}…" if one.previous_model_id else ""
    return (
        f"tier {one.tier}  {one.model_id[:16]}…  {one.share} of 65536 ({part_text(one.share)}), "
        f"omega {omega_text(int(one.omega))}, since {one.since}{previous}"
    )


def readiness_line(one: ReadinessReply) -> str:
    """How a count stands."""
    return (
        f"counted   {one.ready} of {one.seen} blocks, {one.needed} needed; from {one.begins} on, "
        f"judged at {one.ends}"
    )


def _standing(live: LiveProposal) -> str:
    votes = f"yes {esp_text(live.yes)}, no {esp_text(live.no)}, abstain {esp_text(live.abstain)}"
    if not live.open:
        return f"{votes}; the vote is over"
    return f"{votes}; {'passing' if live.passing else 'not passing'}"


def _burning(found: ProposalReply) -> str:
    if not int(found.burns):
        return "nothing of it would burn now"
    return f"{esp_text(found.burns)} of it would burn now"


def _body(found: ProposalReply) -> list[str]:
    if found.model is not None:
        return _model(found.model)
    if found.change is None:
        return [f"of        {found.target}"]
    change = found.change
    lines = [f"set       {one.name} to {one.value}" for one in change.settings]
    lines += [f"retire    tier {change.retire}"] if change.retire is not None else []
    lines += [f"text      {text}" for text in change.texts or ()]
    lines += ["texts     none is registered any more"] if change.texts == [] else []
    lines += [f"share     tier {one.tier} to {one.value} of 65536" for one in change.shares]
    lines += [f"omega     tier {one.tier} to {omega_text(int(one.value))}" for one in change.omegas]
    return lines + ([f"link      {change.link}"] if change.link else [])


def _model(model: ProposedModel) -> list[str]:
    lines = [
        f"model     {model.model_id}",
        f"ticket    {model.sequences} x {model.rows} rows, {model.input_tokens} tokens in, "
        f"{model.max_answer} out; omega {omega_text(int(model.omega))}",
        f"bank      {model.bank_size} prompts",
        f"package   {model.package}",
        f"licence   {model.licence or 'not named'}",
    ]
    return lines + ([f"link      {model.link}"] if model.link else [])
