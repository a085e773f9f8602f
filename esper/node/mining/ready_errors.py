"""Why nothing is there to be signed, or what was signed is of no use here, whatever the rules say.

A broken rule is raised as it is.
"""

from typing import ClassVar


class ReadyDeskError(Exception):
    """Base of all refusals."""

    retry: ClassVar[bool] = False
    """Whether the same may be asked or taken later."""

    @property
    def rule(self) -> str:
        """The class name: the stable name of the refusal."""
        return type(self).__name__


class SignsItselfError(ReadyDeskError):
    """The payee's key is on this machine."""

    def __init__(self) -> None:
        super().__init__("the payee's key is on this node, which signs and shows it by itself")


class OtherPayeeError(ReadyDeskError):
    """Somebody asks or signed whom this miner does not pay."""

    def __init__(self) -> None:
        super().__init__(
            "this node mines to another address: sign with the payee's, which get_mining names"
        )


class NotYetAwaitedError(ReadyDeskError):
    """A model whose miners are not asked yet."""

    retry = True

    def __init__(self, number: int) -> None:
        super().__init__(
            f"proposal {number} does not wait for miners yet: a model that passed its vote does, "
            "once the vote has closed"
        )


class WindowClosedError(ReadyDeskError):
    """Readiness was judged, or is never asked for."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"proposal {number} waits for no miner any more: who is ready for it was judged, or "
            "never mattered"
        )


class AlreadyReadyError(ReadyDeskError):
    """The payee has shown it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"the payee is ready for proposal {number} already: a block says so")


class NotRehearsedError(ReadyDeskError):
    """Nothing waits here for this proposal."""

    retry = True

    def __init__(self, number: int, lapsed: str = "") -> None:
        before = f"; what was signed before is of no use any more: {lapsed}" if lapsed else ""
        super().__init__(
            f"this node has not rehearsed the model of proposal {number}: it does once the package "
            f"is fetched and checked and a reward of the payee is pending{before}"
        )


class OtherRehearsalError(ReadyDeskError):
    """What was signed is not what waits here."""

    def __init__(self) -> None:
        super().__init__(
            "the model was rehearsed anew since this was made: fetch and sign what waits now"
        )
