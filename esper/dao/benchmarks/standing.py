"""Reports on a model in its proposal's record: where each is, and which suites have one standing.

```text
claim at h --> draw at h+d+1 --> settled at h+d+1+D: proven --> stands until the vote closes
                                                    else its bond burns
```

A proof that a report is false ends it at any height of these.
"""

from dataclasses import replace
from typing import Final

from esper.dao.records import Proposal, ReportPlace
from esper.dao.steps import Step
from esper.primitives.ids import Txid
from esper.primitives.params import GovernanceParameters

STANDS: Final = 0
"""``next`` of a report that stands: it goes on when the vote closes."""


def draw_height(height: int, rules: GovernanceParameters) -> int:
    """Height at which the sample of a report made at ``height`` is drawn."""
    return height + rules.draw_depth + 1


def settled_height(height: int, rules: GovernanceParameters) -> int:
    """Height at which a report made at ``height`` stands, or loses its bond."""
    return draw_height(height, rules) + rules.round_window


def with_place(proposal: Proposal, place: ReportPlace) -> Proposal:
    """With a report in another place, or one more."""
    others = list(proposal.reports)
    found = next((at for at, one in enumerate(others) if one.id == place.id), len(others))
    others[found : found + 1] = [place]
    return _with_places(proposal, tuple(others))


def without_place(proposal: Proposal, report: Txid) -> Proposal:
    """Without a report that has ended."""
    return _with_places(proposal, tuple(one for one in proposal.reports if one.id != report))


def has_gate(proposal: Proposal) -> bool:
    """Whether a report stands on each suite that the proposal must have one on."""
    return set(range(proposal.gate)) <= set(proposal.standing)


def open_next(proposal: Proposal, step: Step, rules: GovernanceParameters) -> int:
    """Height at which an open proposal goes on: its own step's, or the next of a report."""
    nexts = (one.next for one in proposal.reports if one.next != STANDS)
    return min((own_next(proposal, step, rules), *nexts))


def own_next(proposal: Proposal, step: Step, rules: GovernanceParameters) -> int:
    """Height of an open proposal's own step."""
    return proposal.close - (rules.vote_tail if step == Step.TAIL else 0)


def _with_places(proposal: Proposal, places: tuple[ReportPlace, ...]) -> Proposal:
    standing = tuple(sorted({one.suite for one in places if one.next == STANDS}))
    return replace(proposal, reports=places, standing=standing)
