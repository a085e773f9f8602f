"""JSON-RPC 2.0: a body in, a body out. Knows nothing of HTTP."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import msgspec
import trio

from esper.rpc import errors as e
from esper.rpc.methods import DISCOVER
from esper.rpc.port import NodePort
from esper.rpc.settings import RpcSettings
from esper.rpc.strict_json import StrictJsonError, read_json

LOG: Final = logging.getLogger("esper.rpc")

_MEMBERS: Final = frozenset({"jsonrpc", "method", "params", "id"})


class Access(IntEnum):
    """What a request may do; each includes those before it."""

    NOTHING = 0
    """A stranger's, from another machine."""
    READ = 1
    """From this machine."""
    STEER = 2
    """With a token."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A request whose form is right."""

    method: str
    params: dict[str, Any] | list[Any]
    id: Any
    answered: bool
    """False for a notification."""


class Dispatcher:
    """Answers bodies on behalf of a node."""

    def __init__(
        self,
        port: NodePort,
        settings: RpcSettings,
        *,
        new_incident: Callable[[], str],
    ) -> None:
        """``new_incident`` makes ids of unforeseen errors, for the client and the log."""
        self._port = port
        self._settings = settings
        self._new_incident = new_incident

    async def answer(self, body: bytes, access: Access) -> bytes | None:
        """The answer to a body, None if it holds notifications alone. Raises nothing."""
        try:
            value = read_json(body)
        except StrictJsonError as error:
            return self._failure(None, e.RpcError(e.PARSE_ERROR, str(error)))
        if not isinstance(value, list):
            return await self._one(value, access)
        if not value:
            return self._failure(None, e.RpcError(e.INVALID_REQUEST, "the batch is empty"))
        if len(value) > self._settings.max_batch:
            return self._failure(
                None,
                e.RpcError(
                    e.LIMITED,
                    f"the batch has {len(value)} requests, at most {self._settings.max_batch} "
                    "are taken: send several",
                    {"limit": self._settings.max_batch},
                ),
            )
        return await self._batch(value, access)

    async def _batch(self, requests: list[Any], access: Access) -> bytes | None:
        """One after the other, until the time or the room for answers is used up."""
        replies: list[bytes] = []
        room = self._settings.max_reply_bytes
        last_start = trio.current_time() + self._settings.method_timeout_s
        for request in requests:
            # Many methods answer without waiting for anything: others come between two of them.
            await trio.lowlevel.checkpoint()
            late = trio.current_time() > last_start
            reply = await self._one(request, access, room=room, late=late)
            if reply is not None:
                room -= len(reply)
                replies.append(reply)
        return b"[" + b",".join(replies) + b"]" if replies else None

    async def _one(
        self, request: Any, access: Access, *, room: int | None = None, late: bool = False
    ) -> bytes | None:
        """The answer to one request, None for a notification."""
        try:
            call = _read_call(request)
        except e.RpcError as error:
            return self._failure(_id_of(request), error)
        reply = await self._reply(
            call, access, self._settings.max_reply_bytes if room is None else room, late
        )
        return reply if call.answered else None

    async def _reply(self, call: _Call, access: Access, room: int, late: bool) -> bytes:
        try:
            if late:
                raise e.RpcError(e.TIMEOUT, "the batch took too long to begin this request")
            if room <= 0:
                raise _too_large(self._settings.max_reply_bytes)
            result = await self._result(call, access)
            reply = msgspec.json.encode({"jsonrpc": "2.0", "result": result, "id": call.id})
            if len(reply) > room:
                raise _too_large(self._settings.max_reply_bytes)
            return reply
        except e.RpcError as error:
            return self._failure(call.id, error)
        except Exception:
            return self._incident(call.id)

    async def _result(self, call: _Call, access: Access) -> Any:
        method = self._port.methods.get(call.method)
        if method is None:
            raise e.RpcError(
                e.METHOD_NOT_FOUND, f"there is no such method: {DISCOVER.name} lists them all"
            )
        if access < (Access.STEER if method.needs_token else Access.READ):
            raise e.RpcError(
                e.UNAUTHORIZED,
                f"{method.name} needs a token: send the one in the node's rpc.cookie as "
                "'Authorization: Bearer TOKEN'; the commands take it from ESPER_RPC_TOKEN",
            )
        request = method.read(call.params)
        limit = self._settings.method_timeout_s
        if method.awaits_blocks:
            limit = self._settings.generate_timeout_s
        with trio.move_on_after(limit):
            return await self._port.call(method, request)
        raise e.RpcError(
            e.TIMEOUT, f"{method.name} took longer than {limit:g} s", {"timeout_s": limit}
        )

    def _failure(self, request_id: Any, error: e.RpcError) -> bytes:
        body: dict[str, Any] = {"code": error.code, "message": error.message}
        if error.data is not None:
            body["data"] = error.data
        try:
            return msgspec.json.encode({"jsonrpc": "2.0", "error": body, "id": request_id})
        except Exception:
            return self._incident(request_id)

    def _incident(self, request_id: Any) -> bytes:
        """What the client may know of an error that nobody foresaw; the log has the rest."""
        incident = self._new_incident()
        LOG.exception("incident %s", incident)
        message = f"the node failed; its log says why under incident {incident}"
        return msgspec.json.encode(
            {
                "jsonrpc": "2.0",
                "error": {
                    "code": e.INTERNAL_ERROR,
                    "message": message,
                    "data": {"incident": incident},
                },
                "id": request_id,
            }
        )


def _read_call(request: Any) -> _Call:
    if not isinstance(request, dict):
        raise e.RpcError(e.INVALID_REQUEST, "a request must be an object")
    if request.keys() - _MEMBERS:
        raise e.RpcError(
            e.INVALID_REQUEST, "a request has jsonrpc, method, params and id, nothing else"
        )
    if request.get("jsonrpc") != "2.0":
        raise e.RpcError(e.INVALID_REQUEST, 'jsonrpc must be "2.0"')
    method = request.get("method")
    if not isinstance(method, str):
        raise e.RpcError(e.INVALID_REQUEST, "method must be a string")
    params = request.get("params", {})
    if not isinstance(params, dict | list):
        raise e.RpcError(e.INVALID_REQUEST, "params must be an object or an array")
    if "id" in request and not _is_id(request["id"]):
        raise e.RpcError(e.INVALID_REQUEST, "id must be a string, a number or null")
    return _Call(method, params, request.get("id"), "id" in request)


def _is_id(value: Any) -> bool:
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))


def _id_of(request: Any) -> Any:
    """The id of a request whose form is wrong, null if it has none that can be echoed."""
    found = request.get("id") if isinstance(request, dict) else None
    return found if _is_id(found) else None


def _too_large(limit: int) -> e.RpcError:
    return e.RpcError(
        e.LIMITED,
        f"the answer is larger than {limit} bytes: ask for less at once",
        {"limit": limit},
    )
