"""What the gateway counts of itself since it began, as plain numbers. No label comes from users."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from esper.gateway.proving_rows import Status, Step

BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends of a histogram's steps, in seconds; the last step has none."""


@dataclass(slots=True)
class Histogram:
    """How often something took how long."""

    steps: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    """Times within each step, the ones below it not counted."""
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """One more time."""
        place = next((at for at, end in enumerate(BOUNDS_S) if seconds <= end), len(BOUNDS_S))
        self.steps[place] += 1
        self.sum_s += seconds


@dataclass(slots=True)
class GatewayCounts:
    """Changed by the service, read by whoever tells them."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By endpoint and code: ``ok``, or a refusal's."""
    queue: Histogram = field(default_factory=Histogram)
    """From admission to a slot."""
    first_token: Histogram = field(default_factory=Histogram)
    """From admission to the first token."""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    streams: int = 0
    """Open now."""
    disagreements: int = 0
    """Answers of the chain that were not the signed ones."""
    credits_burned: int = 0
    """Micro-credits that proofs cost, once they were final."""

    def take(self, step: Step) -> None:
        """A step of the proving line was kept."""
        self.credits_burned += sum(charge.amount for charge in step.charges)
        self.disagreements += sum(
            row.status is Status.PROVEN and row.disagreed is not None for row in step.keep.values()
        )
