"""Coverage-guided fuzzing of the network's machines with atheris.

python tests/fuzz/atheris_network_target.py CORPUS [libFuzzer's flags, such as -max_total_time=20]

The first byte of an input chooses what it is given to: the frames of a stream, this node's open
requests, or the multiplexer beside a model of its windows. A Fault is what bytes may come to; any
other error, or a promise that does not hold, is a finding.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# Only what is imported for the first time in here tells libFuzzer where it has been.
with atheris.instrument_imports(include=["esper.p2p", "esper.primitives.codec"]):
    from tests.fuzz.network_inputs import TARGETS

VECTORS = Path(__file__).parents[1] / "vectors" / "network.json"


def one_input(data: bytes) -> None:
    """Give an input to the target that it chooses."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


def write_seeds(corpus: Path) -> None:
    """The golden vectors for each target, in a corpus that has nothing yet."""
    corpus.mkdir(parents=True, exist_ok=True)
    if any(corpus.iterdir()):
        return
    for place, one in enumerate(json.loads(VECTORS.read_bytes())["messages"]):
        for number in range(len(TARGETS)):
            frame = bytes.fromhex(one["frame"])
            stream = bytes([8 | (one["stream"] == "bulk")])
            (corpus / f"{number}-{place}").write_bytes(bytes([number]) + stream + frame)


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    write_seeds(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
