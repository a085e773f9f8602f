"""What holds at the end of every simulation."""

from esper.p2p.faults import Offence
from esper.p2p.peers.bars import Bar
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay
from tests.support.sim.sim_world import WALLETS, SimWorld
from tests.support.vm_world import address


def check_end(world: SimWorld, *, quiet: bool = True) -> None:
    """One tip, one state, all coins, no transaction left behind, nobody wronged.

    If not ``quiet``, links failed for so long that peers gave each other up for silence.
    """
    assert world.agree(), world.told()
    assert len({one.node.chain.view.state.root_after(()) for one in world.up}) == 1
    for node in world.up:
        height = node.height
        ledger = Ledger(Overlay(node.node.chain.view.state))
        assert _coins(world, ledger, height) == ledger.chain.issued
        included = txids_on_chain(world)
        waiting = {one.txid for one, _, _ in node.node.mempool.pool.kept()}
        assert not waiting & included, f"{node} keeps what is included\n{world.told()}"
    check_nobody_wronged(world, quiet=quiet)


def check_nobody_wronged(world: SimWorld, *, quiet: bool = True) -> None:
    """Honest nodes blame nobody, but for silence where links failed, and ban nobody."""
    for blame in world.blames:
        silence = blame.offence in (Offence.LATE, Offence.LATE_ANSWER) and not quiet
        assert silence, f"{blame}\n{world.told()}"
    for node in world.up:
        for barred in node.service.parts.penalties.barred(node.steady()):
            late = barred.bar is Bar.DROP and not quiet
            assert late, f"{node}: {barred}\n{world.told()}"


def txids_on_chain(world: SimWorld) -> set[bytes]:
    """Of all transactions up to the tip, from the first node."""
    node = world.up[0]
    index, found = node.node.chain.view.store.index, set[bytes]()
    for height in range(1, node.height + 1):
        block = node.node.manager.known.content(index.entry(height).block_id)
        found |= {one.txid for one in block.content.transactions}
    return found


def _coins(world: SimWorld, ledger: Ledger, height: int) -> int:
    """All there are: balances, and rewards that have not matured."""
    keys = [*WALLETS, *world.payees]
    balances = sum(ledger.account(address(key)).balance for key in keys)
    maturity = world.nodes[0].params.reward.maturity
    waiting = 0
    for below in range(maturity + 1):
        reward = ledger.take_reward(height - below) if height > below else None
        waiting += reward.amount if reward is not None else 0
    return balances + waiting
