"""`esper` of a reporter who says that the model gets one item wrong, or right, that it does not.

python lying_reporter.py dao report …
"""

import sys
from typing import Any

from esper.cli import entry
from esper.model.benchmarks.report import BenchmarkReport


def _main() -> None:
    honest: Any = vars(BenchmarkReport)["bits"]

    def false(report: BenchmarkReport) -> bytes:
        said = honest.__get__(report)
        return bytes((said[0] ^ 1, *said[1:]))

    setattr(BenchmarkReport, "bits", property(false))  # noqa: B010
    sys.argv[0] = "esper"
    entry.esper()


if __name__ == "__main__":
    _main()
