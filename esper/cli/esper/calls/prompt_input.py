"""The prompt of a call as it was typed or piped: UTF-8, not empty, no longer than a node takes."""

from esper.cli.esper import environment
from esper.rpc.schema import MAX_TEXT
from esper.wallet.errors import MisuseError

STDIN = "-"
"""Stands for standard input."""
MAX_BYTES = 4 * MAX_TEXT
"""Of UTF-8, whose characters have at most four."""


def typed_prompt(text: str) -> str:
    """The prompt that ``text`` means; ``-`` is standard input. Raises MisuseError."""
    found = _from_stdin() if text == STDIN else text
    try:
        found.encode()
    except UnicodeEncodeError:
        raise MisuseError("the prompt is not UTF-8: save or type it as such") from None
    if not found.strip():
        raise MisuseError("the prompt is empty: say what to ask, or `-` to read standard input")
    if len(found) > MAX_TEXT:
        raise MisuseError(
            f"the prompt has {len(found)} characters, at most {MAX_TEXT} are taken: shorten it"
        )
    return found


def _from_stdin() -> str:
    """Standard input without the line break that ends it."""
    data = environment.standard_input(MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise MisuseError(
            f"standard input has more than {MAX_BYTES} bytes, and no prompt may: shorten it"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise MisuseError(
            f"standard input is not UTF-8 (byte {error.start}): save the prompt as such"
        ) from None
    return text.removesuffix("\n").removesuffix("\r")
