"""`esper key list, revoke, usage`: the keys that were made."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from esper.cli.esper.keys.key_place import Network, gateway_store
from esper.cli.esper.keys.key_wishes import DAY_MS, moment_text, period_text
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, session
from esper.gateway.keys import CONSOLE_ID, LOCAL_ID, Account
from esper.gateway.store.budget import DayUsage, PeriodState
from esper.gateway.store.gateway_store import GatewayStore
from esper.node.clock import wall_ms
from esper.wallet.errors import MisuseError

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The 8 characters after esk_.")]
MOST_DAYS: Final = 366


def list_command(
    network_name: Network = None, datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False
) -> None:
    """All keys, oldest first, without what is secret."""
    with session(datadir, None, as_json) as s:
        with gateway_store(s, network_name) as store:
            found = store.accounts.all()
        now = wall_ms()
        lines = [_line(one, now) for one in found]
        s.answer({"keys": [_document(one, now) for one in found]}, *lines or ["no keys"])


def revoke_command(
    key: KeyId,
    network_name: Network = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Refuse a key from now on; it cannot be given back."""
    with session(datadir, None, as_json) as s:
        with gateway_store(s, network_name) as store:
            account = _known(store, key)
            if account.id == LOCAL_ID:
                raise MisuseError(
                    "the key local is made at each start of the node: set gateway_open = false"
                )
            if account.id == CONSOLE_ID:
                ended = store.sign_ins.end_all()
                s.answer({"id": account.id, "sessions": ended}, f"{ended} sessions have ended")
                return
            is_new = store.accounts.revoke(account.id, wall_ms())
        line = f"{account.id} is revoked" if is_new else f"{account.id} was revoked before"
        s.answer({"id": account.id, "revoked_now": is_new}, line)


def usage_command(
    key: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One key; all of them without it.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="How many days back.")] = 30,
    network_name: Network = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """What keys used, by day (UTC), and what is left of their budgets."""
    with session(datadir, None, as_json) as s:
        now = wall_ms()
        today = now // DAY_MS
        with gateway_store(s, network_name) as store:
            accounts = store.accounts.all() if key is None else [_known(store, key)]
            found = [
                (
                    one,
                    store.budget.state(one.id, one.period(now)),
                    store.budget.usage(one.id, today - days + 1, today),
                )
                for one in accounts
            ]
        lines = [line for one in found for line in _usage_lines(*one)]
        document = [_usage_document(*one) for one in found]
        s.answer({"keys": document}, *lines or ["no keys"])


def _known(store: GatewayStore, key: str) -> Account:
    if key.startswith("esk_"):
        # It stands in the shell's history by now; the sentence must not repeat it.
        raise MisuseError("name the key by its 8 characters after esk_, never by all of it")
    account = store.accounts.find(key)
    if account is None:
        raise MisuseError(f"there is no key {key!r}: `esper key list` shows all")
    return account


def _state(account: Account, now_ms: int) -> str:
    if account.revoked_ms is not None:
        return f"revoked {moment_text(account.revoked_ms)}"
    if account.expires_ms is None:
        return "never ends"
    word = "ends" if account.usable(now_ms) else "ended"
    return f"{word} {moment_text(account.expires_ms)}"


def _line(account: Account, now_ms: int) -> str:
    scopes = ",".join(sorted(account.scopes))
    budget = f"{account.budget} µcredits a {period_text(account.period_ms)}"
    return f"{account.id}  {scopes}  {budget}  {_state(account, now_ms)}  {account.name}".rstrip()


def _document(account: Account, now_ms: int) -> dict[str, Any]:
    shown = asdict(account)
    for secret in ("hash", "webhook_key"):
        del shown[secret]
    return {**shown, "scopes": sorted(account.scopes), "usable": account.usable(now_ms)}


def _usage_lines(account: Account, state: PeriodState, used: list[DayUsage]) -> list[str]:
    period = period_text(account.period_ms)
    head = (
        f"{account.id}  {account.name}: {state.spent} spent and {state.reserved} reserved "
        f"of {account.budget} µcredits this {period}"
    )
    return [
        head,
        *(
            f"  {_date(day)}  {day.requests} requests  {day.prompt_tokens} + {day.answer_tokens} "
            f"tokens  answers {day.serve}, proofs {day.proof} µcredits"
            for day in used
        ),
    ]


def _usage_document(account: Account, state: PeriodState, used: list[DayUsage]) -> dict[str, Any]:
    days = [asdict(day) | {"day": _date(day)} for day in used]
    budget: dict[str, Any] = {"limit": account.budget} | asdict(state)
    return {"id": account.id, "name": account.name, "budget": budget, "days": days}


def _date(usage: DayUsage) -> str:
    return datetime.fromtimestamp(usage.day * DAY_MS / 1000, UTC).date().isoformat()
