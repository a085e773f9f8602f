"""Coverage-guided fuzzing of JSON-RPC dispatch with atheris.

python tests/fuzz/atheris_rpc_target.py CORPUS [libFuzzer's flags, such as -max_total_time=20]

An input is a body; a caller with the token sends it. An incident is a finding.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# Only what is imported for the first time in here tells libFuzzer where it has been.
with atheris.instrument_imports(include=["esper.rpc", "esper.http", "json"]):
    from tests.fuzz.test_rpc_fuzz import answer_to, check_answer

from esper.rpc.methods import METHODS


def one_input(data: bytes) -> None:
    """Answer a body."""
    check_answer(answer_to(data))


def write_seeds(corpus: Path) -> None:
    """An honest request for each method, in a corpus that has nothing yet."""
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        for name, method in METHODS.items():
            body = {"jsonrpc": "2.0", "method": name, "params": method.example.params, "id": 1}
            (corpus / name).write_bytes(json.dumps(body).encode())


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    write_seeds(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
