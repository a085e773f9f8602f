"""A suite in a file: its items with what they were made from, in the codec of the chain.

The file says everything that asking and proving need, without a tokenizer. Whether it is the suite
of a text, whoever has both makes it again and compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from esper.dao.benchmarks.item import ITEM, items_root
from esper.dao.benchmarks.suite import SUITE
from esper.dao.model_rules import MOST_ITEMS
from esper.model.benchmarks.errors import SuiteFileError
from esper.model.benchmarks.tokenised import TokenSuite
from esper.model.files.json_file import open_ordinary, read_up_to
from esper.primitives.codec import Array, CodecError, FixedBytes, Record, array_head, decode, encode
from esper.primitives.hashing import HASH_BYTES

MAX_SUITE_BYTES: Final = 128 << 20
SUITE_FILE: Final = Record(
    TokenSuite,
    1,
    (
        ("text", FixedBytes(HASH_BYTES)),
        ("suite", SUITE),
        ("items", Array(ITEM, MOST_ITEMS)),
    ),
)
_HEAD: Final = array_head(1 + len(SUITE_FILE.fields))
_REMEDY: Final = "name the text of a benchmark, or a file that --write-suite wrote"


def suite_bytes(suite: TokenSuite) -> bytes:
    """The bytes of a suite's file."""
    return encode(SUITE_FILE, suite)


def decode_suite(data: bytes, path: Path) -> TokenSuite:
    """A suite from its bytes; ``path`` is for the message. Raises SuiteFileError."""
    try:
        found: TokenSuite = decode(SUITE_FILE, data, limit=MAX_SUITE_BYTES, what="suite")
    except (CodecError, ValueError) as error:
        raise SuiteFileError(path, f"{error}; {_REMEDY}") from error
    if not found.items or len(found.items) != found.suite.count:
        raise SuiteFileError(
            path, f"field 'count' is {found.suite.count}, and it has {len(found.items)} items"
        )
    if items_root(found.items) != found.suite.items_root:
        raise SuiteFileError(
            path, "field 'items_root' is not the root of its items; make it again from its text"
        )
    return found


def is_suite_file(path: Path) -> bool:
    """Whether a file begins as a suite does; a text begins with a brace. MissingFileError."""
    with open_ordinary(path, _REMEDY) as file:
        return file.read(len(_HEAD)) == _HEAD


def read_suite(path: Path) -> TokenSuite:
    """Read a suite. Raises MissingFileError, SuiteFileError."""
    with open_ordinary(path, _REMEDY) as file:
        data = read_up_to(file, MAX_SUITE_BYTES)
    return decode_suite(data, path)
