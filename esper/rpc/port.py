"""A node as its server sees it: a function for each method of a table."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from esper.rpc.errors import RpcError
from esper.rpc.method import Method, MethodTable, ReplyT, RequestT
from esper.rpc.methods import DISCOVER, METHODS
from esper.rpc.openrpc import openrpc_document
from esper.rpc.schema import NoParams


class PortError(Exception):
    """Table and functions do not match: the node was put together wrongly."""


class UnansweredMethodError(PortError):
    """Methods of the table that no function answers."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(f"nobody answers {', '.join(names)}")
        self.names = names
        """In the order of the table."""


class UnknownMethodError(PortError):
    """A method that is answered or asked, and is no row of the table that is served."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is no row of the table that is served")
        self.name = name
        """As its own row has it."""


class AnsweredTwiceError(PortError):
    """Two functions for one method."""

    def __init__(self, name: str) -> None:
        super().__init__(f"two functions answer {name}")
        self.name = name
        """The method's name."""


class UnlistedErrorError(PortError):
    """A function answered with an error that its row does not list."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name} answered error {code}, which its row does not list in raises")
        self.name = name
        """The method's name."""
        self.code = code
        """A number of ``esper.rpc.errors``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A method and who answers it. Made by ``answers``, which checks the types."""

    method: Method[Any, Any]
    """A row of the table that is served."""
    function: Callable[[Any], Awaitable[Any]]
    """Takes the row's request, gives its reply; may raise RpcError."""


def answers(
    method: Method[RequestT, ReplyT], function: Callable[[RequestT], Awaitable[ReplyT]]
) -> Answer:
    """Say that a function answers a method.

    It may raise RpcError with the numbers that the method's row lists, and answers within
    milliseconds unless the row says ``awaits_blocks``.
    """
    return Answer(method, function)


class NodePort:
    """Answers the methods of a table, each by one function."""

    def __init__(self, answered: Iterable[Answer], methods: MethodTable = METHODS) -> None:
        """``rpc.discover`` answers itself.

        Raises UnknownMethodError, AnsweredTwiceError, UnansweredMethodError.
        """
        self.methods = methods
        """What is served."""
        self._functions: dict[str, Callable[[Any], Awaitable[Any]]] = {}
        discover = [answers(DISCOVER, self._discover)] if DISCOVER.name in methods else []
        for answer in (*discover, *answered):
            name = answer.method.name
            if methods.get(name) is not answer.method:
                raise UnknownMethodError(name)
            if name in self._functions:
                raise AnsweredTwiceError(name)
            self._functions[name] = answer.function
        missing = tuple(name for name in methods if name not in self._functions)
        if missing:
            raise UnansweredMethodError(missing)

    async def call(self, method: Method[RequestT, ReplyT], request: RequestT) -> ReplyT:
        """The answer to a request.

        Raises RpcError with a number that the row lists, UnlistedErrorError for others: clients
        are told by the row what may come. Raises UnknownMethodError for another table's row.
        """
        if self.methods.get(method.name) is not method:
            raise UnknownMethodError(method.name)
        try:
            reply: ReplyT = await self._functions[method.name](request)
        except RpcError as error:
            if error.code not in method.errors:
                raise UnlistedErrorError(method.name, error.code) from error
            raise
        return reply

    async def _discover(self, _: NoParams) -> dict[str, Any]:
        return self._document

    @cached_property
    def _document(self) -> dict[str, Any]:
        return openrpc_document(self.methods)
