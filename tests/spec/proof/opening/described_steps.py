"""The seed that a described protocol absorbs before its first step.

A protocol is described by its steps in a fixed text, whose Keccak-256 enters the seed together with
the protocol's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from tests.spec.proof.arithmetic.transcript import Transcript
from tests.spec.proof.opening.keccak import keccak_256
from tests.spec.proof.parameters import MODULUS

_ID_BYTES = 64
_NO_LABEL = bytes(4)
"""The length of a label for numbers that change no step: there are none."""
_END = 0x80
_CUBIC_BASIS = keccak_256(b"p3-power-basis-v1:X^3-X-1").hex()
_EXTENSION = f"Algebra({MODULUS}^3;{_CUBIC_BASIS})"


@dataclass(frozen=True)
class Step:
    """One line of a description."""

    hierarchy: str
    kind: str
    label: str
    length: str
    values: str

    def text(self) -> str:
        label = f"{len(self.label)} {self.label}"
        return f"{self.hierarchy} {self.kind} {label} {self.length} {self.values}"


def _length(count: int | None) -> str:
    return "Scalar" if count is None else f"Fixed({count})"


def message(label: str, count: int | None = None) -> Step:
    """Extension elements that are absorbed."""
    return Step("Atomic", "Message", label, _length(count), _EXTENSION)


def challenge(label: str, count: int | None = None) -> Step:
    """Extension elements that are drawn."""
    return Step("Atomic", "Challenge", label, _length(count), _EXTENSION)


def bracket(label: str, inside: Sequence[Step] = ()) -> list[Step]:
    """Steps between an opener and a closer."""
    begin, end = (
        Step(hierarchy, "Protocol", label, "None", "Marker") for hierarchy in ("Begin", "End")
    )
    return [begin, *inside, end]


@cache
def fingerprint(steps: tuple[Step, ...]) -> bytes:
    """Keccak-256 of the text of the steps."""
    width = len(str(max(len(steps) - 1, 0)))
    lines = [f"Plonky3 Fiat-Shamir Transcript ({len(steps)} interactions)"]
    depth = 0
    for position, step in enumerate(steps):
        if step.hierarchy == "End":
            depth -= 1
        lines.append(f"{position:0{width}} {'  ' * depth}{step.text()}")
        if step.hierarchy == "Begin":
            depth += 1
    return keccak_256("".join(line + "\n" for line in lines).encode())


def seed(
    transcript: Transcript,
    name: bytes,
    version: int,
    steps: Sequence[Step],
) -> None:
    """Absorb the seed of a described protocol."""
    identity = (bytes([version]) + name).ljust(_ID_BYTES - 1, b"\0") + bytes([len(name)])
    data = identity + fingerprint(tuple(steps)) + _NO_LABEL + bytes([_END])
    # The length is one element here, where a string absorbs two.
    transcript.base(len(data))
    transcript.packed(data)
