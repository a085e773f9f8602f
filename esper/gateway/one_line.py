"""JSON on one line of ASCII: no text inside it can end a line, and so no event of a stream."""

import json
from typing import Any


def one_line(value: Any) -> bytes:
    """``value`` as JSON in printable ASCII, without blanks between its parts.

    Half a surrogate pair, which no reader of JSON need take, becomes U+FFFD. Raises ValueError for
    NaN and infinities.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    if "\\ud" in text:
        text = json.dumps(_whole(value), separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def whole_text(text: str) -> str:
    """``text`` with U+FFFD for each half of a surrogate pair."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, dict):
        return {whole_text(key): _whole(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(part) for part in value]
    return value
