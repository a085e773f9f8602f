"""Write the tables of docs/scaling.md from what `esper plan` says.

python scripts/write_scaling_docs.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.plan_check import FITTED, Compared, read_measured  # noqa: E402
from esper.planning.cells import Segment, cells_of, model_weights  # noqa: E402
from esper.planning.commitments import MAX_VARS  # noqa: E402
from esper.planning.machine import GIB, Machine  # noqa: E402
from esper.planning.memory import answering_bytes  # noqa: E402
from esper.planning.plan import MOST_PARTS, Answer, Plan, PlannedSegment, planned  # noqa: E402
from esper.planning.shapes import NAMED  # noqa: E402
from esper.planning.stale import BODY_MB, exposed_s, stale_rate  # noqa: E402
from esper.primitives.networks import NETWORKS  # noqa: E402

PAGE: Final = ROOT / "docs" / "scaling.md"
BEGIN: Final = "<!-- Made by scripts/write_scaling_docs.py: {} -->\n"
END: Final = "<!-- End of what is made -->\n"
LARGE: Final = ("1b", "8b", "70b", "405b")
SERVER: Final = Machine(
    name="server",
    cores=64,
    memory_gib=512,
    speed=1,
    clearing_s_per_gib=0.4,
    memory_gb_per_s=200,
    line_mbit_per_s=1000,
    price_per_hour=2,
)
"""The page says that it is made up."""
TOKENS: Final = 64
ANSWERS: Final = 16
MAINNET: Final = NETWORKS["mainnet"]
PROOF_S: Final = MAINNET.difficulty.reference_proof_ms / 1000
CELLS: Final = 1 << MAX_VARS
SIMULATED: Final = ROOT / "bench" / "RESULTS.md"
SIMULATED_HEADING: Final = "### Stale blocks by spacing\n"
SIMULATED_PROOF_S: Final = 1.6
"""Of the genesis model, on a miner of the middle."""
QUANTITIES: Final = (
    ("first", "user seconds of a first proof"),
    ("further", "of a further one"),
    ("memory", "memory at the peak"),
    ("bytes", "bytes of the proof"),
    ("verify", "time to verify"),
    ("elapsed", "elapsed seconds of a first proof"),
)


def row(*cells: str) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |\n"


def head(*cells: str) -> str:
    """The first two lines of a table."""
    return row(*cells) + "|" + "---|" * len(cells) + "\n"


def time(seconds: float) -> str:
    """Two digits and a unit."""
    for most, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < most:
            return f"{digits(seconds / size)} {unit}"
    return f"{digits(seconds / 86_400)} days"


def digits(value: float) -> str:
    """Two of them that count."""
    shown = float(f"{value:.2g}")
    return f"{shown:,.0f}" if shown >= 10 else f"{shown:g}"


def compared_table() -> Iterator[str]:
    """The least and the greatest ratio of each quantity."""
    found = read_measured()
    yield head("", "260K and 15M, which the constants are fitted to", "110M, 135M, 0.36B, foretold")
    for what, about in QUANTITIES:
        yield row(about, _range(found, what, fitted=True), _range(found, what, fitted=False))


def _range(found: Iterable[Compared], what: str, *, fitted: bool) -> str:
    ratios = [
        ratio
        for one in found
        if (one.made["model"] in FITTED) == fitted and (ratio := one.ratio(what)) is not None
    ]
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def large_table() -> Iterator[str]:
    """The large shapes on the server."""
    plans = large_plans()
    yield head("64 tokens, 16 of them answers", *(name.upper() for name in plans))
    rows: tuple[tuple[str, Callable[[Plan], str]], ...] = (
        ("weights in matrices, 10^9", lambda p: f"{model_weights(p.shape) / 1e9:.3g}"),
        ("segments", lambda p: f"{len(p.segments)}"),
        ("largest segment, 10^6 cells of the model", lambda p: f"{_largest(p) / 1e6:,.0f}"),
        ("its memory, GiB", lambda p: f"{_most_memory(p) / GIB:.0f}"),
        ("the whole model, while it answers, GiB", lambda p: f"{_answering(p) / GIB:.0f}"),
        ("processor time of a first proof, one reference core", lambda p: time(p.seconds.cold)),
        ("elapsed, a further proof", lambda p: time(p.warm_s)),
        ("the slowest segment alone", lambda p: time(p.slowest_segment_s)),
        ("proof, MB", lambda p: digits(p.proof_bytes / 1e6)),
        ("time to verify", lambda p: f"{p.verify_ms:.0f} ms"),
        ("spacing for a tenth of stale blocks", lambda p: time(p.spacing_s)),
        ("price of a proven token", lambda p: digits(p.price_per_token)),
        ("refused everywhere for", lambda p: ", ".join(f"`{e.limit}`" for e in p.exceeded) or "–"),
    )
    for about, told in rows:
        yield row(about, *(told(plan) for plan in plans.values()))


def needed_table() -> Iterator[str]:
    """By what each large shape misses what a block of mainnet takes."""
    plans = large_plans()
    yield head("has to be smaller or faster by", *(name.upper() for name in plans))
    proof_bytes = MAINNET.limits.proof_bytes
    rows: tuple[tuple[str, Callable[[Plan], float]], ...] = (
        (f"a further proof, for {PROOF_S:g} s on the server", lambda p: p.warm_s / PROOF_S),
        ("the same with a server for each segment", lambda p: p.slowest_segment_s / PROOF_S),
        (f"bytes, for a work proof of {proof_bytes // 1024} KiB",
         lambda p: p.proof_bytes / proof_bytes),
        ("largest segment, for 2^30 cells", lambda p: _largest(p) / CELLS),
        ("the same if the head were a segment of its own", lambda p: _layer(p) / CELLS),
        ("segments of up to 2^30 cells, head apart, for 64",
         lambda p: _segments_needed(p) / MOST_PARTS),
    )  # fmt: skip
    for about, factor in rows:
        yield row(about, *(_factor(factor(plan)) for plan in plans.values()))


def _factor(value: float) -> str:
    if value == float("inf"):
        return "no number does"
    return "fits" if value <= 1 else f"{digits(value)} times"


def rows_table() -> Iterator[str]:
    """The 8B shape by its rows."""
    yield head("8B, tokens", "segments", "GiB", "user time", "MB", "refused everywhere for")
    for tokens in (16, 64, 128, 256, 512):
        plan = planned(NAMED["8b"], Answer(tokens, tokens // 4), SERVER)
        yield row(
            str(tokens),
            str(len(plan.segments)),
            f"{plan.memory_bytes / GIB:.0f}",
            time(plan.seconds.cold),
            digits(plan.proof_bytes / 1e6),
            ", ".join(f"`{one.limit}`" for one in plan.exceeded) or "–",
        )


def stale_table() -> Iterator[str]:
    """The rate by formula beside the simulated network's."""
    yield head("spacing, s", "0.5 MB: simulated, %", "foretold", "2.7 MB: simulated, %", "foretold")
    for spacing, light, full in simulated():
        yield row(
            f"{spacing:g}",
            f"{light:.1f}",
            f"{foretold_rate(spacing, 0.5):.1f}",
            f"{full:.1f}",
            f"{foretold_rate(spacing, 2.7):.1f}",
        )


