"""The records of the DAO in the state, and their bytes.

| kind | id | record |
|---|---|---|
| 12 | ``governance`` | Governance |
| 13 | ``settings`` | SettingValues |
| 14 | tier, one byte | Tier |
| 15 | txid of the proposal, 64 bytes | Proposal |
| 16 | address, 33 bytes | Voter |

Nothing is ever searched: what is live stands in one list with the height at which it goes on, and
votes lie with the voter.
"""

from dataclasses import dataclass
from typing import Final

from esper.dao.registry import MAX_TIERS
from esper.dao.snapshot import RING, Cast, Noted, Voter
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, VarBytes
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid

RECORD_VERSION: Final = 1
MAX_LIVE: Final = 32
"""Most live proposals: 8 open ones of models and changes and 8 rollbacks, and those scheduled."""
MAX_SCHEDULE: Final = 24
"""Most entries that are confirmed and act later."""
MAX_KEYS: Final = 64
MAX_TEXTS: Final = 4
MAX_REPORTS: Final = 8
MAX_VOTES: Final = 16
"""Most proposals that are open at once: 8 of models and changes, 8 rollbacks."""
MAX_READY: Final = 8
MAX_BODY: Final = 4096
"""Largest body that is kept: a model's descriptor is not, proofs carry it."""
MAX_SEED: Final = 64


@dataclass(frozen=True, slots=True)
class Live:
    """A proposal that has not ended."""

    number: int
    """Counted from 1 in the order of opening."""
    id: Txid
    """Txid of the proposal."""
    subject: int
    """1 model, 2 change, 3 rollback."""
    tier: int
    """The tier of a model, or of the model that a rollback takes back; else 0."""
    step: int
    """Where it stands: see ``dao.steps``."""
    next: int
    """Height at which it goes on."""


@dataclass(frozen=True, slots=True)
class Due:
    """A confirmed entry of the schedule."""

    height: int
    """Height at which it acts."""
    op: int
    """``schedule.Op``."""
    id: Txid
    """The proposal that says what."""


@dataclass(frozen=True, slots=True)
class Governance:
    """What is under way."""

    number: int
    """Proposals so far."""
    epoch: int
    """Credit epoch that ``stake`` is of."""
    stake: int
    """T: units staked when that epoch began."""
    live: tuple[Live, ...]
    """By number."""
    schedule: tuple[Due, ...]
    """In the order of confirmation."""
    tiers: tuple[int, ...]
    """Ids of the tiers, ascending."""


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A parameter that a vote moved."""

    key: int
    """See ``dao.settings``."""
    value: int
    changed: int
    """Height at which it last moved."""


@dataclass(frozen=True, slots=True)
class SettingValues:
    """All that votes have moved."""

    values: tuple[SettingValue, ...]
    """By key."""
    texts: tuple[bytes, ...]
    """64 bytes each: texts of which a model's first suites must be made."""


@dataclass(frozen=True, slots=True)
class ReportPlace:
    """A report of benchmark results that is still open."""

    id: Txid
    suite: int
    """Its place among the model's suites."""
    next: int
    """Height at which it goes on."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A live proposal."""

    number: int
    subject: int
    tier: int
    proposer: bytes
    """33 bytes: who gets the bond back."""
    bond: int
    """Units held."""
    fee: int
    """Units held for curators of hidden sets; back to the proposer at the end."""
    base: int
    """B: the unit of bonds when it opened."""
    opened: int
    """h0."""
    epoch: int
    """Credit epoch whose beginning is the snapshot."""
    stake: int
    """T at opening."""
    quorum: int
    """Q at opening."""
    close: int
    """C so far."""
    extensions: int
    """Times that closing has moved, at most 3."""
    ahead: int
    """1 if it was passing when last looked at."""
    yes: int
    no: int
    abstain: int
    gate: int
    """Suites that a report must stand for."""
    seed: bytes
    """Drawn after closing; empty before."""
    final: int
    """F; 0 before."""
    active: int
    """A; 0 before."""
    postponed: int
    """1 if activation has moved once."""
    seen: int
    """Blocks counted in this window."""
    ready: int
    """Of them, those that count for it."""
    reports: tuple[ReportPlace, ...]
    standing: tuple[int, ...]
    """Suites with a standing report."""
    body: bytes
    """What it proposes, in wire form; a model's without descriptor."""


