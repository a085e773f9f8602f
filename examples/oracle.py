"""An oracle: it answers a question by a model, and gives a proof instead of its word.

    python examples/oracle.py "Lily saw a big" --into answer.json

The file is all that ``consumer.py`` gets. The oracle cannot choose the answer: the model is fixed
by its 64 bytes, decoding is greedy, every token is proven. All it can do is give no answer.
"""

import argparse
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Answer once; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("question")
    parser.add_argument("--tokens", type=int, default=8, help="longest answer")
    parser.add_argument("--into", type=Path, default=Path("answer.json"), help="file to write")
    parser.add_argument("--final", action="store_true", help="wait until it is deep in the chain")
    chosen = parser.parse_args()
    call = ["esper", "call", chosen.question, "--max-tokens", str(chosen.tokens), "--yes"]
    wait = ["--final"] if chosen.final else []
    # Its own words about what it did, and its status, are good enough for this program.
    return subprocess.run([*call, "--receipt", chosen.into, *wait], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
