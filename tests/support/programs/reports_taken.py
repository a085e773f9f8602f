"""`esper` and `esperd` where blocks may hold reports on models, which no network has yet.

    python reports_taken.py esper dao list
    python reports_taken.py lying-esper dao report …

The last is a reporter who says that the model gets one item wrong, or right, that it does not.
"""

import sys

from esper.cli import entry
from esper.model.benchmarks.report import BenchmarkReport
from esper.vm.governance import kept


def _main() -> None:
    _, program, *arguments = sys.argv
    kept.REPORTS_TAKEN = True
    if program == "lying-esper":
        honest = BenchmarkReport.bits.fget
        assert honest is not None

        def false(report: BenchmarkReport) -> bytes:
            said = honest(report)
            return bytes((said[0] ^ 1, *said[1:]))

        BenchmarkReport.bits = property(false)  # type: ignore[assignment, method-assign]
    sys.argv = [program.removeprefix("lying-"), *arguments]
    (entry.esperd if program == "esperd" else entry.esper)()


if __name__ == "__main__":
    _main()
