"""Coverage-guided fuzzing of every decoder with atheris, which is libFuzzer for Python.

python tests/fuzz/atheris_target.py CORPUS [libFuzzer's flags, such as -max_total_time=20]

The first byte of an input chooses the decoder, the rest is what it is given; an empty corpus is
filled with the honest examples first. libFuzzer ends the process itself: status 0 when its time is
over, 77 when a decoder let another error out, whose input it then writes to -artifact_prefix.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# Only what is imported for the first time in here tells libFuzzer where it has been.
with atheris.instrument_imports(include=["esper", "tests.spec.codec_reference"]):
    from tests.fuzz.decoders import Decoder, check, table

TABLE = table()


def one_input(data: bytes) -> None:
    """Give an input to the decoder that it chooses."""
    if data:
        check(TABLE[data[0] % len(TABLE)], data[1:])


def write_seeds(corpus: Path, decoders: tuple[Decoder, ...] = TABLE) -> None:
    """An honest example for each decoder, in a corpus that has nothing yet."""
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        for number, decoder in enumerate(decoders):
            (corpus / decoder.name).write_bytes(bytes([number]) + decoder.honest)


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    assert len(TABLE) <= 256
    write_seeds(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
