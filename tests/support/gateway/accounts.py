"""Accounts and answers for tests of the gateway's database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from esper.gateway.keys import Account, Scope, key_hash, key_id, make_key
from esper.gateway.proving_rows import Row
from esper.gateway.store.receipts import Instant

NOW = 1_796_043_595_000
KEY = make_key(bytes(range(38)))
MODEL = b"m" * 64


def account(**changes: Any) -> Account:
    made = Account(
        id=key_id(KEY),
        hash=key_hash(KEY),
        name="alice",
        scopes=frozenset({Scope.INFER, Scope.PROVE}),
        budget=1_000,
        period_ms=86_400_000,
        requests_per_minute=60,
        tokens_per_minute=10_000,
        streams=4,
        max_price=20,
        created_ms=NOW,
    )
    return replace(made, **changes)


def instant(call: str, proven: bool = True, **changes: Any) -> Instant:
    """An answer of two tokens to a prompt of two: 10 micro-credits, at 20 a proof of 200."""
    row = Row(call, MODEL, 2, (5, 6), 20, NOW) if proven else None
    made = Instant(call, key_id(KEY), b"promise " + call.encode(), 10, 200, 2, 2, b"answer", row)
    return replace(made, **changes)
