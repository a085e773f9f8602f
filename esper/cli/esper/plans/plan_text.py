"""A plan in lines for people, and as an object for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from esper.planning.cells import model_weights
from esper.planning.machine import GIB
from esper.planning.plan import Plan
from esper.primitives.params import NetworkParameters

_SHOWN: Final = 8
"""Segments that are shown one by one; of more, the largest."""


def plan_fields(plan: Plan, network: NetworkParameters, spacing_s: float) -> dict[str, Any]:
    """Everything that the lines say, in seconds, bytes and shares from 0 to 1."""
    seconds, limits = plan.seconds, network.limits
    return {
        "weights": model_weights(plan.shape),
        "embedding": plan.shape.vocab * plan.shape.dim,
        "tokens": plan.answer.tokens,
        "answers": plan.answer.answers,
        "rows": plan.answer.rows.positions,
        "machine": plan.machine.name,
        "user_s": {
            "load": seconds.load,
            "answer": seconds.answer,
            "model_commitment": seconds.keys,
            "proof": seconds.proving,
            "cold": seconds.cold,
            "warm": seconds.warm,
        },
        "clearing_s": plan.clearing_s,
        "cold_s": plan.cold_s,
        "warm_s": plan.warm_s,
        "slowest_segment_s": plan.slowest_segment_s,
        "memory_bytes": plan.memory_bytes,
        "memory_fits": plan.fits,
        "proof_bytes": plan.proof_bytes,
        "verify_ms": plan.verify_ms,
        "upload_s": plan.upload_s,
        "network": network.name,
        "spacing_s": spacing_s,
        "stale_rate": plan.stale_rate(spacing_s),
        "spacing_for_a_tenth_s": plan.spacing_s,
        "price_per_token": plan.price_per_token,
        "fits_work_proof": plan.proof_bytes <= limits.proof_bytes,
        "fits_body": plan.proof_bytes <= limits.body_bytes,
        "exceeded": [
            {"limit": one.limit, "value": one.value, "most": one.most, "segment": one.part}
            for one in plan.exceeded
        ],
        "segments": [
            {
                "first_layer": one.segment.first_layer,
                "layers": one.segment.layers,
                "witness_cells": one.cells.witness,
                "model_cells": one.cells.model,
                "memory_bytes": one.memory_bytes,
                "proof_bytes": one.proof_bytes,
                "user_s": one.user_s,
            }
            for one in plan.segments
        ],
    }


def plan_lines(plan: Plan, network: NetworkParameters, spacing_s: float) -> Iterator[str]:
    """A subject a line; what cannot be comes last."""
    shape, machine, seconds = plan.shape, plan.machine, plan.seconds
    count = len(plan.segments)
    yield (
        f"model      {model_weights(shape):,} weights in {shape.layers} layers of width {shape.dim}"
        f", {shape.vocab:,} token ids"
    )
    yield (
        f"proof      {plan.answer.rows.positions:,} rows for {plan.answer.tokens:,} tokens, "
        f"{plan.answer.answers:,} of them answers; "
        + ("the whole model at once" if count == 1 else f"{count} segments")
    )
    yield f"machine    {machine.name}: {machine.cores} cores, {machine.memory_gib:,g} GiB"
    yield from _segment_lines(plan)
    yield (
        f"time       {_time(plan.cold_s)} to the first proof after a start, {_time(plan.warm_s)} "
        "for a further one"
    )
    yield (
        f"of it      {_time(seconds.load)} loading, {_time(seconds.answer)} answering, "
        f"{_time(seconds.keys)} committing to the model, {_time(seconds.proving)} proving: "
        "processor time of one reference core"
    )
    yield (
        f"           and up to {_time(plan.clearing_s)} until the system has cleared the memory, "
        "in the first proof"
    )
    if count > 1:
        yield (
            f"           with a machine for each segment {_time(plan.slowest_segment_s)} for the "
            "slowest, after loading and answering"
        )
    largest = max(one.memory_bytes for one in plan.segments)
    when = ", while the whole model answers" if plan.memory_bytes > largest else ""
    yield f"memory     {plan.memory_bytes / GIB:,.1f} GiB at the peak{when}"
    yield (
        f"size       {plan.proof_bytes:,} bytes, {_time(plan.upload_s)} over the line; verified in "
        f"{plan.verify_ms:,.1f} ms"
    )
    yield (
        f"spacing    {_time(plan.spacing_s)} between blocks for a tenth of them stale; at "
        f"{spacing_s:g} s {100 * plan.stale_rate(spacing_s):.1f} % are"
    )
    price = f"{plan.price_per_token:.3g}"
    yield f"cost       {price} a proven token, at {machine.price_per_hour:g} an hour"
    yield from _refusals(plan, network)


def _segment_lines(plan: Plan) -> Iterator[str]:
    if len(plan.segments) == 1:
        return
    for number, one in enumerate(plan.segments, start=1):
        first, layers = one.segment.first_layer, one.segment.layers
        if len(plan.segments) > _SHOWN and one != max(
            plan.segments, key=lambda segment: segment.memory_bytes
        ):
            continue
        yield (
            f"segment {number:<2} layers {first} to {first + layers - 1}, "
            f"{one.cells.witness / 1e6:,.1f} million cells beside {one.cells.model / 1e6:,.1f} "
            f"million of the model: {one.memory_bytes / GIB:,.1f} GiB, {one.proof_bytes:,} bytes"
            + (", the largest" if len(plan.segments) > _SHOWN else "")
        )


def _refusals(plan: Plan, network: NetworkParameters) -> Iterator[str]:
    limits = network.limits
    if len(plan.segments) > 1:
        yield "but        no network takes proofs in segments"
    if not plan.fits:
        yield (
            f"but        the machine has {plan.machine.memory_gib:,g} GiB of memory, which is too "
            "little"
        )
    for name, most in (("a work proof", limits.proof_bytes), ("a body", limits.body_bytes)):
        if plan.proof_bytes > most:
            yield (
                f"but        {name} of {network.name} has at most {most:,} bytes: "
                f"{plan.proof_bytes / most:.1f} times too large"
            )
    for one in plan.exceeded:
        yield f"but        every verifier refuses it: {one}"


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:,.3g} min"
    return f"{seconds / 3600:,.3g} h"
