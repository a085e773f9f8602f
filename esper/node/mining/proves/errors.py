"""Why a node does not take a Prove with its groups, whatever the rules of blocks say.

A broken rule is raised as it is.
"""

from typing import ClassVar


class ProveDeskError(Exception):
    """Base of all refusals."""

    retry: ClassVar[bool] = False
    """Whether the same may be taken later."""

    @property
    def rule(self) -> str:
        """The class name: the stable name of the refusal."""
        return type(self).__name__


class NotMinedHereError(ProveDeskError):
    """Nobody mines here, and proofs travel in blocks alone."""

    def __init__(self) -> None:
        super().__init__(
            "this node does not mine, and a proof travels with the block that holds it: hand it to "
            "a node that mines"
        )


class GroupsOfProveError(ProveDeskError):
    """Groups beside a transaction that needs none."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"groups: a {kind} has none; they go with a prove alone")


class GroupFormError(ProveDeskError):
    """Bytes that are no call group."""

    def __init__(self, index: int, why: str) -> None:
        super().__init__(f"groups[{index}]: {why}; send the canonical bytes of a call group")


class CheckRunsError(ProveDeskError):
    """Something else of the same sender is being checked."""

    retry = True

    def __init__(self) -> None:
        super().__init__(
            "another proof of this sender is being checked: send this one when that is done"
        )


class ChecksWaitError(ProveDeskError):
    """As many proofs are being checked as may be."""

    retry = True

    def __init__(self, checks: int) -> None:
        super().__init__(f"{checks} proofs wait to be checked already: send this one again later")


class NoPlaceError(ProveDeskError):
    """Everything that waits fills the place there is."""

    retry = True

    def __init__(self, count: int, size: int, fee: int | None) -> None:
        """``fee`` in units would take another's place; None: none would."""
        more = "" if fee is None else f", with a fee of {fee} units or more"
        super().__init__(
            f"{count} proofs of {size} bytes wait for a block here, and there is no place for "
            f"more: send it again later{more}, or hand it to another miner"
        )


class TooManyOfSenderError(ProveDeskError):
    """As many of one sender wait as may."""

    retry = True

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} proofs of this sender wait for a block here already: send this one again when "
            "a block has one of them"
        )
