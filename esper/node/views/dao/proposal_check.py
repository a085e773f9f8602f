"""Whether the next block would take a proposal, by its own rules on the tip's state."""

from esper.dao.bodies import Body
from esper.node.views.dao.dao_words import about
from esper.primitives.errors.dao_errors import DaoEncodingViolation
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.units import MAX_AMOUNT
from esper.rpc import schema as s
from esper.vm.context import ExecutionContext
from esper.vm.execute import start_block
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.electorate import bond_unit
from esper.vm.governance.opening_rules import fee_share, least_bond, open_count
from esper.vm.governance.planned import tiers_by
from esper.vm.governance.propose import Propose
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay, StateView


def check_proposal(
    params: s.CheckParams,
    sender: bytes,
    state: StateView,
    context: ExecutionContext,
    as_of: s.AsOf,
) -> s.CheckReply:
    """The answer for a sender of 33 bytes; ``context`` is the next block's.

    What waits in the mempool is not looked at: another proposal that comes first may double the
    bond.
    """
    ledger = Ledger(Overlay(state))
    start_block(ledger, context)
    data = bytes.fromhex(params.body)
    bond, least, text, rule, message = int(params.bond or 0), 0, "", "", ""
    try:
        body = Propose(params.subject, bond, data).read()
        text, least = about(body), _least(params.subject, body, ledger, context)
        bond = least if params.bond is None else bond
        payload = Propose(params.subject, bond, data)
        payload.check_isolated()
        payload.check_in_context(sender, ledger, context)
    except TransactionViolation as error:
        rule, message = error.rule, str(error)
    return s.CheckReply(
        holds=not rule,
        rule=rule,
        message=message,
        bond=str(bond),
        least_bond=str(least),
        about=text,
        as_of=as_of,
    )


def _least(subject: int, body: Body, ledger: Ledger, context: ExecutionContext) -> int:
    """Units, as ``opening_rules`` asks for them. Raises DaoEncodingViolation if none could pay."""
    records = DaoLedger(ledger)
    unit = bond_unit(records.governance.stake, context.genesis.governance)
    found = least_bond(subject, open_count(records), unit, fee_share(body, tiers_by(records), unit))
    if found > MAX_AMOUNT:
        raise DaoEncodingViolation("the bond would exceed all coins")
    return found
