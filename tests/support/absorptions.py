"""What a verifier absorbs and draws, in order, as lines of text."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import groupby
from types import ModuleType
from typing import Any, Final
from unittest import mock

from esper.prover import Statement
from tests.spec.proof import verifier
from tests.spec.proof.arithmetic.transcript import Transcript

_STEPS: Final[dict[str, Callable[..., str]]] = {
    "string": lambda value: f"absorb {len(value)} bytes",
    "packed": lambda value: f"absorb {len(value)} packed bytes",
    "u64": lambda value: f"absorb u64 {value}",
    "base": lambda _: "absorb element",
    "ext": lambda _: "absorb extension element",
    "draw": lambda: "draw extension element",
    "index": lambda width: f"draw index of {width} bits",
    "work_is_done": lambda width, _: f"work of {width} bits",
}
"""Methods of the transcript that change it, and what each does; one within another is its part."""


def absorptions(statement: Statement, proof: bytes) -> list[str]:
    """The steps of one verification; equal ones that follow each other are counted."""
    return steps_of(verifier, lambda: verifier.verify(statement, proof))


def steps_of(module: ModuleType, verify: Callable[[], None]) -> list[str]:
    """The same of what a module's own transcript takes in while ``verify`` runs."""
    steps: list[str] = []
    depth = 0

    def told(name: str, line: Callable[..., str]) -> Callable[..., Any]:
        plain = getattr(Transcript, name)

        @wraps(plain)
        def method(self: Transcript, *arguments: Any) -> Any:
            nonlocal depth
            if depth == 0:
                steps.append(line(*arguments))
            depth += 1
            try:
                return plain(self, *arguments)
            finally:
                depth -= 1

        return method

    recorder = type("Recorder", (Transcript,), {n: told(n, line) for n, line in _STEPS.items()})
    with mock.patch.object(module, "Transcript", recorder):
        verify()
    counted = ((step, sum(1 for _ in same)) for step, same in groupby(steps))
    return [step if count == 1 else f"{step}, {count} times" for step, count in counted]
