"""``esperd farm status``: who searches and proves for a node that runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import typer

from esper.cli.esperd.answers import JsonOption, answer
from esper.cli.esperd.asked_node import DatadirOption, asked_node
from esper.cli.esperd.columns import columns
from esper.cli.esperd.networking import length
from esper.rpc.methods import GET_WORKERS
from esper.rpc.schema import FarmReply, NoParams, Worker, WorkersReply

HEADS: Final = ("worker", "on", "state", "up", "done", "restarts", "in hand")
ALONE: Final = (
    "farm        none: this node mines with processes of its own machine; see the setting `ray`"
)


def status(datadir: DatadirOption = None, as_json: JsonOption = False) -> None:
    """Who searches and proves: workers of the farm, and processes of this machine.

    Exit status 1 also if the node was told of a cluster and it is not there.
    """
    with asked_node(datadir, as_json) as node:
        now = node.call(GET_WORKERS, NoParams())
    answer(
        as_json,
        msgspec.to_builtins(now),
        *([ALONE] if now.farm is None else _farm_lines(now.farm)),
        "",
        *columns([HEADS, *map(_row, now.workers)] if now.workers else [("no worker is known",)]),
        *_lost_lines(now),
    )
    if now.farm is not None and not now.farm.up:
        typer.echo(f"the farm at {now.farm.address} is not there: {now.farm.why_down}", err=True)
        raise typer.Exit(1)


def _farm_lines(farm: FarmReply) -> list[str]:
    since = f"for {length(farm.since_s)}"
    there = f"there {since}" if farm.up else f"not there {since}: {farm.why_down}"
    lines = [
        f"farm        {farm.address}, {there}",
        f"search      {_by_whom(farm.searches)}",
        f"proofs      {_by_whom(farm.proves)}",
        f"lost        {farm.lost} died, {farm.replaced} were replaced because they were at fault",
    ]
    if farm.recovery_ms:
        last = ", ".join(f"{one / 1000:.1f}" for one in farm.recovery_ms)
        lines.append(f"recovered   in {last} s, the last time last")
    return lines


def _by_whom(by_farm: bool) -> str:
    return "by the farm" if by_farm else "by local processes: no worker of the farm is ready"


def _row(one: Worker) -> tuple[str, ...]:
    if one.where == "farm":
        place = f"{one.host}, pid {one.pid}" if one.host else "-"
        name = f"{one.kind} {one.slot}"
    else:
        place = f"here, pid {one.pid}" if one.pid else "here"
        name = f"own {one.kind} {one.slot}"
    return (
        f"{name} (no. {one.worker})" if one.worker else name,
        place,
        one.state,
        length(one.up_s) if one.pid else "-",
        _done(one),
        str(one.restarts),
        f"{one.in_hand}, {length(one.in_hand_s)}" if one.in_hand else "-",
    )


def _done(one: Worker) -> str:
    if one.kind == "search":
        return f"{one.attempts:,} attempts"
    return "1 proof" if one.proofs == 1 else f"{one.proofs:,} proofs"


def _lost_lines(now: WorkersReply) -> Sequence[str]:
    """The newest first."""
    found = [(one.lost.lost_s, one, one.lost) for one in now.workers if one.lost is not None]
    if not found:
        return []
    lines = ["", "lost last, and why"]
    for ago_s, one, lost in sorted(found, key=lambda row: row[0]):
        name = one.kind if one.where == "farm" else f"own {one.kind}"
        number = f" (no. {lost.worker})" if lost.worker else ""
        place = f" on {lost.host}" if lost.host else ""
        lines.append(f"{length(ago_s)} ago  {name} {one.slot}{number}{place}: {lost.why}")
    return lines
