"""Who may look at the pages."""

from collections.abc import Callable

import pytest
import trio
from starlette.requests import HTTPConnection

from esper.explorer.visitors import Visit, Visitors
from esper.http.routes import RefusedError

HERE, ABROAD = "127.0.0.1", "192.0.2.7"


def asked(remote: bool, host: str | None, header: str = "") -> Visit:
    scope = {
        "type": "http",
        "client": None if host is None else (host, 1),
        "headers": [(header.encode(), b"198.51.100.1")] if header else [],
    }
    ask: Callable[..., object] = Visitors(remote=remote)
    made: Visit = trio.run(ask, HTTPConnection(scope))  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize("host", [HERE, "::1", "127.8.8.8"])
def test_this_machine_may_look(host: str) -> None:
    assert asked(False, host).is_local
    assert asked(True, host).is_local


@pytest.mark.parametrize("host", [ABROAD, "2001:db8::1", "", None])
def test_others_may_when_the_operator_says_so(host: str | None) -> None:
    with pytest.raises(RefusedError, match="explorer = on") as refused:
        asked(False, host)
    assert refused.value.status == 403
    assert not asked(True, host).is_local


@pytest.mark.parametrize(
    "header",
    [
        *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
        "x-real-ip",
    ],
)
def test_a_proxy_makes_nobody_local(header: str) -> None:
    with pytest.raises(RefusedError):
        asked(False, HERE, header)
    assert not asked(True, HERE, header).is_local
