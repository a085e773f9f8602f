"""The parameters that a vote may move, how far, and what then holds.

A setting is a number under a key. Its bounds are parts of what the network began with, so no row
of votes leads beyond them; one vote at most doubles or halves it; and a key rests for four vote
windows after it moved. Everything else of the parameters is out of reach of votes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from esper.primitives.params import NetworkParameters

REST_WINDOWS: Final = 4
"""Vote windows for which a key rests after it moved."""
HIGHEST_FIRST_THRESHOLD: Final = 100
"""Greatest threshold of hidden sets, per mille, while there was none: 0 cannot double."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A parameter that votes may move."""

    key: int
    """Its number on the wire."""
    name: str
    """Its field."""
    group: str
    """The group of ``NetworkParameters`` that holds it."""
    least: Fraction
    """Lower bound in parts of genesis', or the bound itself if ``absolute``."""
    most: Fraction
    """Upper bound, alike."""
    absolute: bool = False
    power_of_two: bool = False

    def of(self, params: NetworkParameters) -> int:
        """Its value."""
        value: int = getattr(getattr(params, self.group), self.name)
        return value

    def bounds(self, genesis: NetworkParameters) -> tuple[int, int]:
        """Least and greatest value on a network that began so, both allowed."""
        unit = 1 if self.absolute else self.of(genesis)
        return -(-unit * self.least // 1), unit * self.most // 1

    def takes(self, value: int, genesis: NetworkParameters) -> bool:
        """Whether a value lies within the bounds."""
        least, most = self.bounds(genesis)
        shaped = not self.power_of_two or value & (value - 1) == 0
        return least <= value <= most and shaped


def _row(
    key: int, group: str, name: str, least: Fraction | int, most: int, **kind: bool
) -> Setting:
    return Setting(key, name, group, Fraction(least), Fraction(most), **kind)


_QUARTER: Final = Fraction(1, 4)
_HALF: Final = Fraction(1, 2)
_TENTH: Final = Fraction(1, 10)

SETTINGS: Final[Mapping[int, Setting]] = MappingProxyType(
    {
        row.key: row
        for row in (
            _row(1, "credits", "per_block", _QUARTER, 4),
            _row(2, "credits", "rate_per_staked_unit", _QUARTER, 4),
            _row(3, "reward", "bonus_credit_cap", _QUARTER, 4),
            _row(4, "credits", "starting_allowance", _QUARTER, 4),
            _row(5, "calls", "inline_answer_bytes", _QUARTER, 4),
            _row(6, "credits", "minimum_bid", _TENTH, 1000),
            _row(7, "calls", "rows_per_call", _HALF, 4, power_of_two=True),
            _row(8, "calls", "rows_per_group", _HALF, 4, power_of_two=True),
            _row(9, "calls", "groups_per_block", _HALF, 3),
            _row(10, "calls", "lane_expiry_blocks", _HALF, 4),
            _row(11, "limits", "base_fee", _TENTH, 100),
            _row(12, "limits", "fee_per_byte", _TENTH, 100),
            _row(13, "limits", "dust", _TENTH, 100),
            _row(14, "governance", "penalty", _TENTH, 100),
            _row(15, "governance", "proving_cost_limit", _HALF, 16),
            _row(16, "governance", "hidden_threshold_per_mille", 0, 800, absolute=True),
            _row(17, "governance", "report_samples", 1, 8, absolute=True),
            _row(18, "governance", "hidden_samples", 1, 8, absolute=True),
        )
    }
)
"""By key."""
ROWS_KEY: Final = 7
THRESHOLD_KEY: Final = 16


def steps_far(setting: Setting, old: int, new: int) -> bool:
    """Whether one vote may not take a setting from ``old`` to ``new``."""
    if setting.key == THRESHOLD_KEY and old == 0:
        return new > HIGHEST_FIRST_THRESHOLD
    return new > 2 * old or 2 * new < old


def with_settings(
    params: NetworkParameters, values: Iterable[tuple[int, int]]
) -> NetworkParameters:
    """The parameters with these (key, value) pairs in force. Raises KeyError for unknown keys."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in values:
        setting = SETTINGS[key]
        groups.setdefault(setting.group, {})[setting.name] = value
    changed = {group: replace(getattr(params, group), **fields) for group, fields in groups.items()}
    return replace(params, **changed) if changed else params


def calls_fit(params: NetworkParameters) -> bool:
    """Whether a call of full length has room in a group."""
    return params.calls.rows_per_call <= params.calls.rows_per_group
