"""`esper` and `esperd` where blocks may hold reports on models, which no network has yet.

    python reports_taken.py esper dao list
    python reports_taken.py lying-esper dao report …

The last is a reporter who says that the model gets one item wrong, or right, that it does not.
"""

import sys
from typing import Any

from esper.cli import entry
from esper.model.benchmarks.report import BenchmarkReport
from esper.vm.governance import kept


def _main() -> None:
    _, program, *arguments = sys.argv
    kept.REPORTS_TAKEN = True
    if program == "lying-esper":
        honest: Any = vars(BenchmarkReport)["bits"]

        def false(report: BenchmarkReport) -> bytes:
            said = honest.__get__(report)
            return bytes((said[0] ^ 1, *said[1:]))

        setattr(BenchmarkReport, "bits", property(false))  # noqa: B010
    sys.argv = [program.removeprefix("lying-"), *arguments]
    (entry.esperd if program == "esperd" else entry.esper)()


if __name__ == "__main__":
    _main()
