"""One measurement in a process of its own; prints one JSON object. `bench/run.py` calls it.

python -m bench.measure plan MODEL_DIR ROWS
python -m bench.measure prove MODEL_DIR ROWS PROOF_FILE
python -m bench.measure verify PROOF_FILE
python -m bench.measure decode MODEL_DIR
python -m bench.measure engine MODEL_DIR THREADS
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

VERIFICATIONS = 9
WARM_PROOFS = 2
DECODE_POSITIONS = 256
DECODE_ROUNDS = 5
PREFILL_TOKENS = 256
SERVED_TOGETHER = 32
SERVED_TOKENS = 32
_SEED = 7


def peak_mib() -> float:
    """Largest resident size of this program so far, in MiB.

    Not ``ru_maxrss``: that begins with the size of whoever started this process.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not say VmHWM in /proc/self/status")


def prove_once(directory: Path, rows: int, out: Path) -> dict[str, Any]:
    """Prove one sequence that fills `rows` rows, a quarter of them answers; write the proof.

    Returns seconds of loading, of committing to the model (once per model), of the first proof and
    of one more as a miner makes them (inference included in both: later proofs find their memory
    ready), bytes of the proof, and the peak memory of this process in MiB.
    """
    from esper.model import load_model
    from esper.prover import proof_file, prove

    started = time.perf_counter()
    model = load_model(directory)
    loaded = time.perf_counter()
    model_id = model.model_id
    committed = time.perf_counter()
    answer = max(rows // 4, 1)
    chooser = random.Random(_SEED)
    # The last answer is no input: prompt and answer together fill rows + 1 positions.
    prompt = [model.bos, *(chooser.randrange(model.shape.vocab) for _ in range(rows - answer))]
    times = []
    for _ in range(1 + WARM_PROOFS):
        begun = time.perf_counter()
        statement, proof = prove(model, [prompt], max_answer=answer, binding=bytes(64), rows=rows)
        times.append(time.perf_counter() - begun)
    if statement.model_id != model_id:
        raise RuntimeError("the proof is about another model than the one loaded")
    proof_file.write(out, statement, proof)
    return {
        "load_s": loaded - started,
        "commit_s": committed - loaded,
        "first_s": times[0],
        "prove_s": statistics.median(times[1:]),
        "answered": len(statement.sequences[0].answer),
        "proof_bytes": len(proof),
        "peak_mib": peak_mib(),
    }


def planned_once(directory: Path, rows: int) -> dict[str, Any]:
    """Cells of the model and bytes of memory that such a proof is said to take."""
    from esper.model import load_model
    from esper.prover.planning import planned

    model = load_model(directory)
    answer = max(rows // 4, 1)
    plan = planned(model.native, [[model.bos] * (rows - answer + 1)], answer)
    return {"memory_bytes": plan.memory_bytes, "model_cells": plan.model_cells}


def verify_often(file: Path) -> dict[str, Any]:
    """Verify one proof; the first time, and the median of the following, in milliseconds."""
    from esper.prover import proof_file, verify

    statement, proof = proof_file.read(file)
    times = []
    for _ in range(1 + VERIFICATIONS):
        started = time.perf_counter()
        report = verify(statement, proof)
        times.append((time.perf_counter() - started) * 1000)
    return {
        "first_ms": times[0],
        "verify_ms": statistics.median(times[1:]),
        "security_bits": report.security_bits,
        "peak_mib": peak_mib(),
    }


def decode(directory: Path) -> dict[str, Any]:
    """Greedy decoding on one thread, one sequence: both engines by turns in this process.

    The folder holds the integer model and the float checkpoint. Both engines decode as many
    positions as the integer model's answer has. Returns the medians of tokens per second.
    """
    from esper._native import NativeFloatModel, NativeModel
    from esper.model.config import read_config
    from esper.model.exporting.native_calibration import native_config
    from esper.model.importing.weight_files import weight_files

    config = read_config(directory / "config.json")
    integer = NativeModel.load(str(directory))
    floats = NativeFloatModel.load(weight_files(directory), 1, *native_config(config))
    chooser = random.Random(_SEED)
    speeds: dict[str, list[float]] = {"integer": [], "float": []}
    for _ in range(DECODE_ROUNDS):
        prompt = [chooser.randrange(3, integer.shape["vocab"])]
        # This answer also warms the engines' caches; it is not timed.
        length = len(integer.generate([prompt], DECODE_POSITIONS, 1, 1)[0][0])
        floats.generate([prompt], length, config.eos)
        started = time.perf_counter()
        tokens = len(integer.generate([prompt], length, 1, 1)[0][0])
        speeds["integer"].append(tokens / (time.perf_counter() - started))
        started = time.perf_counter()
        tokens = len(floats.generate([prompt], length, config.eos)[0])
        speeds["float"].append(tokens / (time.perf_counter() - started))
    return {name: statistics.median(rounds) for name, rounds in speeds.items()}


def engine(directory: Path, threads: int) -> dict[str, Any]:
    """Tokens per second of the integer engine: one answer, a prompt read, many answers at once.

    What a prompt costs is taken off the answers: each is timed with one token and with many.
    """
    from esper._native import NativeModel

    model = NativeModel.load(str(directory))
    chooser = random.Random(_SEED)

    def prompts(count: int, length: int) -> list[list[int]]:
        vocab = model.shape["vocab"]
        return [[chooser.randrange(3, vocab) for _ in range(length)] for _ in range(count)]

    def seconds(chosen: list[list[int]], answer: int) -> tuple[int, float]:
        started = time.perf_counter()
        answers = model.generate(chosen, answer, 1, threads)
        return sum(len(tokens) for tokens, _ in answers), time.perf_counter() - started

    def rate(chosen: list[list[int]], answer: int) -> float:
        first, begun = seconds(chosen, 1)
        tokens, ended = seconds(chosen, answer)
        return (tokens - first) / (ended - begun)

    speeds: dict[str, list[float]] = {"decode": [], "prefill": [], "together": []}
    for _ in range(DECODE_ROUNDS):
        speeds["decode"].append(rate(prompts(1, 8), SERVED_TOKENS * 2))
        speeds["together"].append(rate(prompts(SERVED_TOGETHER, 8), SERVED_TOKENS))
        speeds["prefill"].append(PREFILL_TOKENS / seconds(prompts(1, PREFILL_TOKENS), 1)[1])
    return {name: statistics.median(rounds) for name, rounds in speeds.items()}


def main(arguments: list[str]) -> None:
    """Run the measurement that the arguments name."""
    kind, *rest = arguments
    if kind == "plan":
        result = planned_once(Path(rest[0]), int(rest[1]))
    elif kind == "prove":
        result = prove_once(Path(rest[0]), int(rest[1]), Path(rest[2]))
    elif kind == "verify":
        result = verify_often(Path(rest[0]))
    elif kind == "decode":
        result = decode(Path(rest[0]))
    elif kind == "engine":
        result = engine(Path(rest[0]), int(rest[1]))
    else:
        raise SystemExit(f"unknown measurement {kind!r}: plan, prove, verify or decode")
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
