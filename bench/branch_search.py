"""Looks for the plan that brings a private branch most weight for its work.

A plan says of every block which time it has and what it is mined with. The search begins with the
tricks that are known, adds plans drawn at random, and climbs from the best by changing stretches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

from bench.branch_rules import IN_FORCE, BranchRules
from bench.branch_scenarios import Scenario
from bench.branch_world import Branch, Start, behind, per_work
from esper.dao.registry import Entry

Stamp = Callable[[Branch, int, int], int]
"""A time from the branch, the time on the dot and the latest time that there will be; what it
gives is moved into what the rules allow."""
Pick = Callable[[Branch], Entry]
"""What the next block is mined with."""


def _shifted(windows: int) -> Stamp:
    return lambda branch, due, latest: due + windows


def _at_part(part: float) -> Stamp:
    return lambda branch, due, latest: (
        branch.earliest_ms + round(part * (latest - branch.earliest_ms))
    )


STAMPS: Final[Mapping[str, Stamp]] = MappingProxyType(
    {
        "on time": lambda branch, due, latest: due,
        "still": lambda branch, due, latest: branch.earliest_ms,
        "latest": lambda branch, due, latest: latest,
        "half": _at_part(0.5),
        "a tenth": _at_part(0.1),
        "a minute early": _shifted(-60_000),
        "a minute late": _shifted(60_000),
    }
)


def _priced(best: Callable[[tuple[int, float]], float]) -> Pick:
    return lambda branch: max(branch.entries(), key=lambda entry: best(branch.price(entry)))


def _place(place: int) -> Pick:
    def pick(branch: Branch) -> Entry:
        entries = branch.entries()
        return entries[place % len(entries)]

    return pick


PICKS: Final[Mapping[str, Pick]] = MappingProxyType(
    {
        "by shares": behind,
        "most weight for work": _priced(lambda price: price[0] / price[1]),
        "least work": _priced(lambda price: -price[1]),
        "most work": _priced(lambda price: price[1]),
        "first": _place(0),
        "second": _place(1),
        "third": _place(2),
        "fourth": _place(3),
        "in turn": lambda branch: _place(branch.height)(branch),
    }
)

TRIED: Final = tuple(PICKS)[:4]
"""Picks that every trick with times is tried with; the others come up in plans that are drawn."""

Step = tuple[str, str]
"""A stamp and a pick by name."""
Plan = tuple[Step, ...]
"""One step a block."""


def played(scenario: Scenario, plan: Plan, rules: BranchRules = IN_FORCE) -> Branch:
    """The branch of a plan, every time within the rules.

    It is published when the chain has as many blocks: no time is later than that, and the future
    limit.
    """
    branch = Branch(scenario.start, rules)
    for number, step in enumerate(plan, 1):
        grow(scenario, branch, step, number, len(plan))
    return branch


def grow(scenario: Scenario, branch: Branch, step: Step, number: int, blocks: int) -> None:
    """The block of that number, one of ``blocks``."""
    stamp, pick = step
    start = scenario.start
    limit = latest_ms(start, scenario.blocks)
    due = start.times_ms[-1] + number * start.rules.spacing_ms
    # A millisecond is left for each block, for the median has to be exceeded.
    latest = limit - blocks
    wanted = min(STAMPS[stamp](branch, due, latest), latest)
    time_ms = max(wanted, branch.earliest_ms)
    if time_ms > limit:
        raise ValueError(f"time {time_ms} must be {limit} at most")
    branch.mine(PICKS[pick](branch), time_ms)


def latest_ms(start: Start, blocks: int) -> int:
    """Latest time that a node takes when the chain is that many blocks on."""
    return start.times_ms[-1] + blocks * start.rules.spacing_ms + start.rules.future_limit_ms


def tricks(scenario: Scenario) -> Mapping[str, Plan]:
    """The known ones, each with the picks that make a difference."""
    start, blocks = scenario.start, scenario.blocks
    window = start.rules.window
    boundary = window - start.height % window
    alone = len(start.registry.tiers) == 1 and not start.schedule

    def at_boundaries(there: str, elsewhere: str, pick: str) -> Plan:
        return tuple(
            (there if (number - boundary) % window == 0 else elsewhere, pick)
            for number in range(1, blocks + 1)
        )

    plans: dict[str, Plan] = {}
    for pick in TRIED[:1] if alone else TRIED:
        for stamp in STAMPS:
            plans[f"{stamp}; {pick}"] = ((stamp, pick),) * blocks
        half = blocks // 2
        plans[f"still, then latest; {pick}"] = (("still", pick),) * half + (("latest", pick),) * (
            blocks - half
        )
        plans[f"oscillating; {pick}"] = tuple(
            ("still" if number // 6 % 2 else "latest", pick) for number in range(blocks)
        )
        plans[f"leaps at boundaries; {pick}"] = at_boundaries("latest", "still", pick)
        plans[f"still at boundaries; {pick}"] = at_boundaries("still", "latest", pick)
    return plans


@dataclass(frozen=True)
class Found:
    """The best plan and what it brought."""

    name: str
    """The trick that it is or was climbed from."""
    branch: Branch
    """Its branch."""

    @property
    def ratio(self) -> float:
        """Weight for work."""
        return per_work(self.branch)


def search(
    scenario: Scenario,
    rules: BranchRules = IN_FORCE,
    *,
    seed: int = 1,
    drawn: int = 20,
    climbs: int = 60,
    sign: int = 1,
) -> Found:
    """The most weight for work that was found; with ``sign`` -1 the least."""
    random = Random(seed)
    known = dict(tricks(scenario))
    for number in range(drawn):
        known[f"drawn {number}"] = _drawn(random, scenario.blocks)

    def worth(branch: Branch) -> float:
        return sign * per_work(branch)

    found = {name: played(scenario, plan, rules) for name, plan in known.items()}
    name = max(found, key=lambda each: worth(found[each]))
    best, plan = found[name], known[name]
    for _ in range(climbs):
        changed = _changed(random, plan)
        branch = played(scenario, changed, rules)
        if worth(branch) > worth(best):
            best, plan, name = branch, changed, f"{name.removesuffix(', climbed')}, climbed"
    return Found(name, best)


def _drawn(random: Random, blocks: int) -> Plan:
    """Stretches of chance length."""
    plan: list[Step] = []
    while len(plan) < blocks:
        step = random.choice(tuple(STAMPS)), random.choice(tuple(PICKS))
        plan += [step] * random.randint(1, 12)
    return tuple(plan[:blocks])


def _changed(random: Random, plan: Plan) -> Plan:
    """Another stamp or another pick on a stretch."""
    first = random.randrange(len(plan))
    last = first + random.randint(1, 12)
    stamp, pick = random.choice(tuple(STAMPS)), random.choice(tuple(PICKS))
    times = random.random() < 0.5
    return tuple(
        step if not first <= number < last else (stamp, step[1]) if times else (step[0], pick)
        for number, step in enumerate(plan)
    )
