"""One proof in a process of its own, stage by stage: processor seconds and memory, as JSON.

    python -m bench.proof_stages MODEL_DIR ROWS ANSWERS [SEGMENTS]

A stage's seconds are user and system time of the whole process from the end of the stage before:
system time is nearly all the clearing of pages that are touched for the first time. Memory
is what is resident when the stage is over, and at the peak so far. The prompt fills the rows with
random tokens.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

SEED = 7


def processor_seconds() -> tuple[float, float]:
    """User and system time of this process and of its children that have ended."""
    taken = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime for one in taken), sum(one.ru_stime for one in taken)


def resident() -> tuple[int, int]:
    """Bytes that are resident, and the most that were."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = {line.partition(":")[0]: line.split() for line in lines}
    return int(fields["VmRSS"][1]) << 10, int(fields["VmHWM"][1]) << 10


class Stages:
    """Hears of stages, and notes what each took."""

    def __init__(self) -> None:
        self._since, self._began = processor_seconds(), time.perf_counter()
        self.found: list[dict[str, Any]] = []

    def over(self, name: str) -> None:
        """A stage is over."""
        now, elapsed = processor_seconds(), time.perf_counter()
        held, peak = resident()
        self.found.append(
            {
                "stage": name,
                "user_s": round(now[0] - self._since[0], 3),
                "system_s": round(now[1] - self._since[1], 3),
                "elapsed_s": round(elapsed - self._began, 3),
                "resident": held,
                "peak": peak,
            }
        )
        self._since, self._began = now, elapsed


def prompt_of(bos: int, vocab: int, rows: int, answers: int) -> list[int]:
    """Random tokens that fill the rows together with the answer, whose last token is no input."""
    chooser = random.Random(SEED)
    return [bos, *(chooser.randrange(vocab) for _ in range(rows - answers))]


def whole(directory: Path, rows: int, answers: int) -> dict[str, Any]:
    """Prove, then prove and verify once more with the memory there."""
    from esper.model import load_model
    from esper.prover import prove, verify

    stages = Stages()
    model = load_model(directory)
    stages.over("load")
    prompt = prompt_of(model.bos, model.shape.vocab, rows, answers)
    statement, proof = prove(
        model, [prompt], max_answer=answers, binding=bytes(64), rows=rows, done=stages.over
    )
    first = stages.found
    again = Stages()
    if sum(stage["user_s"] for stage in first) < 60:
        prove(model, [prompt], max_answer=answers, binding=bytes(64), rows=rows, done=again.over)
    verified = [verify(statement, proof).milliseconds for _ in range(7)]
    return {
        "proof_bytes": len(proof),
        "answered": len(statement.sequences[0].answer),
        "verify_ms": min(verified),
        "peak": resident()[1],
        "stages": first,
        "warm": again.found,
    }


def in_segments(directory: Path, rows: int, answers: int, segments: int) -> dict[str, Any]:
    """Prove part after part, as `esper prove --segments` does."""
    from esper.model import load_model
    from esper.prover.parts import CutModel, prove_ready, verify_parts

    stages = Stages()
    model = load_model(directory)
    cut = CutModel(directory, model.native, segments)
    stages.over("load")
    prompt = prompt_of(model.bos, model.shape.vocab, rows, answers)
    planned = cut.planned([prompt], answers)
    ready = cut.ready([prompt], max_answer=answers, binding=bytes(64), done=stages.over)
    del model, cut
    statement, proof = prove_ready(ready, done=stages.over)
    verified = [verify_parts(statement, statement.model_id, proof).milliseconds for _ in range(7)]
    return {
        "proof_bytes": len(proof),
        "answered": len(statement.sequences[0].answer),
        "verify_ms": min(verified),
        "peak": resident()[1],
        "planned": planned.memory_bytes,
        "stages": stages.found,
        "warm": [],
    }


def main(arguments: list[str]) -> None:
    """Print what the proof that the arguments name took."""
    directory, rows, answers, *more = arguments
    sizes = (Path(directory), int(rows), int(answers))
    print(json.dumps(in_segments(*sizes, int(more[0])) if more else whole(*sizes)))


if __name__ == "__main__":
    main(sys.argv[1:])
