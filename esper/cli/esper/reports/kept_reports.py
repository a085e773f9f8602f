"""What a reporter keeps to prove items later: the suite, and which models were asked.

DATADIR/reports/TXID/suite        the suite, as `esper bench-model --write-suite` writes it
DATADIR/reports/TXID/asked.json   the folders of the model and of the judge
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from esper.cli.esper.models.out_file import write_out
from esper.model.benchmarks.suite_file import suite_bytes
from esper.model.files.json_file import open_ordinary, read_up_to
from esper.wallet.errors import MisuseError

if TYPE_CHECKING:
    from esper.model.benchmarks.tokenised import TokenSuite

FOLDER: Final = "reports"
SUITE: Final = "suite"
ASKED: Final = "asked.json"
MOST_BYTES: Final = 1 << 16
"""Of the paths."""


class Asked(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which models were asked."""

    model: str
    """Absolute path of the folder."""
    judge: str | None
    """The same of who compares, for judged suites."""


def keep(datadir: Path, report: str, suite: TokenSuite, asked: Asked) -> Path:
    """Write what proving needs; ``report`` is the txid in hexadecimal. The folder.

    Raises OSError and OutFileError.
    """
    folder = datadir / FOLDER / report
    folder.mkdir(parents=True, exist_ok=True)
    write_out(folder / SUITE, suite_bytes(suite), force=True)
    write_out(folder / ASKED, msgspec.json.encode(asked), force=True)
    return folder


def kept(datadir: Path, report: str) -> tuple[Path, Asked]:
    """The suite's file and the models of a report. Raises MisuseError where nothing was kept."""
    folder = datadir / FOLDER / report
    remedy = "name the model's folder and --suite FILE"
    if not folder.is_dir():
        raise MisuseError(f"report {report[:16]}… was not made here: {remedy}")
    try:
        with open_ordinary(folder / ASKED, remedy) as file:
            asked = msgspec.json.decode(read_up_to(file, MOST_BYTES), type=Asked)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MisuseError(f"{folder / ASKED} is damaged ({error}): {remedy}") from error
    return folder / SUITE, asked
