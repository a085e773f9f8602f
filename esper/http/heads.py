"""The head of a request, read by RFC 9112: one meaning, or a refusal.

Every step is linear in the bytes of the head. What may be read in two ways is refused, since a
proxy before this server may read it in the other.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

Headers = list[tuple[bytes, bytes]]
"""Names in lower case, values without the blanks around them."""

TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Characters of methods and names."""
_VISIBLE: Final = bytes(range(0x21, 0x7F))
_FIELD: Final = b"\t " + _VISIBLE + bytes(range(0x80, 0x100))
"""Characters of a header's value."""
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_VERSION: Final = re.compile(rb"HTTP/(\d)\.(\d)")
_LENGTH: Final = re.compile(rb"[0-9]{1,19}")
_SCHEME: Final = re.compile(r"https?://", re.IGNORECASE)


class BadRequestError(Exception):
    """A request that HTTP has no meaning for, or none that is served. The connection ends."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        """Of the answer, 400 to 505."""
        self.reason = reason
        """A sentence without any of the request's text, in which a token may stand."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request's line and headers."""

    method: str
    """Case matters: ``get`` is not GET."""
    raw_path: bytes
    """As it was sent, without query; ``*`` for the server as a whole."""
    path: str
    """Decoded."""
    query: bytes
    authority: str | None
    """Host and port of a target in absolute form, None in other forms."""
    version: str
    """``1.0`` or ``1.1``."""
    headers: Headers
    length: int | None
    """Of the body in bytes, 0 without one; None if it comes in chunks."""

    @property
    def is_last(self) -> bool:
        """Whether the client wants the connection closed after the answer."""
        return self.version == "1.0" or b"close" in _options(self.headers, b"connection")

    @property
    def wants_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body."""
        return self.version == "1.1" and b"100-continue" in _options(self.headers, b"expect")


def head_end(data: bytearray, start: int) -> int | None:
    """Where the first head in ``data`` ends, None if it does not; searched from ``start``."""
    found = _HEAD_END.search(data, max(0, start - 2))
    return found.end() if found else None


def read_head(data: bytes) -> Head:
    """The head in ``data``, which ends with its empty line. Raises BadRequestError."""
    first, *lines = data.split(b"\n")[:-2]
    method, target, version = _request_line(first.removesuffix(b"\r"))
    headers = [_header(line.removesuffix(b"\r")) for line in lines]
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise BadRequestError(400, f"a request has one Host header, not {hosts}")
    raw_path, query, authority = _target(target)
    try:
        path = unquote_to_bytes(raw_path).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequestError(400, "the path is not UTF-8") from None
    length = _body_length(headers, version)
    return Head(method, raw_path, path, query, authority, version, headers, length)


def read_header_lines(data: bytes) -> Headers:
    """Headers that end with an empty line, as after chunks. Raises BadRequestError."""
    return [_header(line.removesuffix(b"\r")) for line in data.split(b"\n")[:-2]]


def is_only(data: bytes | bytearray, allowed: bytes) -> bool:
    """Whether there are bytes, and all are among those allowed."""
    return bool(data) and not data.translate(None, allowed)


def _request_line(line: bytes) -> tuple[str, str, str]:
    parts = line.split(b" ")
    if len(parts) != 3 or not is_only(parts[0], TOKEN) or not is_only(parts[1], _VISIBLE):
        raise BadRequestError(400, "the first line is not a method, a target and a version")
    version = _VERSION.fullmatch(parts[2])
    if version is None:
        raise BadRequestError(400, "the first line does not end with a version of HTTP")
    if version[1] != b"1" or version[2] not in (b"0", b"1"):
        raise BadRequestError(505, "versions 1.0 and 1.1 are spoken here")
    return parts[0].decode(), parts[1].decode(), f"1.{version[2].decode()}"


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not is_only(name, TOKEN):
        raise BadRequestError(400, "a header is not NAME: VALUE on one line")
    value = value.strip(b" \t")
    if value and not is_only(value, _FIELD):
        raise BadRequestError(400, "a header's value has a control character")
    return name.lower(), value


def _target(target: str) -> tuple[bytes, bytes, str | None]:
    """Raw path, query and authority of a request's target."""
    authority = None
    scheme = _SCHEME.match(target)
    if scheme:
        rest = target[scheme.end() :]
        end = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
        authority, target = rest[:end], rest[end:]
        if not authority or "@" in authority:
            raise BadRequestError(400, "the target's host is none")
        if not target.startswith("/"):
            target = "/" + target
    elif not target.startswith("/") and target != "*":
        raise BadRequestError(400, "the target is neither a path nor a URL")
    path, _, query = target.partition("?")
    return path.encode(), query.encode(), authority


def _body_length(headers: Headers, version: str) -> int | None:
    """Bytes of the body, None for chunks."""
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings:
        if lengths or version == "1.0":
            # One reader takes the length, another the chunks: the rest would be a request.
            raise BadRequestError(400, "Transfer-Encoding beside Content-Length, or in HTTP/1.0")
        if len(codings) != 1 or codings[0].lower() != b"chunked":
            raise BadRequestError(501, "chunked is the one transfer coding that is known here")
        return None
    if not lengths:
        return 0
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
        raise BadRequestError(400, "Content-Length is not one number")
    return int(lengths[0])


def _options(headers: Headers, name: bytes) -> set[bytes]:
    """The options that all headers of a name list, in lower case."""
    lists = [value for found, value in headers if found == name]
    return {option.strip(b" \t").lower() for value in lists for option in value.split(b",")}
