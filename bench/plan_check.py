"""Plans beside what was measured: the tables of `make bench` about `esper plan`.

    python -m bench.plan_check              compare the plan with bench/plan_measured.json
    python -m bench.plan_check --svg FILE   draw it as well
    python -m bench.plan_check --measure    prove the smallest models here, minutes of two cores,
                                            and say what a file of this machine has

What was measured is kept, since the larger proofs take ten minutes and 12 GiB. The constants of
time were fitted to the models of 260 thousand and 15 million weights alone; the others are
predictions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.spread_plot import draw
from esper.planning.cells import NARROW
from esper.planning.machine import GIB
from esper.planning.plan import Answer, Plan, planned
from esper.planning.sample_machine import REFERENCE
from esper.planning.shapes import NAMED

ROOT: Final = Path(__file__).resolve().parent.parent
MEASURED: Final = ROOT / "bench" / "plan_measured.json"
PICTURE: Final = "plan_check.svg"
FITTED: Final = frozenset({"260k", "15m"})
"""The models that the constants were fitted to."""
SMALLEST: Final = (("260k", 16, 8), ("260k", 64, 16), ("15m", 16, 8), ("15m", 64, 16))
"""Model, rows and answers of what ``--measure`` proves."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A proof that was made, and its plan."""

    made: dict[str, Any]
    """As the file has it, or as it was measured now."""
    plan: Plan
    """On the machine of reference, whose clearing of pages takes what it took then."""

    @property
    def name(self) -> str:
        """Of the row."""
        model = str(self.made["model"])
        return model if model in FITTED else f"{model}*"

    @property
    def pairs(self) -> dict[str, tuple[float, float] | None]:
        """By what is compared what was measured and what is foretold; None if it was not measured.

        User seconds, GiB, MB, ms, and seconds elapsed.
        """
        made, plan = self.made, self.plan
        warm = made["warm_user_s"]
        return {
            "first": (made["user_s"], plan.seconds.cold),
            "further": None if warm is None else (warm, plan.seconds.warm),
            "memory": (made["peak_bytes"] / GIB, plan.memory_bytes / GIB),
            "bytes": (made["proof_bytes"] / 1e6, plan.proof_bytes / 1e6),
            "verify": (made["verify_ms"], plan.verify_ms),
            "elapsed": (made["elapsed_s"], plan.cold_s),
        }

    def ratio(self, what: str) -> float | None:
        """Foretold over measured."""
        pair = self.pairs[what]
        return None if pair is None else pair[1] / pair[0]


def compared(made: dict[str, Any]) -> Compared:
    """A proof beside its plan: random weights, which need the fewest columns."""
    shape = NAMED[made["model"]]
    # A prompt of the rows' tokens and one more, of which the answer's last is no input.
    answer = Answer(made["rows"] + 1, made["answers"])
    plan = planned(shape, answer, REFERENCE, made["parts"], NARROW)
    touched = sum(one.memory_bytes for one in plan.segments) / GIB
    machine = replace(REFERENCE, clearing_s_per_gib=made["system_s"] / touched)
    return Compared(made, replace(plan, machine=machine))


def read_measured() -> list[Compared]:
    """What was measured, in the order of the file."""
    return [compared(one) for one in json.loads(MEASURED.read_text())["proofs"]]


def table(found: list[Compared]) -> Iterator[str]:
    """A row for each proof: measured, foretold, and their ratio."""
    yield (
        "| model | rows | segments | first, user s | ratio | further, user s | ratio | GiB | ratio "
        "| MB | ratio | verify, ms | ratio | first, elapsed s | ratio |"
    )
    yield "|" + " --- |" * 15
    for one in found:
        cells = [one.name, str(one.made["rows"]), str(one.made["parts"])]
        for pair in one.pairs.values():
            if pair is None:
                cells += ["–", "–"]
            else:
                cells += [f"{pair[0]:.3g} / {pair[1]:.3g}", f"{pair[1] / pair[0]:.2f}"]
        yield f"| {' | '.join(cells)} |"


