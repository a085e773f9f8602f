"""`esper` and `esperd` where blocks may hold hidden sets, which no network has yet.

python hidden_sets_taken.py esper dao curate list
"""

import sys

from esper.cli import entry
from esper.vm.governance import kept


def _main() -> None:
    _, program, *arguments = sys.argv
    kept.HIDDEN_SETS_TAKEN = True
    sys.argv = [program, *arguments]
    (entry.esperd if program == "esperd" else entry.esper)()


if __name__ == "__main__":
    _main()
