"""Log lines whose values are values: one call makes the sentence and the members of the object.

    say(LOG, "block_mined", "block {height} {block} in {proof_s:.2f} s", height=7, ...)

People read the sentence, machines find ``event`` and every value under its name.
"""

import logging
from typing import Any, Final

EVENT: Final = "esper_event"
FIELDS: Final = "esper_fields"
RESERVED: Final = frozenset({"time", "level", "subject", "event", "message", "traceback"})
"""Members that every line has, or may have."""


def say(
    log: logging.Logger,
    event: str,
    sentence: str,
    /,
    *,
    level: int = logging.INFO,
    **values: Any,
) -> None:
    """A log line. ``event`` names its kind for machines and never changes.

    ``sentence`` is a format of ``values``, which are numbers, texts, truth values or lists of them;
    their names say their unit, such as ``seconds``. Not every value has to stand in it. Raises
    ValueError for a name that every line has already, and KeyError for a value that is missing.
    """
    if not log.isEnabledFor(level):
        return
    if not RESERVED.isdisjoint(values):
        raise ValueError(f"{event}: {', '.join(RESERVED & set(values))} stands in every line")
    log.log(level, "%s", sentence.format(**values), extra={EVENT: event, FIELDS: values})


def warn(log: logging.Logger, event: str, sentence: str, /, **values: Any) -> None:
    """``say`` for what an operator should look at when there is time."""
    say(log, event, sentence, level=logging.WARNING, **values)


def complain(log: logging.Logger, event: str, sentence: str, /, **values: Any) -> None:
    """``say`` for what does not work."""
    say(log, event, sentence, level=logging.ERROR, **values)
