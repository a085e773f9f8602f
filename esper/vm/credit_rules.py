"""The rules that credits are there and may be used in this epoch."""

from esper.primitives.errors.call_errors import CreditsViolation, RateViolation
from esper.vm.context import ExecutionContext
from esper.vm.credits import rate_limit, settled
from esper.vm.ledger import Ledger


def check_spending(sender: bytes, amount: int, ledger: Ledger, context: ExecutionContext) -> None:
    """Raises CreditsViolation or RateViolation unless ``amount`` micro-credits may be used now."""
    account, _ = settled(ledger.account(sender), ledger.totals)
    available = account.older_credits + account.newer_credits
    if amount > available:
        raise CreditsViolation(available, amount)
    limit = rate_limit(account, context.params.credits)
    if account.used + amount > limit:
        raise RateViolation(account.used, amount, limit)