def simulated() -> Iterator[tuple[float, float, float]]:
    """Seconds between blocks, % stale at 0.5 and at 2.7 MB, as the simulation's table has them."""
    _, _, behind = SIMULATED.read_text(encoding="utf-8").partition(SIMULATED_HEADING)
    section, _, _ = behind.partition("\n### ")
    for found in re.finditer(r"^\| (\d+) \| ([\d.]+) \([\d.]+\) \| ([\d.]+) ", section, re.M):
        spacing, light, full = map(float, found.groups())
        yield spacing, light, full


def foretold_rate(spacing: float, megabytes: float) -> float:
    """Per cent of stale blocks of that size with a body of 0.2 MB, by the plan's formula."""
    exposed = exposed_s(SIMULATED_PROOF_S, round((megabytes - BODY_MB) * 1e6))
    return 100 * stale_rate(exposed, spacing)


def large_plans() -> dict[str, Plan]:
    """By name."""
    return {name: planned(NAMED[name], Answer(TOKENS, ANSWERS), SERVER) for name in LARGE}


def _largest(plan: Plan) -> int:
    return max(one.cells.model for one in plan.segments)


def _most_memory(plan: Plan) -> int:
    def memory(one: PlannedSegment) -> int:
        return one.memory_bytes

    return memory(max(plan.segments, key=memory))


def _answering(plan: Plan) -> int:
    return answering_bytes(plan.shape)


def _layer(plan: Plan) -> int:
    layer = cells_of(plan.shape, Segment(0, 1, False, False), plan.answer.rows).model
    return max(layer, plan.shape.vocab * plan.shape.dim)


def _segments_needed(plan: Plan) -> float:
    layer = cells_of(plan.shape, Segment(0, 1, False, False), plan.answer.rows).model
    together = CELLS // layer
    return float("inf") if together == 0 else -(-plan.shape.layers // together) + 1


TABLES: Final[dict[str, Callable[[], Iterator[str]]]] = {
    "beside measurements": compared_table,
    "large shapes": large_table,
    "what is missing": needed_table,
    "rows": rows_table,
    "stale blocks": stale_table,
}


def page(written: str) -> str:
    """The page with its tables made anew."""
    for name, table in TABLES.items():
        begin = BEGIN.format(name)
        before, found, rest = written.partition(begin)
        assert found, f"{PAGE.name} has no place for {name}"
        _, _, after = rest.partition(END)
        written = f"{before}{begin}\n{''.join(table())}\n{END}{after}"
    return written


if __name__ == "__main__":
    if PAGE.exists():
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
