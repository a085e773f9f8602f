"""Answers to lanes: who returns them, which are open, and what returning them costs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from esper.consensus.context import ChainContext
from esper.consensus.ports import ChainState
from esper.node.in_force import parameters_of
from esper.node.workers.call_answerer import AnsweredCall
from esper.primitives.ids import Txid
from esper.primitives.params import LimitParameters
from esper.vm.fees import fee_of_bytes
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

RESULT_ROOM: Final = 8 * 1024
"""Bytes kept for an LlmResult: key, signature and a long answer."""

ResultSigner = Callable[[ChainContext, LimitParameters, AnsweredCall, int], Transaction]
"""Signs the LlmResult of an answer to a lane of a chain, with a nonce of the signer's."""


@dataclass(frozen=True, slots=True)
class LaneAnswers:
    """Who returns answers to lanes."""

    sender: bytes
    """33 bytes: address of the signer."""
    sign: ResultSigner
    """Its signature."""


def open_lanes(chain: ChainContext, state: ChainState) -> list[Txid]:
    """Ids of the calls that the next block may still answer by a result, the oldest first."""
    ledger = Ledger(Overlay(state))
    found = []
    expiry = parameters_of(chain, state).calls.lane_expiry_blocks
    for height in range(chain.height + 2, chain.height + expiry + 2):
        found += ledger.lane_ids_due(height)
    return found


def payable_results(chain: ChainContext, state: ChainState, sender: bytes) -> int:
    """How many answers to lanes a 33-byte address can pay the fees of."""
    fee = fee_of_bytes(RESULT_ROOM, parameters_of(chain, state).limits)
    return Ledger(Overlay(state)).account(sender).balance // fee
