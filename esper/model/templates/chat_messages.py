"""The messages of a chat as a stranger sends them: how many, how long, of whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from esper.model.errors import InvalidFieldError

MOST_MESSAGES: Final = 256
LONGEST_CHAT: Final = 256 << 10
"""Bytes of all contents together, in UTF-8."""
ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
"""Roles that are taken, and what templates know them as."""
_LONGEST_ROLE: Final = 32


def checked_messages(messages: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return messages as templates take them, from pairs of role and content.

    Raises:
        InvalidFieldError: there are none or too many, they are too long, a role is unknown or a
            content is no UTF-8. No content is repeated in it.
    """
    found: list[dict[str, str]] = []
    total = 0
    for place, (role, content) in enumerate(messages):
        if place >= MOST_MESSAGES:
            raise InvalidFieldError("messages", "too many", f"at most {MOST_MESSAGES}")
        known = ROLES.get(role)
        if known is None:
            said = role if len(role) <= _LONGEST_ROLE else f"a text of {len(role)} characters"
            raise InvalidFieldError(f"messages[{place}].role", said, "one of " + ", ".join(ROLES))
        try:
            total += len(content.encode())
        except UnicodeEncodeError as error:
            got = f"half a surrogate pair at character {error.start}"
            raise InvalidFieldError(f"messages[{place}].content", got, "whole characters") from None
        if total > LONGEST_CHAT:
            expected = f"at most {LONGEST_CHAT:,} bytes of content in all; leave the oldest out"
            raise InvalidFieldError("messages", "longer", expected)
        found.append({"role": known, "content": content})
    if not found:
        raise InvalidFieldError("messages", "empty", "at least one message")
    return found
