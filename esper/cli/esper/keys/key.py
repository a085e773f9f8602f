"""`esper key new, list, revoke, usage`: keys of the gateway in a data directory."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Final

import typer

from esper.cli.esper import environment
from esper.cli.esper.keys.gateway_book import gateway_book
from esper.cli.esper.keys.key_words import DAY_MS, PERIODS, key_document, key_lines
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, Session, session
from esper.gateway.keys import (
    KEY_RANDOM_BYTES,
    LOCAL_ID,
    Account,
    Scope,
    key_hash,
    key_id,
    make_key,
)
from esper.gateway.store.gateway_store import GatewayStore
from esper.node.clock import wall_ms
from esper.primitives.units import format_credits
from esper.wallet.amounts import parse_credits

MOST_NAME: Final = 64
MOST_DAYS: Final = 36_500
PUBLISHES: Final = (
    "This key may publish: prompts and answers that it has proven stand in the chain for ever, for "
    "everyone to read."
)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The 8 characters after esk_.")]
Scopes = Annotated[
    str,
    typer.Option(
        "--scope",
        help="What it may do, with commas between: infer, prove (publishes prompts and answers for "
        "ever), receipts, usage, metrics.",
    ),
]
Budget = Annotated[
    str, typer.Option("--budget", help="Credits in a period, for answers and proofs together.")
]
Period = Annotated[str, typer.Option("--period", help=f"One of {', '.join(PERIODS)}.")]
Name = Annotated[str, typer.Option("--name", help="A word for whoever holds it, for lists.")]
Requests = Annotated[int, typer.Option("--requests", min=1, help="Requests a minute.")]
Tokens = Annotated[
    int, typer.Option("--tokens", min=1, help="Tokens of prompts and answers a minute.")
]
Streams = Annotated[int, typer.Option("--streams", min=1, help="Requests that run at once.")]
MaxPrice = Annotated[
    int,
    typer.Option("--max-price", min=0, help="Micro-credits that a proof may bid a token at most."),
]
Days = Annotated[
    int | None,
    typer.Option("--days", min=1, max=MOST_DAYS, help="Refused after so many days."),
]
Back = Annotated[int, typer.Option("--days", min=1, max=366, help="Days, today included.")]
Greedy = Annotated[
    bool,
    typer.Option(
        "--greedy-anyway",
        help="Replace temperature and its like by greedy decoding, and say so in each answer, "
        "rather than refuse them.",
    ),
]


def new_command(
    scope: Scopes = "infer,receipts,usage",
    budget: Budget = "1000",
    period: Period = "day",
    name: Name = "",
    requests: Requests = 600,
    tokens: Tokens = 1_000_000,
    streams: Streams = 32,
    max_price: MaxPrice = 1000,
    days: Days = None,
    greedy_anyway: Greedy = False,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Make a key of the gateway and show it, this once."""
    with session(datadir, as_json=as_json) as s:
        scopes = _scopes(s, scope)
        if period not in PERIODS:
            s.refuse("MisuseError", f"--period must be one of {', '.join(PERIODS)}", status=2)
        if len(name) > MOST_NAME or not name.isprintable():
            s.refuse("MisuseError", f"--name must have at most {MOST_NAME} characters", status=2)
        budget_micro = parse_credits(budget, "--budget")
        with gateway_book(s) as store:
            while True:
                key = make_key(environment.randomness(KEY_RANDOM_BYTES))
                now = wall_ms()
                account = Account(
                    id=key_id(key),
                    hash=key_hash(key),
                    name=name,
                    scopes=scopes,
                    budget=budget_micro,
                    period_ms=PERIODS[period],
                    requests_per_minute=requests,
                    tokens_per_minute=tokens,
                    streams=streams,
                    max_price=max_price,
                    created_ms=now,
                    expires_ms=None if days is None else now + days * DAY_MS,
                    greedy_anyway=greedy_anyway,
                )
                if store.accounts.add(account):
                    break
            document = key_document(
                account, store.budget.state(account.id, account.period(now)), now
            )
        if Scope.PROVE in scopes:
            s.note(PUBLISHES)
        s.answer({"key": key, **document}, key)
        s.note("It is shown this once: what is kept is a hash of it.")


def list_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """All keys with what they may do and have spent; no secret."""
    with session(datadir, as_json=as_json) as s, gateway_book(s) as store:
        now = wall_ms()
        keys = [(one, store.budget.state(one.id, one.period(now))) for one in store.accounts.all()]
        lines = [line for one, state in keys for line in key_lines(one, state, now)]
        s.answer(
            {"keys": [key_document(one, state, now) for one, state in keys]},
            *(lines or ["No key yet: `esper key new` makes one."]),
        )


def revoke_command(key: KeyId, datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """Take a key back, at once and for ever."""
    with session(datadir, as_json=as_json) as s, gateway_book(s) as store:
        found = _found(s, store, key)
        if found.id == LOCAL_ID:
            s.refuse("MisuseError", "local has no secret: set gateway_open = no instead", status=2)
        now = wall_ms()
        if not store.accounts.revoke(found.id, now):
            s.refuse("RevokedError", f"key {found.id} was revoked before")
        s.answer({"id": found.id, "revoked_ms": now}, f"{found.id} is revoked.")


def usage_command(
    key: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One key; without: all.")
    ] = None,
    days: Annotated[
        int, typer.Option("--days", min=1, max=366, help="Days back, today included.")
    ] = 7,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Requests, tokens and credits of keys by day (UTC)."""
    with session(datadir, as_json=as_json) as s, gateway_book(s) as store:
        accounts = store.accounts.all() if key is None else [_found(s, store, key)]
        today = wall_ms() // DAY_MS
        rows = [
            (one.id, day)
            for one in accounts
            for day in store.budget.usage(one.id, today - days + 1, today)
        ]
        document = [
            {
                "id": name,
                "day": day.day,
                "requests": day.requests,
                "prompt_tokens": day.prompt_tokens,
                "answer_tokens": day.answer_tokens,
                "serve": day.serve,
                "proof": day.proof,
            }
            for name, day in rows
        ]
        lines = [
            f"{name:8}  {_date(day.day)}  {day.requests} requests, {day.prompt_tokens} + "
            f"{day.answer_tokens} tokens, answers {format_credits(day.serve)}, proofs "
            f"{format_credits(day.proof)}"
            for name, day in rows
        ]
        s.answer({"usage": document}, *(lines or [f"Nothing in the last {days} days."]))


def _scopes(s: Session, text: str) -> frozenset[Scope]:
    found = set()
    for word in text.split(","):
        try:
            found.add(Scope(word.strip()))
        except ValueError:
            known = ", ".join(Scope)
            s.refuse("MisuseError", f"--scope: {word.strip()!r} is none of {known}", status=2)
    return frozenset(found)


def _found(s: Session, store: GatewayStore, key: str) -> Account:
    if key.startswith("esk_"):
        s.refuse(
            "MisuseError", "give the 8 characters after esk_ alone: a key is a secret", status=2
        )
    found = store.accounts.find(key)
    if found is None:
        s.refuse("NoKeyError", f"no key {key}: `{s.command('key', 'list')}` shows them")
    return found


def _date(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()
