"""Where a proposal stands, and what its record says after each step. Heights and counts only.

```text
Model     TAIL -> CLOSE (-> CLOSE ...) -> DRAW [-> ROUND0] -> CHECK (-> CHECK) -> ACT
          -> DRAW1 [-> ROUND1] -> TRIAL -> END
Change    TAIL -> CLOSE (-> CLOSE ...) -> CHECK -> ACT
Rollback  CLOSE
```

The steps in brackets are those of hidden sets. Each function takes a record and gives the record
after the step; what a step does to tiers, coins and other records, ``vm.governance`` does.
"""

from dataclasses import replace
from enum import IntEnum
from typing import Final

from esper.dao.records import Proposal
from esper.dao.tally import Tally
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.ids import Txid
from esper.primitives.params import GovernanceParameters
from esper.primitives.units import FIXED_POINT_ONE

TAG_SEED: Final = make_tag("esper/dao/seed/v1")
MAX_EXTENSIONS: Final = 3
READY_PART: Final = 2
"""Of the counted blocks one in so many has to be ready."""
POSTPONED_PART: Final = 4
"""The same after a postponement: who waits longer asks less."""


class Subject(IntEnum):
    """What is proposed, on the wire."""

    MODEL = 1
    CHANGE = 2
    ROLLBACK = 3


class Step(IntEnum):
    """Where a live proposal stands: what happens at its next height."""

    TAIL = 0
    CLOSE = 1
    DRAW = 2
    ROUND0 = 3
    CHECK = 4
    ACT = 5
    DRAW1 = 6
    ROUND1 = 7
    TRIAL = 8
    END = 9


OPEN: Final = frozenset({Step.TAIL, Step.CLOSE})
"""Steps at which votes count."""
COUNTED: Final = frozenset({Step.CHECK, Step.TRIAL})
"""Steps before which blocks are counted."""


class Verdict(IntEnum):
    """What a check of readiness says."""

    CONFIRMED = 0
    POSTPONED = 1
    ENDED = 2


def tally_of(proposal: Proposal) -> Tally:
    """Its votes so far."""
    return Tally(proposal.yes, proposal.no, proposal.abstain)


def with_tally(proposal: Proposal, tally: Tally) -> Proposal:
    """With these votes."""
    return replace(proposal, yes=tally.yes, no=tally.no, abstain=tally.abstain)


def first_step(subject: int, height: int, rules: GovernanceParameters) -> tuple[Step, int, int]:
    """Step, next height and closing height of a proposal that opens at ``height``."""
    if subject == Subject.ROLLBACK:
        close = height + rules.rollback_window
        return Step.CLOSE, close, close
    close = height + rules.vote_window
    return Step.TAIL, close - rules.vote_tail, close


def extended(proposal: Proposal, passing: bool, rules: GovernanceParameters) -> Proposal | None:
    """At closing: the record with a later close if the outcome swung, None if it is final.

    Whoever swings a vote at the last moment gives the others time to answer, three times.
    """
    swung = passing != bool(proposal.ahead)
    if not swung or proposal.extensions == MAX_EXTENSIONS:
        return None
    return replace(
        proposal,
        ahead=int(passing),
        extensions=proposal.extensions + 1,
        close=proposal.close + rules.vote_tail,
    )


def drawn_seed(beacon: bytes, proposal_id: Txid) -> bytes:
    """64 bytes: what a beacon draws for a proposal."""
    return tagged_hash(TAG_SEED, beacon, proposal_id)


def drawn(proposal: Proposal, seed: bytes, rules: GovernanceParameters) -> Proposal:
    """With its activation height: F + G + (seed as a big-endian number) mod J."""
    active = proposal.final + rules.grace + int.from_bytes(seed, "big") % rules.jitter
    return replace(proposal, seed=seed, active=active)


def check_height(proposal: Proposal, rules: GovernanceParameters) -> int:
    """Height at which readiness is judged: L before it acts."""
    return proposal.active - rules.horizon


def readiness(proposal: Proposal, share: int, rules: GovernanceParameters) -> Verdict:
    """What the counts say of a model; ``share`` is the tier's, or that which a new tier asks for.

    Where no block of its tier was counted, it owes its part of the share's blocks.
    """
    part = POSTPONED_PART if proposal.postponed else READY_PART
    if proposal.seen:
        enough = part * proposal.ready >= proposal.seen
    else:
        owed = share * rules.count_window
        enough = FIXED_POINT_ONE * part * proposal.ready >= owed
    if proposal.ready >= 1 and enough:
        return Verdict.CONFIRMED
    return Verdict.ENDED if proposal.postponed else Verdict.POSTPONED


def postponed(proposal: Proposal, rules: GovernanceParameters) -> Proposal:
    """P later, counted anew; once."""
    return replace(
        proposal, postponed=1, active=proposal.active + rules.postponement, seen=0, ready=0
    )


def counted(proposal: Proposal, seen: bool, ready: bool) -> Proposal:
    """After one more block of a window."""
    return replace(proposal, seen=proposal.seen + seen, ready=proposal.ready + ready)


def in_window(next_height: int, height: int, rules: GovernanceParameters) -> bool:
    """Whether the block at ``height`` is counted for what goes on at ``next_height``."""
    return next_height - rules.count_window <= height < next_height


def trial_won(proposal: Proposal, has_previous: bool) -> bool:
    """Whether the new model stays: half of its tier's blocks were mined with it."""
    return not has_previous or READY_PART * proposal.ready >= proposal.seen