_AMOUNT: Final = Unsigned(63)
_HEIGHT: Final = Unsigned(32)
_ID: Final = FixedBytes(HASH_BYTES)

GOVERNANCE: Final = Record(
    Governance,
    RECORD_VERSION,
    (
        ("number", Unsigned(32)),
        ("epoch", Unsigned(32)),
        ("stake", _AMOUNT),
        (
            "live",
            Array(
                Record(
                    Live,
                    None,
                    (
                        ("number", Unsigned(32)),
                        ("id", _ID),
                        ("subject", Unsigned(8)),
                        ("tier", Unsigned(8)),
                        ("step", Unsigned(8)),
                        ("next", _HEIGHT),
                    ),
                ),
                MAX_LIVE,
            ),
        ),
        (
            "schedule",
            Array(
                Record(Due, None, (("height", _HEIGHT), ("op", Unsigned(8)), ("id", _ID))),
                MAX_SCHEDULE,
            ),
        ),
        ("tiers", Array(Unsigned(8), MAX_TIERS)),
    ),
)

SETTING_VALUES: Final = Record(
    SettingValues,
    RECORD_VERSION,
    (
        (
            "values",
            Array(
                Record(
                    SettingValue,
                    None,
                    (("key", Unsigned(16)), ("value", _AMOUNT), ("changed", _HEIGHT)),
                ),
                MAX_KEYS,
            ),
        ),
        ("texts", Array(_ID, MAX_TEXTS)),
    ),
)

PROPOSAL: Final = Record(
    Proposal,
    RECORD_VERSION,
    (
        ("number", Unsigned(32)),
        ("subject", Unsigned(8)),
        ("tier", Unsigned(8)),
        ("proposer", FixedBytes(ADDRESS_BYTES)),
        ("bond", _AMOUNT),
        ("fee", _AMOUNT),
        ("base", _AMOUNT),
        ("opened", _HEIGHT),
        ("epoch", Unsigned(32)),
        ("stake", _AMOUNT),
        ("quorum", _AMOUNT),
        ("close", _HEIGHT),
        ("extensions", Unsigned(2)),
        ("ahead", Unsigned(1)),
        ("yes", _AMOUNT),
        ("no", _AMOUNT),
        ("abstain", _AMOUNT),
        ("gate", Unsigned(3)),
        ("seed", VarBytes(MAX_SEED)),
        ("final", _HEIGHT),
        ("active", _HEIGHT),
        ("postponed", Unsigned(1)),
        ("seen", _HEIGHT),
        ("ready", _HEIGHT),
        (
            "reports",
            Array(
                Record(
                    ReportPlace,
                    None,
                    (("id", _ID), ("suite", Unsigned(2)), ("next", _HEIGHT)),
                ),
                MAX_REPORTS,
            ),
        ),
        ("standing", Array(Unsigned(8), MAX_TEXTS)),
        ("body", VarBytes(MAX_BODY)),
    ),
)

VOTER: Final = Record(
    Voter,
    RECORD_VERSION,
    (
        ("delegate", VarBytes(ADDRESS_BYTES)),
        ("pot", _AMOUNT),
        (
            "ring",
            Array(
                Record(
                    Noted,
                    None,
                    (
                        ("epoch", Unsigned(32)),
                        ("stake", _AMOUNT),
                        ("delegate", VarBytes(ADDRESS_BYTES)),
                        ("pot", _AMOUNT),
                    ),
                ),
                RING,
            ),
        ),
        (
            "votes",
            Array(
                Record(
                    Cast,
                    None,
                    (("number", Unsigned(32)), ("choice", Unsigned(2)), ("override", _AMOUNT)),
                ),
                MAX_VOTES,
            ),
        ),
        ("ready", Array(Unsigned(32), MAX_READY)),
    ),
)