def picture(found: list[Compared]) -> str:
    """The same, drawn; a place on the axis is a row of the table."""

    def both(what: str) -> list[tuple[str, list[float]]]:
        pairs = [pair for one in found if (pair := one.pairs[what]) is not None]
        return [
            ("measured", [pair[0] for pair in pairs]),
            ("foretold", [pair[1] for pair in pairs]),
        ]

    def ratios(what: str) -> list[float]:
        return [ratio for one in found if (ratio := one.ratio(what)) is not None]

    panels = [
        ("user seconds of a first proof", both("first")),
        ("GiB at the peak", both("memory")),
        ("MB of the proof", both("bytes")),
        (
            "foretold over measured",
            [
                ("user seconds", ratios("first")),
                ("memory", ratios("memory")),
                ("bytes", ratios("bytes")),
                ("verification", ratios("verify")),
            ],
        ),
    ]
    return draw(range(1, len(found) + 1), panels, unit="row of the table")


def plan_tables(svg: Path = ROOT / "bench" / PICTURE) -> list[str]:
    """The section of bench/RESULTS.md; the picture is drawn beside it."""
    found = read_measured()
    svg.write_text(picture(found), encoding="utf-8")
    machine = json.loads(MEASURED.read_text())["machine"]
    return [
        "## What `esper plan` foretells",
        "",
        f"`python -m bench.plan_check`: measured / foretold. Measured on {machine},",
        "by `python -m bench.proof_stages`, one run each; `bench/plan_measured.json` keeps it with",
        "the load of the machine. The times' constants are fitted to the models without a star,",
        "those with one are predictions; memory's two are fitted to all rows; bytes are counted.",
        "User seconds are of both cores. Elapsed is foretold with the system's own time as it was",
        "then, which is the clearing of pages, and for a machine without other load.",
        "",
        *table(found),
        "",
        f"![measured and foretold]({PICTURE})",
    ]


def measure() -> Iterator[Compared]:
    """Prove the smallest models on this machine, in fresh processes."""
    from bench.random_integers import write_random_integers

    with tempfile.TemporaryDirectory() as temporary:
        for model, rows, answers in SMALLEST:
            folder = Path(temporary) / model
            if not folder.exists():
                folder.mkdir()
                write_random_integers(folder, NAMED[model])
            done = subprocess.run(
                [sys.executable, "-m", "bench.proof_stages", str(folder), str(rows), str(answers)],
                cwd=ROOT,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            told = json.loads(done.stdout)

            def total(which: str, of: str, told: dict[str, Any] = told) -> float:
                return sum(float(stage[of]) for stage in told[which])

            yield compared(
                {
                    "model": model,
                    "rows": rows,
                    "answers": answers,
                    "parts": 1,
                    "user_s": total("stages", "user_s"),
                    "system_s": total("stages", "system_s"),
                    "elapsed_s": total("stages", "elapsed_s"),
                    "warm_user_s": total("warm", "user_s"),
                    "peak_bytes": told["peak"],
                    "proof_bytes": told["proof_bytes"],
                    "verify_ms": told["verify_ms"],
                }
            )


def machine_lines(found: list[Compared]) -> Iterator[str]:
    """What a file of this machine has, by proofs that were made on it."""
    user = sum(one.made["user_s"] for one in found)
    speed = sum(one.plan.seconds.cold for one in found) / user
    touched = sum(one.made["peak_bytes"] for one in found) / GIB
    clearing = sum(one.made["system_s"] for one in found) / touched
    yield f'"speed": {speed:.2f}, "clearing_s_per_gib": {clearing:.2f}'


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="prove the smallest models here")
    parser.add_argument("--svg", type=Path, help="draw the kept measurements into this file")
    wanted = parser.parse_args()
    found = list(measure()) if wanted.measure else read_measured()
    print(*table(found), sep="\n")
    if wanted.measure:
        print(*machine_lines(found), sep="\n")
    elif wanted.svg is not None:
        wanted.svg.write_text(picture(found), encoding="utf-8")


if __name__ == "__main__":
    main()
