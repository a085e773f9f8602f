"""Payments in a simulation: each key's wallet talks to one node, and any node may mine them."""

import trio

from esper.crypto.signing import KeyPair
from esper.vm.transaction import Transaction
from tests.support.node.node_world import pay
from tests.support.sim.sim_checks import txids_on_chain
from tests.support.sim.sim_node import SimNode
from tests.support.sim.sim_world import WALLETS, SimWorld
from tests.support.vm_world import address, make, sign


class Payments:
    """Pays now and then, and knows what was promised."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world
        self._homes: dict[KeyPair, SimNode] = {
            key: world.chance.choice(world.nodes) for key in WALLETS
        }
        self.sent: list[Transaction] = []
        """Everything that a node took in."""

    async def run(self, mean_s: float = 4.0) -> None:
        """Until cancelled."""
        chance = self._world.chance
        while True:
            await trio.sleep(chance.expovariate(1 / mean_s))
            payer, payee = chance.sample(WALLETS, 2)
            if self._homes[payer].is_up:
                await self.pay(payer, payee)

    async def pay_all_at_once(self, count: int, home: SimNode) -> None:
        """So many payments, all told to one node."""
        self._homes = dict.fromkeys(WALLETS, home)
        for number in range(count):
            await self.pay(WALLETS[number % len(WALLETS)], WALLETS[(number + 1) % len(WALLETS)])

    async def pay(self, payer: KeyPair, payee: KeyPair) -> Transaction:
        """One payment, told to the payer's node."""
        home = self._homes[payer]
        nonce = sum(one.sender == address(payer) for one in self.sent)
        unsigned = make(payer, pay(payee, 1_000_000 + nonce), nonce)
        genesis = home.node.chain.view.context.genesis_hash
        payment = sign(payer, unsigned, genesis)
        self.sent.append(payment)
        await home.node.mempool.submit(payment.to_bytes())
        self._world.log(f"{home} takes {payment.txid.hex()[:8]}")
        return payment

    def all_included(self) -> bool:
        """Whether the chain has them all."""
        return {one.txid for one in self.sent} <= txids_on_chain(self._world)
