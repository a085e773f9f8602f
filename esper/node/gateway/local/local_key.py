"""The key of a program of this machine that sends none: see the setting ``gateway_open``."""

from dataclasses import replace
from typing import Final

from esper.gateway.keys import CONSOLE_ID, LOCAL_ID, Account, Scope

DAY_MS: Final = 24 * 3600 * 1000


def local_account(now_ms: int) -> Account:
    """Its settings; proofs are made where a request asks for one with ``always``."""
    return Account(
        id=LOCAL_ID,
        hash=b"",
        name="programs of this machine",
        scopes=frozenset({Scope.INFER, Scope.PROVE, Scope.RECEIPTS, Scope.USAGE}),
        budget=1_000_000_000,
        period_ms=DAY_MS,
        requests_per_minute=60,
        tokens_per_minute=60_000,
        streams=8,
        max_price=1_000,
        created_ms=now_ms,
    )


def console_account(now_ms: int) -> Account:
    """Of whoever is signed in to the console: the same settings, and a budget of its own."""
    return replace(local_account(now_ms), id=CONSOLE_ID, name="the console")
