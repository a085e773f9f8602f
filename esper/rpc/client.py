"""A client of a node, synchronous. It talks to one address and to no other."""

import http.client
import itertools
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec

from esper.http.addresses import is_loopback
from esper.rpc.auth import COOKIE_FILE, read_cookie
from esper.rpc.errors import UNAUTHORIZED
from esper.rpc.exchange import Exchange, HttpExchange, NoConnectionError
from esper.rpc.method import Method, ReplyT, RequestT, params_of, shortened

URL_VARIABLE: Final = "ESPER_RPC"
TOKEN_VARIABLE: Final = "ESPER_RPC_TOKEN"
LARGEST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of an answer that are read."""


class RpcClientError(Exception):
    """Base of all that a client raises."""


class RpcUrlError(RpcClientError):
    """An address that a client will not talk to; the message says why."""


def _start(datadir: Path) -> str:
    """What a shell takes to start the node of a data directory, wherever ESPER_DATADIR points."""
    return f"esperd node --datadir {shlex.quote(str(datadir))}"


class NodeUnreachableError(RpcClientError):
    """Nobody answers at the address."""

    def __init__(self, url: str, reason: str, datadir: Path | None = None) -> None:
        start = "esperd node" if datadir is None else _start(datadir)
        super().__init__(
            f"no node answers at {url} ({reason}): start one with `{start}`, or set "
            f"{URL_VARIABLE} to the address of another, and {TOKEN_VARIABLE} to its token for what "
            "spends or steers"
        )
        self.url = url
        """Where it was looked for."""


class NodeGoneError(NodeUnreachableError):
    """The node that wrote a cookie file does not run any more: it was killed."""

    def __init__(self, url: str, cookie_file: Path, reason: str) -> None:
        RpcClientError.__init__(
            self,
            f"the node that wrote {cookie_file} is not running ({reason} at {url}): start it with "
            f"`{_start(cookie_file.parent)}`, or set {URL_VARIABLE} to the address of another",
        )
        self.url = url


class NodeAnswerError(RpcClientError):
    """What answered is no node, or not one that this client understands."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} answered {reason}: is it a node of this version?")
        self.url = url
        """Who answered."""


class NodeError(RpcClientError):
    """The node answered with an error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        """A number of ``esper.rpc.errors``."""
        self.message = message
        """The node's sentence."""
        self.data = data
        """Details for programs."""


class _Error(msgspec.Struct):
    code: int
    message: str
    data: Any = None


class _Answer(msgspec.Struct):
    jsonrpc: str
    id: Any = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: _Error | None = None


