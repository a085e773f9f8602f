"""What one RPC method is: a row of a table from which server, client, page and OpenRPC come."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

import msgspec

from esper.rpc import errors as e
from esper.rpc.schema import Request

RequestT = TypeVar("RequestT", bound=Request)
ReplyT = TypeVar("ReplyT")

COMMON_ERRORS: Final = (
    e.UNAUTHORIZED,
    e.INVALID_PARAMS,
    e.TIMEOUT,
    e.LIMITED,
    e.INTERNAL_ERROR,
)
"""What any method may answer with: a wrong token is refused whatever it is sent for."""

MAX_TOLD: Final = 1_000
"""Characters of a message that holds something of the request."""

_AT: Final = re.compile(r"(?: - at|field) `(?:\$\.?)?([^`]*)`")


class SameNameError(ValueError):
    """Two rows of a table have one name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"two methods are called {name}")
        self.name = name
        """The name that both have."""


@dataclass(frozen=True, slots=True)
class Example(Generic[RequestT, ReplyT]):
    """What could be asked, and answered."""

    request: RequestT
    """Of the method's own type, as ``reply`` is."""
    reply: ReplyT
    """What a node could say to it."""

    @property
    def params(self) -> dict[str, Any]:
        """What is asked, as JSON values."""
        return params_of(self.request)


@dataclass(frozen=True, slots=True, eq=False)
class Method(Generic[RequestT, ReplyT]):
    """One method. Its types bind whoever answers it and whoever calls it. Equal to itself alone."""

    name: str
    """As clients call it."""
    request: type[RequestT]
    """What it takes; ``NoParams`` if nothing."""
    reply: type[ReplyT]
    """What it answers."""
    about: str
    """One line for people."""
    example: Example[RequestT, ReplyT]
    """For the page and the OpenRPC document."""
    raises: tuple[int, ...] = ()
    """Numbers of ``esper.rpc.errors`` that it may answer with, beside those of ``errors``."""
    needs_token: bool = False
    """Whether it spends or steers."""
    awaits_blocks: bool = False
    """Whether it may take as long as blocks take: ``generate_timeout_s`` bounds it then."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the parameters, in the order in which an array gives them."""
        return tuple(part.encode_name for part in msgspec.structs.fields(self.request))

    @property
    def errors(self) -> tuple[int, ...]:
        """Numbers of all errors that it may answer with."""
        return (*self.raises, *COMMON_ERRORS)

    def read(self, given: dict[str, Any] | list[Any]) -> RequestT:
        """The request in JSON values: by name, or in the order of ``fields``.

        Raises RpcError that names the field in ``data.field``.
        """
        if isinstance(given, list):
            if len(given) > len(self.fields):
                raise e.RpcError(
                    e.INVALID_PARAMS,
                    f"{self.name} takes {len(self.fields)} parameters, not {len(given)}",
                )
            given = dict(zip(self.fields, given, strict=False))
        try:
            return msgspec.convert(given, self.request)
        except msgspec.ValidationError as error:
            found = _AT.search(str(error))
            where = shortened(found[1] if found else "")
            raise e.RpcError(
                e.INVALID_PARAMS,
                f"params of {self.name}: {shortened(str(error))}",
                {"field": where},
            ) from None


def shortened(text: str) -> str:
    """A text in which a stranger's may stand, as it is told again."""
    return text if len(text) <= MAX_TOLD else text[:MAX_TOLD] + "…"


MethodTable = Mapping[str, Method[Any, Any]]
"""Methods by their names, in the order of the page."""


def method_table(methods: Iterable[Method[Any, Any]]) -> MethodTable:
    """A table of these rows. Raises SameNameError."""
    found: dict[str, Method[Any, Any]] = {}
    for method in methods:
        if method.name in found:
            raise SameNameError(method.name)
        found[method.name] = method
    return MappingProxyType(found)


def params_of(request: Request) -> dict[str, Any]:
    """A request as JSON values.

    What was left out stays out: a newer client may know fields that the node does not.
    """
    found: dict[str, Any] = msgspec.to_builtins(request)
    return {name: value for name, value in found.items() if value is not None}
