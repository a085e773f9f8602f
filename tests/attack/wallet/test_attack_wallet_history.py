"""A node whose history never ends: it is looked through up to a limit, and then no further."""

from itertools import count

import pytest

from esper.rpc import schema as s
from tests.support.vm_world import BOB
from tests.support.wallet.wallet_console import Console, console

__all__ = ["console"]

MOST_PAGES = 100


@pytest.mark.parametrize("events", [0, 1])
@pytest.mark.parametrize("kind", [(), ("--kind", "stake")])
def test_pages_without_end_are_not_followed_for_ever(
    console: Console, events: int, kind: tuple[str, ...]
) -> None:
    console.wallet()
    pages = count(1)
    other = BOB.address.to_text("resp")

    def endless(params: s.HistoryParams) -> s.History:
        number = next(pages)
        assert number <= MOST_PAGES, "asked for ever"
        many = params.limit if events else 0
        event = s.Event(1, 1, "ab" * 64, "sent", "5", "1", other)
        return s.History([event] * many, f"{10**9 - number:010}", s.AsOf(1, True))

    console.node.history = endless  # type: ignore[method-assign]
    console.run("history", *kind)
