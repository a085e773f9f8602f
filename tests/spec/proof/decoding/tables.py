"""The tables that keys are looked up in (section 8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.spec.proof.decoding.descriptor import Descriptor
from tests.spec.proof.decoding.model_layout import ModelLayout
from tests.spec.proof.parameters import CLASSES, EXP_ENTRIES, RSQRT_FIRST, RSQRT_LAST

UNSIGNED, SIGNED, WIDE_LOW, WIDE_HIGH, NORM, RSQRT, EXP, ZERO, SILU, CLAMP, CLAMP_Z = range(1, 12)


@dataclass(frozen=True, order=True)
class Table:
    """A table by its kind and parameter, which also order the tables of a proof."""

    kind: int
    parameter: int = 0

    @property
    def tag(self) -> int:
        return (self.kind << 16) + self.parameter


@dataclass(frozen=True)
class Entries:
    """A table's entries: public integers, and for some a second column in the model."""

    keys: range
    second: list[int] | None = None
    third: list[int] | None = None
    model_start: int | None = None
    """First cell of the second column in the model polynomial, if it is there."""


def unsigned(bits: int) -> Table:
    return Table(UNSIGNED, bits)


def signed(bits: int) -> Table:
    return Table(SIGNED, bits)


def clamp(name: str, bits: int) -> Table:
    """The table of f at sites of a class, which are so many bits wide."""
    return Table(CLAMP_Z, bits) if name == "z" else Table(CLAMP, CLASSES.index(name))


def top(bits: int) -> int:
    """Mx: the largest signed value of a width."""
    return (1 << (bits - 1)) - 1


def entries(table: Table, d: Descriptor, layout: ModelLayout) -> Entries:
    """What a table holds."""
    bits = table.parameter
    match table.kind:
        case 1:
            return Entries(range(1 << bits))
        case 2:
            return Entries(range(-top(bits), top(bits) + 1))
        case 3:
            return Entries(range((1 << bits // 2) + 1))
        case 4:
            return Entries(range((1 << bits // 2) - 1))
        case 5:
            keys = range(d.emin, d.emax + 1)
            squares = [1 << (2 * e - 10 + d.t0) for e in keys]
            return Entries(keys, squares, [1 << (d.emax - e) for e in keys])
        case 6:
            return Entries(range(RSQRT_FIRST, RSQRT_LAST + 1), model_start=layout.rsqrt)
        case 7:
            return Entries(range(1, EXP_ENTRIES + 1), model_start=layout.exp)
        case 8:
            return Entries(range(1))
        case 9:
            gate = top(d.layers[table.parameter].gate_bits)
            return Entries(range(-gate, gate + 1), model_start=layout.silu[table.parameter])
        case 10 | 11:
            reach = d.reach[CLASSES[bits]] if table.kind == CLAMP else d.z_reach(bits)
            keys = range(-reach, reach + 1)
            return Entries(keys, [(key > 0) - (key < 0) for key in keys])
        case _:
            raise AssertionError(f"there is no table of kind {table.kind}")


def of_a_proof(used: Iterable[Table]) -> list[Table]:
    """ZERO and all that a lookup uses, each once, in order."""
    return sorted({Table(ZERO), *used})
