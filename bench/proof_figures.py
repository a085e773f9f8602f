"""Measure proofs of models of all sizes and write bench/PROOFS.md and its plot: `make bench-proof`.

Each measurement runs in a fresh process. What does not fit into memory is not tried and said.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "bench" / "PROOFS.md"
PLOT: Final = ROOT / "bench" / "proof_growth.svg"
MODELS_PLOT: Final = ROOT / "bench" / "proof_models.svg"
SMOLLM2: Final = ROOT / "models" / "smollm2"

sys.path.insert(0, str(ROOT))

from bench.random_checkpoint import STORIES_15M, write_random_model  # noqa: E402
from bench.run import GENESIS, machine, measured, medians, row, shared_models  # noqa: E402
from bench.spread_plot import draw  # noqa: E402
from esper.model.config import Shape  # noqa: E402
from esper.prover.free_memory import free_memory  # noqa: E402

SHAPE_110M: Final = Shape(
    vocab=32000, dim=768, hidden=2048, layers=12, heads=12, kv_heads=12, head_dim=64, max_seq=512
)
ROWS: Final = (16, 64, 256)
THREADS: Final = (1, 2)
FEW_RUNS_FROM: Final = 50_000_000
"""Cells of a model from which one run has to do: minutes each."""
SPARE: Final = 1.05
"""Of the memory that a proof is said to take; more than that has to be free."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to prove."""

    name: str
    directory: Path
    parameters: int
    """Cells of its polynomial."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one row of the table says, medians of its runs."""

    subject: Subject
    rows: int
    threads: int
    commit_s: float
    first_s: float
    prove_s: float
    peak_mib: float
    proof_kib: float
    cold_ms: float
    verify_ms: float
    security_bits: float

    def line(self) -> str:
        """The row."""
        return row(
            self.subject.name,
            str(self.rows),
            str(self.threads),
            f"{self.commit_s:.2f}",
            f"{self.first_s:.2f}",
            f"{self.prove_s:.2f}",
            f"{self.peak_mib / 1024:.2f}",
            f"{self.proof_kib:,.0f}",
            f"{self.cold_ms:.1f}",
            f"{self.verify_ms:.1f}",
            f"{self.security_bits:.1f}",
        )


HEAD: Final = (
    *("model", "rows", "threads", "commit, s", "first, s", "next, s", "GiB", "KiB"),
    *("verify cold, ms", "warm, ms", "bits"),
)


def subjects(folder: Path, only: str) -> Iterator[tuple[str, Path]]:
    """Names with ``only`` in them, and folders of models that are here, or are made here."""
    yield from (one for one in _models_here() if only in one[0])
    for name, shape in (("15M shape", STORIES_15M), ("110M shape", SHAPE_110M)):
        if only in name:
            made = folder / name.split()[0]
            write_random_model(made, shape, gate_bits=12)
            yield name, made
    if only in "SmolLM2-135M" and (SMOLLM2 / "g16.safetensors").is_file():
        yield "SmolLM2-135M", SMOLLM2


def _models_here() -> Iterator[tuple[str, Path]]:
    yield "genesis", GENESIS
    shared = shared_models()
    if shared is not None:
        yield "stories260K", shared / "stories260K"


def figures(subject: Subject, rows: int, threads: int, folder: Path) -> Figures:
    """Prove and verify in processes of their own."""
    file = folder / f"{subject.name.replace(' ', '-')}-{rows}.proof"
    runs = 1 if subject.parameters >= FEW_RUNS_FROM else 3
    arguments = ("prove", str(subject.directory), str(rows), str(file))
    prove = medians([measured(*arguments, threads=threads) for _ in range(runs)])
    verify = medians([measured("verify", str(file), threads=1) for _ in range(3)])
    return Figures(
        subject=subject,
        rows=rows,
        threads=threads,
        commit_s=prove["commit_s"],
        first_s=prove["first_s"],
        prove_s=prove["prove_s"],
        peak_mib=prove["peak_mib"],
        proof_kib=prove["proof_bytes"] / 1024,
        cold_ms=verify["first_ms"],
        verify_ms=verify["verify_ms"],
        security_bits=verify["security_bits"],
    )


def plot(found: list[Figures], threads: int) -> str:
    """Growth of time and size with the rows, at so many threads."""
    mine = [one for one in found if one.threads == threads]
    names = list(dict.fromkeys(one.subject.name for one in mine))
    small = [name for name in names if all(o.prove_s < 20 for o in mine if o.subject.name == name)]

    def curves(of: str, chosen: list[str]) -> list[tuple[str, list[float]]]:
        return [
            (name, [getattr(one, of) for one in mine if one.subject.name == name])
            for name in chosen
        ]

    rows = [count for count in ROWS if any(one.rows == count for one in mine)]
    return draw(
        rows,
        [
            ("seconds of a proof, smaller models", curves("prove_s", small)),
            ("seconds of a proof, all", curves("prove_s", names)),
            ("KiB of a proof", curves("proof_kib", names)),
            ("ms to verify", curves("verify_ms", names)),
        ],
        unit="rows",
    )


