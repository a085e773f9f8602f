"""What a check of a receipt says: a word for each link, and what they amount to."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """What became of a link."""

    OK = "ok"
    OPEN = "open"
    """Not to be judged here."""
    ABSENT = "absent"
    """The receipt has no such part."""
    FAIL = "fail"


LINKS: Final = (
    *("form", "network", "model", "call", "group", "header"),
    *("text", "instant", "proof", "work", "chain", "paid"),
)
"""Names of all links, in the order in which they are judged."""
NEEDED: Final = LINKS[: LINKS.index("chain")]
"""Links that must be ok for an answer to be proven; ``instant`` may be absent."""

EXIT_PROVEN, EXIT_BROKEN, EXIT_OPEN = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Link:
    """One line of a verdict."""

    name: str
    """One of LINKS."""
    status: Status
    detail: str = ""
    """A few words for people; may be empty."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a receipt."""

    links: tuple[Link, ...]
    """In order, up to the first that fails, which is the last."""

    @property
    def broken(self) -> Link | None:
        """The link that fails, None if none does."""
        return next((link for link in self.links if link.status is Status.FAIL), None)

    @property
    def exit_code(self) -> int:
        """0 proven, 1 a link fails, 3 a needed one is open or absent."""
        return self._exit_code(NEEDED)

    @property
    def strict_exit_code(self) -> int:
        """The same where *chain* and *paid* are needed too."""
        return self._exit_code(LINKS)

    def _exit_code(self, needed: tuple[str, ...]) -> int:
        if self.broken is not None:
            return EXIT_BROKEN
        whole = all(
            self.status(name) is Status.OK
            or (name == "instant" and self.status(name) is Status.ABSENT)
            for name in needed
        )
        return EXIT_PROVEN if whole else EXIT_OPEN

    def status(self, name: str) -> Status | None:
        """Of a link by name, None if it was not reached."""
        return next((link.status for link in self.links if link.name == name), None)
