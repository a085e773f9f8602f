"""Frequencies of the rotary position code: plain, or scaled in a way that tables can hold.

A scaled frequency is again one number for each pair, the same at every position and for every
length of text, and its cosine and sine stay within 1. So the integer model holds it exactly as it
holds a plain one: in its tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

_DIGITS: Final = 80
_PI: Final = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534"
)


@dataclass(frozen=True, slots=True)
class LinearScaling:
    """``linear``: positions lie closer together."""

    factor: float
    """Divides every frequency; above 1."""


@dataclass(frozen=True, slots=True)
class Llama3Scaling:
    """``llama3``: slow frequencies become slower, fast ones stay, those between are blended."""

    factor: float
    """Divides the frequencies that are slow; above 1."""
    low_freq_factor: float
    """Turns within ``original_length`` up to which a frequency is slow; above 0."""
    high_freq_factor: float
    """Turns within ``original_length`` from which it stays as it is; above the other."""
    original_length: int
    """Tokens of the longest text before the model was stretched."""


RopeScaling = LinearScaling | Llama3Scaling


def scaled_frequency(frequency: Decimal, scaling: RopeScaling | None) -> Decimal:
    """The frequency of one pair, radians a position, to 80 digits.

    Args:
        frequency: of the plain code.
        scaling: None for the plain code.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        match scaling:
            case None:
                return frequency
            case LinearScaling(factor):
                return frequency / Decimal(factor)
            case Llama3Scaling(factor, slow, fast, length):
                turns = length * frequency / (2 * _PI)
                low, high = Decimal(slow), Decimal(fast)
                kept = min(max((turns - low) / (high - low), Decimal(0)), Decimal(1))
                return frequency * (kept + (1 - kept) / Decimal(factor))