class RpcClient:
    """Calls the methods of one node. To be closed, or used as a context manager."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout_s: float = 30.0,
        exchange: Exchange | None = None,
        now: Callable[[], float] = time.monotonic,
        cookie_file: Path | None = None,
    ) -> None:
        """``timeout_s`` holds for a whole answer. ``now`` counts seconds. Raises RpcUrlError.

        ``cookie_file`` is where ``token`` was read: a node that is gone, or that does not take the
        token, is not the one that wrote it, and a NodeGoneError says so.
        """
        self.url = _checked(url, token is not None)
        """The node's address."""
        self._timeout_s = timeout_s
        self._now = now
        self._cookie_file = cookie_file
        self._ids = itertools.count(1)
        headers = {"accept-encoding": "identity", "content-type": "application/json"}
        if token is not None:
            if not token.isascii() or not token.isprintable():
                raise RpcUrlError(
                    f"{TOKEN_VARIABLE} is no token: it has other than ASCII characters"
                )
            headers["authorization"] = f"Bearer {token}"
        self._exchange = exchange or HttpExchange(self.url, headers, timeout_s)

    @classmethod
    def from_environment(
        cls, env: Mapping[str, str], datadir: Path, timeout_s: float = 30.0
    ) -> "RpcClient":
        """The node of ``ESPER_RPC`` (and ``ESPER_RPC_TOKEN``), or the one of the data directory.

        The cookie's token goes to the cookie's address alone. Raises RpcUrlError, CookieError,
        and NodeUnreachableError if there is neither.
        """
        cookie = read_cookie(datadir)
        url, token = env.get(URL_VARIABLE), env.get(TOKEN_VARIABLE)
        if url is None:
            if cookie is None:
                raise NodeUnreachableError(str(datadir), f"no {COOKIE_FILE} there", datadir)
            url, token = cookie.url, token or None
        if token is None and cookie is not None and _place(url) == _place(cookie.url):
            return cls(url, cookie.token, timeout_s, cookie_file=datadir / COOKIE_FILE)
        return cls(url, token or None, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RpcClient({self.url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()

    def call(self, method: Method[RequestT, ReplyT], request: RequestT) -> ReplyT:
        """The node's answer. Where the method ``awaits_blocks``, the client needs time for it.

        Raises NodeUnreachableError, NodeAnswerError and NodeError.
        """
        result = self.ask(method.name, params_of(request))
        try:
            return msgspec.json.decode(result, type=method.reply)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise NodeAnswerError(
                self.url, f"{method.name} in another form ({shortened(str(error))})"
            ) from None

    def ask(self, name: str, params: dict[str, Any] | list[Any]) -> bytes:
        """The JSON of the node's answer to a method of any name.

        Raises NodeUnreachableError, NodeAnswerError and NodeError.
        """
        number = next(self._ids)
        body = msgspec.json.encode(
            {"jsonrpc": "2.0", "method": name, "params": params, "id": number}
        )
        status, data = self._post(body)
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise NodeAnswerError(self.url, f"status {status} without JSON-RPC") from None
        if answer.error is not None:
            said = shortened(answer.error.message)
            if answer.error.code == UNAUTHORIZED and self._cookie_file is not None:
                raise NodeGoneError(self.url, self._cookie_file, "another one answers")
            raise NodeError(answer.error.code, said, answer.error.data)
        if status != 200 or answer.id != number or answer.result is msgspec.UNSET:
            raise NodeAnswerError(self.url, f"status {status} with another request's answer")
        return bytes(answer.result)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer, read up to the limits of size and time."""
        deadline = self._now() + self._timeout_s
        data = bytearray()
        try:
            with self._cut_in_time():
                answer = self._exchange.post(body)
                if answer.headers.get("content-encoding", "identity") != "identity":
                    self._exchange.close()
                    raise NodeAnswerError(self.url, "a compressed body")
                with closing(answer.parts):  # type: ignore[type-var]
                    for part in answer.parts:
                        data += part
                        if len(data) > LARGEST_ANSWER:
                            raise NodeAnswerError(self.url, f"more than {LARGEST_ANSWER} bytes")
                        if self._now() > deadline:
                            raise NodeUnreachableError(
                                self.url, f"its answer took more than {self._timeout_s:g} s"
                            )
                return answer.status, bytes(data)
        except TimeoutError:
            self._exchange.close()
            raise NodeUnreachableError(
                self.url, f"no answer within {self._timeout_s:g} s"
            ) from None
        except NoConnectionError as error:
            if self._cookie_file is not None:
                raise NodeGoneError(self.url, self._cookie_file, "nobody answers") from None
            raise NodeUnreachableError(self.url, str(error)) from None
        except (OSError, http.client.HTTPException) as error:
            self._exchange.close()
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NodeUnreachableError(self.url, reason) from None

    @contextmanager
    def _cut_in_time(self) -> Iterator[None]:
        """Raises TimeoutError if what is within does not end in time.

        A server that sends a byte now and then, or one provisional answer after the other, never
        lets a read's own timeout come.
        """
        late = threading.Event()

        def cut() -> None:
            late.set()
            self._exchange.cut()

        timer = threading.Timer(self._timeout_s, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            if late.is_set():
                raise TimeoutError from error
            raise
        else:
            if late.is_set():
                raise TimeoutError  # A body that was cut looks like one that ended.
        finally:
            timer.cancel()


_MENDED: Final = f"{URL_VARIABLE} must look like http://127.0.0.1:9334/"


def _checked(url: str, with_token: bool) -> str:
    """The address, if a client may talk to it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise RpcUrlError(f"the RPC address is no URL: {_MENDED}") from None
    # http.client takes no other names, and says so by an error of its own.
    odd = not url.isprintable() or " " in url
    if parts.scheme not in ("http", "https") or not host or "%" in host or odd or port == 0:
        raise RpcUrlError(f"the RPC address is incomplete: {_MENDED}")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise RpcUrlError(
            f"the RPC address takes no user, password or query: set {TOKEN_VARIABLE} instead"
        )
    if with_token and parts.scheme == "http" and not is_loopback(host):
        raise RpcUrlError(
            f"a token would cross the network to {host} for all to read: use https, or a tunnel "
            "to its loopback address"
        )
    return url if parts.path else url + "/"


def _place(url: str) -> tuple[str, str | None, int | None]:
    """Where an address leads."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port
    except ValueError:
        raise RpcUrlError(f"the RPC address is no URL: {_MENDED}") from None
