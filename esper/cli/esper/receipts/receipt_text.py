"""What `esper verify` says of a receipt: a line a link, and what they amount to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from esper.receipts.verdict import EXIT_PROVEN, Status, Verdict


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """For people."""
    for link in verdict.links:
        yield f"{link.status:<4} {link.name:<8} {link.detail}".rstrip()
    yield verdict_words(verdict)


def verdict_words(verdict: Verdict) -> str:
    """The sentence at the end."""
    if verdict.broken is not None:
        return f"NOT proven: {verdict.broken.name} fails."
    held = "shown" if verdict.status("chain") is Status.OK else "not shown"
    if verdict.exit_code == EXIT_PROVEN:
        return f"The model gives this answer: proven. That the chain holds it: {held}."
    if verdict.status("proof") is Status.ABSENT:
        return "A gateway signed this answer: not proven."
    left = [link.name for link in verdict.links if link.status in (Status.OPEN, Status.ABSENT)]
    return f"Nothing fails, but not everything was shown: {', '.join(left)}."


def verdict_document(verdict: Verdict, *, strict: bool = False) -> dict[str, Any]:
    """For programs."""
    return {
        "exit": verdict.strict_exit_code if strict else verdict.exit_code,
        "links": [
            {"name": link.name, "status": str(link.status), "detail": link.detail}
            for link in verdict.links
        ],
    }
