"""What holds for the gateway's account at a tip."""

from collections.abc import Collection

from esper.dao.schedule import Activation
from esper.gateway.proving_rows import Conditions
from esper.node.calls.suggested_bid import suggested_bid
from esper.node.chain.chain_view import ChainView
from esper.node.in_force import parameters_of
from esper.vm.credits import rate_limit, settled, totals_at_block
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay


def conditions_at(
    view: ChainView,
    address: bytes,
    waiting: Collection[bytes],
    waiting_calls: int,
    now_ms: int,
) -> Conditions:
    """The account as the next block would see it.

    ``waiting``: txids of its transactions in the mempool; ``waiting_calls``: everybody's calls.
    """
    chain, state = view.context, view.state
    rules = parameters_of(chain, state).credits
    ledger = Ledger(Overlay(state))
    totals = totals_at_block(ledger.totals, chain.height + 1, rules)
    account, _ = settled(ledger.account(address), totals)
    models = [tier.model.model_id for tier in chain.registry.tiers]
    bids: dict[bytes, int] = {
        one: suggested_bid(one, chain, state, waiting_calls) for one in models
    }
    changes = [
        one.height
        for one in chain.schedule
        if isinstance(one.act, Activation) and one.height > chain.height
    ]
    return Conditions(
        now_ms=now_ms,
        account_nonce=account.nonce,
        credits=account.older_credits + account.newer_credits,
        rate_left=rate_limit(account, rules) - account.used,
        suggested_bid=bids[models[0]],
        models=frozenset(models),
        rotation_at=min(changes, default=None),
        waiting=frozenset(waiting),
        bids=bids,
    )
