"""The kinds of transactions: all but the coinbase, kind 0, which has no envelope."""

from typing import Final

from esper.vm.credit_transfer import CreditTransfer
from esper.vm.governance.claim import Claim
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.prove import Prove
from esper.vm.governance.vote import Vote
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Payload
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake

KINDS: Final[tuple[type[Payload], ...]] = (
    Transfer,
    Stake,
    Unstake,
    CreditTransfer,
    LlmCall,
    LlmResult,
    Propose,
    Vote,
    Delegate,
    Claim,
    Prove,
)


DAO_KINDS: Final = (Propose, Vote, Delegate, Claim, Prove)
"""Kinds that say something to the DAO."""


def kind_of_number(number: int) -> type[Payload] | None:
    """The payload of a kind by its number on the wire, None if there is no such kind."""
    return next((kind for kind in KINDS if number == kind.KIND), None)
