"""Voters as the RPC shows them."""

from esper.dao.records import Live
from esper.dao.steps import OPEN
from esper.dao.tally import NOT_VOTED, Choice, weight
from esper.node.views.dao.sight import Sight
from esper.node.views.rpc_formats import address_text
from esper.rpc import schema as s
from esper.vm.governance.stake_moves import held_by


def voter_reply(address: bytes, sight: Sight) -> s.VoterReply:
    """What the DAO keeps of a 33-byte address."""
    records, ledger = sight.records, sight.ledger
    voter = records.voter(address)
    return s.VoterReply(
        address=address_text(address, sight.genesis),
        stake=str(ledger.account(address).stake),
        delegate=address_text(voter.delegate, sight.genesis),
        pot=str(voter.pot),
        votes=[
            _weight(address, live, sight) for live in records.governance.live if live.step in OPEN
        ],
        ready=list(voter.ready),
        as_of=sight.as_of,
    )


def _weight(address: bytes, live: Live, sight: Sight) -> s.VoterWeight:
    held = held_by(address, sight.records.proposal(live.id).epoch, sight.ledger)
    cast = sight.records.voter(address).vote(live.number)
    voted = cast.choice != NOT_VOTED
    return s.VoterWeight(
        number=live.number,
        id=live.id.hex(),
        weight=str(max(weight(held, cast.override), 0)),
        vote=Choice(cast.choice).name.lower() if voted else "",
        delegate=address_text(held.delegate, sight.genesis),
    )
