"""Units and widths of the residual stream, chosen so that its worst case fits the format.

The stream is a sum of updates, and a norm squares it: how fine its units may be follows from how
wide the updates are. Models with massive activations write one value thousands of times as large
as the others; they take coarser units, and where even those are too fine, less room.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from esper.model.bounds import first_exceeded, norm_exponent, residual_bounds, width_top
from esper.model.config import Shape
from esper.model.errors import ResidualTooWideError, ScaleOutOfRangeError
from esper.model.exporting.calibration import Spread

_FINE_FRACTION: Final = 10
"""Fraction bits of ordinary models."""
_COARSE_FRACTIONS: Final = (8, 9, 7, 6, 5, 4)
"""Fraction bits where some update is massive, in the order they are tried. Eight lose nothing that
was ever measured; nine are for norms whose smallest sum of squares would be too small at eight."""
_ROOMS: Final = (4.0, 2.0, 1.25)
"""Room of an update over the largest that calibration saw, in the order they are tried."""
_ORDINARY_UPDATE_BITS: Final = 20
"""Above this width of any update the residual stream counts as wide."""
_WIDEST_UPDATE: Final = 26
_SMALLEST_EXPONENT: Final = 5
_UPDATE_SITES: Final = ("attention_update", "feed_forward_update")


@dataclass(frozen=True, slots=True)
class ResidualPlan:
    """Units, widths and constants of the residual stream."""

    frac_bits: int
    """Fraction bits."""
    room: float
    """Least room of an update over the largest that calibration saw."""
    widths: tuple[tuple[int, int], ...]
    """Bits of the attention and the feed-forward update of each layer."""
    eps_term: int
    """Added to every sum of squares."""
    emax: int
    """Largest exponent of a norm's sum of squares, in powers of four."""

    @property
    def wide(self) -> bool:
        """Whether some update is massive."""
        return max(map(max, self.widths)) > _ORDINARY_UPDATE_BITS


def plan_residual(
    shape: Shape,
    norm_eps: float,
    embedding_top: float,
    layers: Sequence[Mapping[str, Spread]],
) -> ResidualPlan:
    """The first plan whose worst cases fit: fine units, then coarser ones, then less room.

    Args:
        shape: sizes of the model.
        norm_eps: constant under the square root of its norms.
        embedding_top: largest absolute entry of the embedding.
        layers: what calibration saw, by site.

    Raises:
        ScaleOutOfRangeError: a constant of the norm is below what the format has.
        ResidualTooWideError: no plan fits, with the largest updates and their layers.
    """
    reason = ""
    for room, frac_bits in _choices():
        widths = tuple(_widths(sites, room, frac_bits) for sites in layers)
        widest = max(map(max, widths))
        if frac_bits == _FINE_FRACTION and widest > _ORDINARY_UPDATE_BITS:
            continue
        if widest > _WIDEST_UPDATE:
            reason = f"an update needs {widest} bits, the most are {_WIDEST_UPDATE}"
            continue
        eps_term = _round(Fraction(norm_eps) * shape.dim * (1 << (2 * frac_bits)))
        if eps_term < 1:
            if frac_bits == _FINE_FRACTION:
                raise ScaleOutOfRangeError("model", "eps_term", eps_term, "at least 1")
            continue
        top = round(math.ldexp(embedding_top, frac_bits)) + sum(
            width_top(bits) for pair in widths for bits in pair
        )
        emax = norm_exponent(shape.dim, top, eps_term)
        if emax < _SMALLEST_EXPONENT:
            raise ScaleOutOfRangeError("model", "emax", emax, f"at least {_SMALLEST_EXPONENT}")
        exceeded = first_exceeded(residual_bounds(shape.dim, top, eps_term, emax))
        if exceeded is None:
            return ResidualPlan(frac_bits, room, widths, eps_term, emax)
        reason = f"'{exceeded.name}' reaches {exceeded.value.bit_length()} bits"
    raise ResidualTooWideError(_largest_updates(layers), reason)


def _choices() -> Iterator[tuple[float, int]]:
    yield _ROOMS[0], _FINE_FRACTION
    for room in _ROOMS:
        for frac_bits in _COARSE_FRACTIONS:
            yield room, frac_bits


def _widths(sites: Mapping[str, Spread], room: float, frac_bits: int) -> tuple[int, int]:
    first, second = (_update_bits(sites[site].absmax, room, frac_bits) for site in _UPDATE_SITES)
    return first, second


def _update_bits(absmax: float, room: float, frac_bits: int) -> int:
    """Smallest even width from 16 that leaves the room; what passes every width is 64."""
    wanted = math.ldexp(room * absmax, frac_bits)
    return next((bits for bits in range(16, 64, 2) if width_top(bits) >= wanted), 64)


def _round(value: Fraction) -> int:
    """Nearest integer, halves up."""
    return math.floor(value + Fraction(1, 2))


def _largest_updates(layers: Sequence[Mapping[str, Spread]]) -> list[tuple[int, float]]:
    """The three layers that write most, with what they write."""
    tops = [max(sites[site].absmax for site in _UPDATE_SITES) for sites in layers]
    order = sorted(range(len(tops)), key=lambda index: -tops[index])
    return [(index, tops[index]) for index in order[:3]]
