"""``esperd mining, pause, resume, threads, generate, stop``: steering a node that runs."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from esper.cli.esperd.answers import JsonOption, answer, progress
from esper.cli.esperd.asked_node import DatadirOption, asked_node
from esper.primitives.units import UNITS_PER_ESP
from esper.rpc.methods import (
    GENERATE,
    GET_MINING,
    PAUSE_MINING,
    RESUME_MINING,
    SET_THREADS,
    STOP,
)
from esper.rpc.schema import GenerateParams, MinedTier, Mining, NoParams, ThreadsParams

BLOCK_S = 610.0
"""For a block: a little longer than a node waits for one."""


def mining(datadir: DatadirOption = None, as_json: JsonOption = False) -> None:
    """How mining goes."""
    with asked_node(datadir, as_json) as node:
        now = node.call(GET_MINING, NoParams())
        answer(as_json, msgspec.to_builtins(now), *_mining_lines(now))


def _mining_lines(now: Mining) -> list[str]:
    block = "how long one takes is told once it is measured"
    if now.expected_block_ms:
        block = f"expected every {now.expected_block_ms / 1000:.1f} s of this machine alone"
    proof = f"{now.proof_ms / 1000:.2f} s" if now.proof_ms else "none yet"
    search = (
        f"{now.attempts_per_second:,.1f} attempts/s, "
        f"{now.tokens_per_second:,.0f} tokens/s on {now.threads} threads"
    )
    if now.paused:
        block = "none until `esperd resume`; calls are answered and proven meanwhile"
        search = f"paused, on {now.threads} threads when it goes on"
    return [
        now.doing,
        f"payee       {now.payee}",
        f"search      {search}",
        f"block       {block}",
        f"proof       {proof}, on {now.prove_threads} threads",
        f"found       {now.blocks_found} blocks, {now.blocks_stale} stale "
        f"({now.stale_per_mille / 10:.1f} %), {now.calls_answered} calls answered",
        f"usefulness  {now.usefulness_per_mille / 10:.1f} % of proven tokens were paid",
        *map(_tier_line, now.tiers),
    ]


def _tier_line(one: MinedTier) -> str:
    """What an entry promises."""
    which = "previous" if one.previous else "model"
    mined = ", mined now" if one.mined else ""
    line = f"tier {one.tier:<6} {which} {one.model_id[:16]}, {one.readiness}{mined}"
    if not one.expected_block_ms:
        return line
    how = "" if one.measured else " (estimated)"
    coins = f"{int(one.reward_per_hour) / UNITS_PER_ESP:,.2f} ESP an hour"
    return f"{line}: a block every {one.expected_block_ms / 1000:,.1f} s, {coins}{how}"


def pause(datadir: DatadirOption = None, as_json: JsonOption = False) -> None:
    """Stop searching until `resume` or a restart; a proof that runs is finished.

    Calls are still answered and proven; they come into a block once the search goes on.
    """
    with asked_node(datadir, as_json) as node:
        node.call(PAUSE_MINING, NoParams())
        answer(as_json, {"paused": True}, "paused")


def resume(datadir: DatadirOption = None, as_json: JsonOption = False) -> None:
    """Go on searching."""
    with asked_node(datadir, as_json) as node:
        node.call(RESUME_MINING, NoParams())
        now = node.call(GET_MINING, NoParams())
        doing = "searching" if now.running else "not paused; blocks are mined when asked for"
        answer(as_json, {"paused": now.paused, "running": now.running}, doing)


def threads(
    search: Annotated[int | None, typer.Option(min=1, max=1024, help="Of the search.")] = None,
    prove: Annotated[int | None, typer.Option(min=1, max=1024, help="Of each prover.")] = None,
    datadir: DatadirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cap the threads of a running miner; what is left out stays."""
    with asked_node(datadir, as_json) as node:
        node.call(SET_THREADS, ThreadsParams(threads=search, prove_threads=prove))
        now = node.call(GET_MINING, NoParams())
        answer(
            as_json,
            {"threads": now.threads, "prove_threads": now.prove_threads},
            f"{now.threads} threads search, {now.prove_threads} prove",
        )


def generate(
    blocks: Annotated[int, typer.Argument(min=1, max=1000, help="How many.")] = 1,
    to: Annotated[
        str | None, typer.Option("--to", help="Address that they pay; the miner's own without it.")
    ] = None,
    datadir: DatadirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mine blocks now, on regtest alone, and print their hashes.

    Where peers mine as well, a heavier branch may take the place of such a block.
    """
    hashes: list[str] = []
    with asked_node(datadir, as_json, BLOCK_S) as node, progress("mining") as told:
        # One by one: each is told when it is there, and no answer takes longer than a block.
        for done in range(1, blocks + 1):
            found = node.call(GENERATE, GenerateParams(1, to)).hashes
            hashes += found
            told(done, blocks)
            for line in [] if as_json else found:
                typer.echo(line)
        if as_json:
            answer(True, {"hashes": hashes})


def stop(datadir: DatadirOption = None, as_json: JsonOption = False) -> None:
    """Shut the node down."""
    with asked_node(datadir, as_json) as node:
        node.call(STOP, NoParams())
        answer(as_json, {"stopping": True}, "the node closes")
