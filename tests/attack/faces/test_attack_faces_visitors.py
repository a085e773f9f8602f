"""Visitors behind proxies, and joiners of requests that a full disk has failed."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from starlette.requests import HTTPConnection

from esper.explorer.visitors import Visitors
from esper.gateway.service.running import Runner
from esper.gateway.service.waiting.joining import CallsAtWork
from esper.http.routes import RefusedError


@pytest.mark.parametrize("header", ["x-forwarded-server", "x-forwarded-port", "x-forwarded-by"])
def test_no_header_of_a_proxy_makes_a_visitor_local(header: str) -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "client": ("127.0.0.1", 1),
        "headers": [(header.encode(), b"1")],
    }
    with pytest.raises(RefusedError):
        trio.run(Visitors(remote=False), HTTPConnection(scope))
    scope["headers"] = []
    assert trio.run(Visitors(remote=False), HTTPConnection(scope)).is_local


class _Failing:
    async def forget(self, call: str) -> None:
        raise OSError("full")

    def leave(self, call: object, used: int) -> None:
        """Nothing was taken."""


class _Call:
    id = "c" * 32


def test_who_joined_hears_of_the_end_though_the_disk_is_full() -> None:
    at_work, failing, nothing = CallsAtWork(), _Failing(), None
    ports: Any = (failing, nothing, failing, nothing, nothing, nothing, at_work)
    call: Any = _Call()
    at_work.begin(call.id)

    async def main() -> None:
        with pytest.raises(OSError, match="full"):
            await Runner(*ports).give_up(call)
        with trio.fail_after(5):
            await at_work.wait(call.id)

    trio.run(main)
