"""Proposals for tests of the DAO."""

from dataclasses import replace
from typing import Any

from esper.dao.records import Proposal
from esper.dao.steps import Subject

_BLANK = Proposal(
    number=1,
    subject=Subject.MODEL,
    tier=0,
    proposer=bytes([1]) + bytes(32),
    bond=0,
    fee=0,
    base=0,
    opened=0,
    epoch=0,
    stake=0,
    quorum=0,
    close=0,
    extensions=0,
    ahead=0,
    yes=0,
    no=0,
    abstain=0,
    gate=0,
    seed=b"",
    final=0,
    active=0,
    postponed=0,
    seen=0,
    ready=0,
    reports=(),
    standing=(),
    body=b"",
)


def proposal(**fields: Any) -> Proposal:
    """One with these fields, all others blank."""
    return replace(_BLANK, **fields)
