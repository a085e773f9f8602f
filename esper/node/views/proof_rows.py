"""Rows that the proof of an old call may have: by the rules of its block, not by those of now.

A state says what holds and when it last moved, not what held before; and a model that is mined no
more has left it. What it does not say the proof does: it holds for one number of rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from esper.consensus.ports import ProofRejectedError, WorkClaim, WorkVerifier
from esper.consensus.registry import genesis_registry
from esper.dao.setting_values import in_force, moved_at
from esper.dao.settings import ROWS_KEY, SETTINGS
from esper.node.chain.chain_view import ChainView
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelShape
from esper.vm.call_rows import call_rows
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay

LEAST_ROWS: Final = 2
"""Of a proof."""


def rows_then(model_id: ModelId, height: int, view: ChainView) -> tuple[int, ...]:
    """Rows of a call to a model that the block of ``height`` answered, the likeliest first.

    One number where ``rows_per_call`` has not moved since and the chain names the model: else all
    that votes can have led to, at most a dozen.
    """
    genesis = view.context.params
    values = DaoLedger(Ledger(Overlay(view.state))).settings
    now = in_force(genesis, values).calls
    allowed = [now.rows_per_call]
    # A block is judged by the state before it: what moved in it holds from the next one on.
    if height <= moved_at(values).get(ROWS_KEY, -1):
        allowed += _powers(*SETTINGS[ROWS_KEY].bounds(genesis))
    shape = _shape(model_id, view)
    if shape is None:
        found = [now.rows_per_call, *_powers(LEAST_ROWS, max(allowed))]
    else:
        found = [call_rows(replace(now, rows_per_call=one), shape) for one in allowed]
    return tuple(dict.fromkeys(found))


def claim_that_holds(
    claims: Sequence[WorkClaim], proof: bytes, verifier: WorkVerifier
) -> WorkClaim:
    """The claim that a proof of the chain shows, of some that differ in rows. One is not looked at.

    The first where none holds: a disk that changed the proof is the customer's to find.
    """
    for claim in claims if len(claims) > 1 else ():
        try:
            verifier.verify(claim, proof)
        except ProofRejectedError:
            continue
        return claim
    return claims[0]


def _powers(least: int, most: int) -> list[int]:
    """Powers of two, the greatest first: models allow fewer rows, rarely many fewer."""
    return [1 << bit for bit in range(most.bit_length() - 1, -1, -1) if least <= 1 << bit <= most]


def _shape(model_id: ModelId, view: ChainView) -> ModelShape | None:
    """The shape of a model as far as the chain names it: an id is the hash of one shape."""
    tiers = (*view.context.registry.tiers, *genesis_registry(view.context.params).tiers)
    models = [entry.model for tier in tiers for entry in tier.entries]
    return next((model.shape for model in models if model.model_id == model_id), None)
