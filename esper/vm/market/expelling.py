"""What a proven fault does: the provider is expelled, and its bond goes.

Half of the bond is the sender's, the rest nobody's, so that no provider gains by accusing itself
before somebody else does. Nothing of it is settled any more; its sessions are closed by anybody,
and the deposit comes back to the owner as with whoever leaves.
"""

from dataclasses import replace

from esper.market.records.double import TwoRecords
from esper.market.rules.double_rules import check_double
from esper.market.slots import slot_of
from esper.primitives.errors.market_errors import FaultTwiceViolation, ProviderUnknownViolation
from esper.primitives.ids import Txid
from esper.vm.context import ExecutionContext
from esper.vm.ledger import Ledger
from esper.vm.market.market_ledger import MarketLedger
from esper.vm.market.market_suite import market_in_force
from esper.vm.market.records.provider import ProviderState


def check_two_records(
    target: Txid, shown: TwoRecords, ledger: Ledger, context: ExecutionContext
) -> None:
    """The provider is there to lose something, and signed twice.

    Raises MarketNotTakenViolation, ProviderUnknownViolation, FaultTwiceViolation or
    NotAFaultViolation.
    """
    market_in_force(context.genesis)
    check_faultless(shown.first.provider, ledger)
    check_double(target, shown, context.genesis_hash)


def check_faultless(address: bytes, ledger: Ledger) -> None:
    """Somebody who is a provider, and whom no fault has expelled.

    Raises ProviderUnknownViolation, also when its bond was paid out, or FaultTwiceViolation.
    """
    provider = MarketLedger(ledger).find_provider(address)
    if provider is None:
        raise ProviderUnknownViolation(address)
    if provider.state == ProviderState.EXPELLED:
        raise FaultTwiceViolation(address)


def expel(
    sender: bytes, address: bytes, ledger: Ledger, context: ExecutionContext, txid: Txid
) -> None:
    """Expel a provider by what ``sender`` showed in transaction ``txid``."""
    records = MarketLedger(ledger)
    provider = records.provider(address)
    # Rounded down: who accuses itself never has as much again.
    gain = provider.bond // 2
    expelled = replace(
        provider,
        state=ProviderState.EXPELLED,
        bond=0,
        left=slot_of(context.height, market_in_force(context.genesis)),
        fault=txid,
    )
    records.set_provider(address, expelled)
    ledger.set_account(sender, ledger.account(sender).moved(gain))
    ledger.burned += provider.bond - gain
