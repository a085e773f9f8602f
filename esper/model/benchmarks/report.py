"""What a suite says of a model: the score, the bits that a report claims, and every item.

The JSON names no time, machine, batch or thread: whoever measures again gets the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from esper.dao.benchmarks.report import bits_of
from esper.dao.benchmarks.suite import Form, Suite
from esper.model.benchmarks.measuring import Examinee, Outcome
from esper.model.benchmarks.tokenised import TokenSuite

_FORM_NAMES: Final = {Form.CHOICE: "choice", Form.TEXT: "exact", Form.JUDGED: "judged"}


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """All items of a suite, asked of one model."""

    suite: TokenSuite
    model: Examinee
    most_rows: int
    """Rows that a proof of an item may have."""
    outcomes: tuple[Outcome, ...]
    """Of every item, in the suite's order."""

    @property
    def right(self) -> int:
        """Items that are right."""
        return sum(one.is_right for one in self.outcomes)

    @property
    def unfit(self) -> int:
        """Items that no proof has room for, counted as wrong."""
        return sum(not one.fits for one in self.outcomes)

    @property
    def bits(self) -> bytes:
        """Of a report: bit i, low first, says that item i is right."""
        return bits_of(tuple(one.is_right for one in self.outcomes))

    @property
    def by_chance(self) -> Fraction | None:
        """Share of right items of whoever guesses among the choices; None for other forms."""
        if self.suite.suite.form != Form.CHOICE:
            return None
        return sum((Fraction(1, len(item.choices)) for item in self.suite.items), Fraction()) / len(
            self.suite.items
        )

    def fields(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "model_id": self.model.entry.model_id.hex(),
            **suite_fields(self.suite),
            "audit_rows": self.most_rows,
            "right": self.right,
            "unfit": self.unfit,
            "bits": self.bits.hex(),
            "outcomes": outcome_fields(self.outcomes),
        }


def form_name(suite: Suite) -> str:
    """The form as texts of benchmarks call it."""
    return _FORM_NAMES[Form(suite.form)]


def suite_fields(asked: TokenSuite) -> dict[str, Any]:
    """What names a suite, as JSON values."""
    suite = asked.suite
    return {
        "tokenizer_id": suite.tokenizer.hex(),
        "text": asked.text.hex(),
        "suite": suite.id.hex(),
        "items_root": suite.items_root.hex(),
        "form": form_name(suite),
        "judge": suite.judge.hex() if suite.form == Form.JUDGED else None,
        "items": suite.count,
    }


def outcome_fields(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Items as JSON values: `listed` is k, how many candidates a proof has to show."""
    return [
        {
            "item": one.index,
            "right": one.is_right,
            "fits": one.fits,
            "answer": list(one.tokens),
            "listed": len(one.readings[0].candidates) if one.readings else 1,
            "chosen": [reading.chosen for reading in one.readings],
        }
        for one in outcomes
    ]
