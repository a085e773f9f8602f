"""Votes on the fake node's chain, beside the wallet's commands."""

from esper.vm.governance.vote import Vote
from tests.support.dao_world import model_body, proposing
from tests.support.vm_world import COIN, make, sign
from tests.support.wallet.wallet_console import Console, own_key


def model_under_way(console: Console, height: int) -> str:
    """A model that has passed, and the chain at that height."""
    world = console.node.world
    proposal = make(own_key(), proposing(model_body(), 3 * COIN), world.account(own_key()).nonce)
    signed = sign(own_key(), proposal)
    world.block(signed)
    world.send(own_key(), Vote(signed.txid, 1))
    while world.height < height:
        world.block()
    return signed.txid.hex()
