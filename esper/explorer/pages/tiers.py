"""Plots of the chain, and the same numbers in a table."""

from dataclasses import dataclass
from typing import Final

from esper.explorer import visible as v
from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m
from esper.rpc import schema as s

POINTS: Final = 120
"""Of a plot, and rows of the table."""
SPANS: Final = {"120": 120, "1000": 1_000, "10000": 10_000, "all": 0}
"""Blocks to choose from; 0: all there are."""
WINDOW: Final = 10
"""Points that usefulness is told over."""


@dataclass(frozen=True, slots=True)
class TierRow:
    """A point as it is plotted and written."""

    point: s.StatisticsPoint
    """As the node has it."""
    spacing_s: float | None
    """Seconds a block since the point before; None for the first."""
    log_target: float
    """Base-2 logarithm."""
    weight: float
    """Of the whole chain, in genesis' tickets."""
    usefulness: float | None
    """Percent, over the last points of known tokens; None where none is known."""


async def tiers(reader: ChainReader, asking: Asking) -> Page:
    """``?span=`` of the last blocks. Raises RpcError."""
    given = asking.query.get("span", "120")
    chosen = given if given in SPANS else "120"
    tip = (await reader.ask(m.GET_STATUS)).height
    span = SPANS[chosen] or tip + 1
    start = max(0, tip - span + 1)
    step = max(1, -(-(tip - start + 1) // POINTS))
    found = await reader.ask(m.GET_STATISTICS, **{"from": start, "to": tip, "step": step})
    values = {
        "rows": rows_of(found.points),
        "step": found.step,
        "spacing_ms": found.spacing_ms,
        "spans": list(SPANS),
        "chosen": chosen,
        "settings": await reader.ask(m.DAO_SETTINGS),
    }
    return Page("tiers.html", "Tiers and work", values)


def rows_of(points: list[s.StatisticsPoint]) -> list[TierRow]:
    """What is plotted, by height."""
    rows = []
    for index, point in enumerate(points):
        before = points[index - 1] if index else None
        rows.append(
            TierRow(
                point,
                _spacing_s(before, point),
                round(v.log_target(point.target), 3),
                int(point.weight) / 65_536,
                _usefulness(points[max(0, index - WINDOW + 1) : index + 1]),
            )
        )
    return rows


def _spacing_s(before: s.StatisticsPoint | None, point: s.StatisticsPoint) -> float | None:
    # The genesis' time is a parameter, which may lie years before the first block.
    if before is None or before.height == 0:
        return None
    return (point.time_ms - before.time_ms) / 1000 / (point.height - before.height)


def _usefulness(points: list[s.StatisticsPoint]) -> float | None:
    paid = sum(one.paid_tokens or 0 for one in points)
    proven = sum(one.proven_tokens or 0 for one in points)
    return round(100 * paid / proven, 2) if proven else None
