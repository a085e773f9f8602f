"""`esper key new`: a key for a user of the gateway."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from esper.cli.esper import environment
from esper.cli.esper.keys.key_place import Network, gateway_store
from esper.cli.esper.keys.key_wishes import PERIODS_MS, Period, end_of, scopes_of
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, Yes, session
from esper.gateway.keys import (
    KEY_RANDOM_BYTES,
    WEBHOOK_KEY_BYTES,
    Account,
    KeyFieldError,
    Scope,
    key_hash,
    key_id,
    make_key,
)
from esper.gateway.webhooks.address_judge import WebhookURLError, read_webhook_url
from esper.node.clock import wall_ms
from esper.wallet.errors import MisuseError

PUBLISHED: Final = (
    "With the scope prove this key publishes: prompts and answers that are proven go into the "
    "chain, where everyone can read them, for ever. Nobody can take them back."
)
_TRIES: Final = 4
"""Ids have 47 bits: a second one that is taken means that chance is none."""


def new_command(
    scope: Annotated[
        str,
        typer.Option(
            help="What it may do, with commas between: infer, prove, receipts, usage, metrics. "
            "prove publishes prompts and answers for ever.",
        ),
    ] = "infer,receipts,usage",
    budget: Annotated[
        int, typer.Option(help="Micro-credits in a period, for answers and proofs together.")
    ] = 100_000_000,
    period: Annotated[
        Period, typer.Option(help="How long a budget lasts; a month is 30 days.")
    ] = Period.DAY,
    requests_per_minute: Annotated[int, typer.Option(help="Requests let in.")] = 60,
    tokens_per_minute: Annotated[int, typer.Option(help="Tokens of prompts and answers.")] = 60_000,
    streams: Annotated[int, typer.Option(help="Requests at once.")] = 8,
    max_price: Annotated[
        int, typer.Option(help="Micro-credits a token that a proof may bid at most.")
    ] = 1_000,
    webhook: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="An https address that is told when a proof changes its state: ids, no text.",
        ),
    ] = "",
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 12h, 30d, 2w, or a date; never without it.")
    ] = None,
    name: Annotated[str, typer.Option(help="Your word for whoever holds it.")] = "",
    greedy_anyway: Annotated[
        bool,
        typer.Option(
            "--greedy-anyway",
            help="Take requests that ask for sampling, answer greedily, and say so.",
        ),
    ] = False,
    network_name: Network = None,
    yes: Yes = False,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Make a key; it is shown once."""
    with session(datadir, None, as_json, yes) as s:
        now = wall_ms()
        scopes = scopes_of(scope)
        account = Account(
            id="",
            hash=b"",
            name=name,
            scopes=scopes,
            budget=budget,
            period_ms=PERIODS_MS[period],
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            streams=streams,
            max_price=max_price,
            created_ms=now,
            expires_ms=None if expires is None else end_of(expires, now),
            webhook=webhook,
            webhook_key=environment.randomness(WEBHOOK_KEY_BYTES) if webhook else b"",
            greedy_anyway=greedy_anyway,
        )
        try:
            account.check()
            if webhook:
                read_webhook_url(webhook)
        except (KeyFieldError, WebhookURLError) as error:
            raise MisuseError(str(error)) from None
        if Scope.PROVE in scopes:
            s.note(PUBLISHED)
            s.confirm("Make a key that publishes?")
        with gateway_store(s, network_name) as store:
            for _ in range(_TRIES):
                key = make_key(environment.randomness(KEY_RANDOM_BYTES))
                made = account.made_with(key_id(key), key_hash(key))
                if store.accounts.add(made):
                    break
            else:
                s.refuse("KeyTaken", "no free id was found: this machine's randomness is broken")
        document: dict[str, object] = {
            "id": made.id,
            "key": key,
            "scopes": sorted(scopes),
            "expires_ms": made.expires_ms,
        }
        lines = [key]
        if webhook:
            document["webhook_key"] = made.webhook_key.hex()
            lines.append(f"webhook key {made.webhook_key.hex()}")
        if Scope.PROVE in scopes:
            document["warning"] = PUBLISHED
        s.answer(document, *lines)
        s.note(f"Keep it now: only its hash is kept here. {s.command('key', 'revoke', made.id)}")