def plot_models(found: list[Figures], threads: int) -> str:
    """Growth of time and size with the model, at so many threads; the models stand a step apart."""
    mine = [one for one in found if one.threads == threads]
    cells = sorted({one.subject.parameters for one in mine})

    def curves(of: str) -> list[tuple[str, list[float]]]:
        """One for each number of rows that all models were proven at."""
        by_rows = {
            rows: [getattr(one, of) for size in cells for one in mine
                   if (one.subject.parameters, one.rows) == (size, rows)]
            for rows in ROWS
        }  # fmt: skip
        return [(f"{rows} rows", v) for rows, v in by_rows.items() if len(v) == len(cells)]

    titles = (
        ("prove_s", "seconds of a proof"),
        ("proof_kib", "KiB of a proof"),
        ("verify_ms", "ms to verify"),
    )
    return draw(cells, [(title, curves(of)) for of, title in titles], unit="cells")


def growth(found: list[Figures], threads: int) -> list[str]:
    """Proofs of 64 rows against the cells of the model."""
    lines = [row("model", "cells", "seconds", "µs a cell", "KiB", "ms"), row(*["---"] * 6)]
    for one in found:
        if one.rows == 64 and one.threads == threads:
            cells = one.subject.parameters
            lines.append(
                row(
                    one.subject.name,
                    f"{cells:,}",
                    f"{one.prove_s:.2f}",
                    f"{1e6 * one.prove_s / cells:.2f}",
                    f"{one.proof_kib:,.0f}",
                    f"{one.verify_ms:.1f}",
                )
            )
    return lines


def engine_rows(directories: dict[str, Path]) -> Iterator[str]:
    """Tokens per second of the engine, each model on one thread and on two."""
    yield row("model", "threads", "one answer", "32 at once", "256 tokens read")
    yield row(*["---"] * 5)
    for name, directory in directories.items():
        for threads in THREADS:
            speed = measured("engine", str(directory), str(threads))
            cells = (f"{speed[key]:,.0f}" for key in ("decode", "together", "prefill"))
            yield row(name, str(threads), *cells)


def report(only: str) -> str:
    """Measure, draw the plot of all models, and return the text of the page."""
    found: list[Figures] = []
    left: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        directories = dict(subjects(folder, only))
        speeds = list(engine_rows(directories))
        print(*speeds, sep="\n", flush=True)
        for name, directory in directories.items():
            for rows in ROWS:
                plan = measured("plan", str(directory), str(rows), threads=1)
                needs, free = plan["memory_bytes"], free_memory() or 0
                if needs * SPARE > free:
                    left.append(
                        f"{name} at {rows} rows: takes {needs / 2**30:.1f} GiB, "
                        f"{free / 2**30:.1f} were free."
                    )
                    continue
                subject = Subject(name, directory, int(plan["model_cells"]))
                for threads in THREADS:
                    found.append(figures(subject, rows, threads, folder))
                    print(found[-1].line(), flush=True)
    if not only:
        PLOT.write_text(plot(found, THREADS[-1]), encoding="utf-8")
        MODELS_PLOT.write_text(plot_models(found, THREADS[-1]), encoding="utf-8")
    return "\n".join(
        [
            "# Proofs, measured by `make bench-proof`",
            "",
            *machine(),
            "- fresh processes, the median of three, one from 50 million cells on; other load is",
            "  not kept away",
            "",
            "One sequence that fills the rows, a quarter of them answer tokens. *Commit* happens",
            "once per model and process; the *first* proof of a process also finds its memory, the",
            "*next* ones have it. Memory is the peak of the whole process, interpreter and engine",
            "included. Verification is on one thread and needs no weights: the first call of a",
            "process, and the median of the calls that follow.",
            "",
            row(*HEAD),
            row(*["---"] * len(HEAD)),
            *(one.line() for one in found),
            "",
            *([*left, ""] if left else []),
            "## Growth with the model, 64 rows",
            "",
            *growth(found, THREADS[-1]),
            "",
            "![growth with rows](proof_growth.svg)",
            "",
            "![growth with the model](proof_models.svg)",
            "",
            "## The engine, tokens a second",
            "",
            *speeds,
            "",
        ]
    )


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="models with this in their names; page and plot stay as they are"
    )
    only = parser.parse_args().only
    text = report(only)
    if not only:
        PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
