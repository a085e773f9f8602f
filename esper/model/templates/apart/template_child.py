"""The process that runs templates: ``python -m esper.model.templates.apart.template_child``.

Its standard input is a socket, on which it also answers. It ends when the other side does.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

from esper.model.errors import TemplateRefusedError
from esper.model.templates.apart.frames import (
    LENGTH,
    READY,
    encode_refusal,
    encode_text_reply,
    request_of,
)
from esper.model.templates.chat_template import ChatTemplate

MEMORY: Final = 256 << 20
"""Bytes of address space above what the program and its libraries take."""
_SOCKET: Final = 0
_MOST_KEPT: Final = 4
"""Templates that stay compiled."""


def main() -> None:
    """Answer requests until the other side is gone."""
    limit_process()
    _write(READY)
    kept: dict[tuple[str, str], ChatTemplate] = {}
    while (length := _read(LENGTH.size)) and (data := _read(LENGTH.unpack(length)[0])):
        _write(reply_to(data, kept))


def reply_to(data: bytes, kept: dict[tuple[str, str], ChatTemplate]) -> bytes:
    """The answer to a request; ``kept`` holds templates that were compiled before."""
    source, tokens, messages = request_of(data)
    key = (source, repr(sorted(tokens.items())))
    if key not in kept:
        while len(kept) >= _MOST_KEPT:
            del kept[next(iter(kept))]
        kept[key] = ChatTemplate(source, tokens)
    try:
        return encode_text_reply(kept[key].render(messages))
    except TemplateRefusedError as error:
        return encode_refusal(str(error))


def limit_process() -> None:
    """Limit what this process may take; it cannot raise the limits again."""
    with suppress(OSError):
        # Whatever else the machine runs is worth more than this.
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    most = _address_space() + MEMORY
    for which, value in (
        (resource.RLIMIT_AS, most),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(which)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


def _address_space() -> int:
    """Bytes that this process takes; much where the kernel does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (OSError, ValueError):
        return 4 << 30
    return pages * os.sysconf("SC_PAGE_SIZE")


def _read(length: int) -> bytes:
    """So many bytes; none if the other side is gone."""
    data = bytearray()
    while len(data) < length:
        more = os.read(_SOCKET, length - len(data))
        if not more:
            return b""
        data += more
    return bytes(data)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(_SOCKET, data) :]


if __name__ == "__main__":
    with suppress(BrokenPipeError, ConnectionResetError):
        main()
