"""A receipt under judgement: what the links have read of it so far."""

from dataclasses import dataclass, field

from esper.consensus.call_groups import CallGroup
from esper.consensus.header import Header
from esper.primitives.ids import Txid
from esper.primitives.params import NetworkParameters
from esper.receipts.parts import AnswerReceipt
from esper.receipts.ports import NamedModel, Surroundings
from esper.vm.context import Answer
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction


class BrokenLinkError(Exception):
    """A link does not hold; the message says what differs."""


@dataclass(slots=True)
class Case:
    """Each field is set by the link that is named with it."""

    receipt: AnswerReceipt
    around: Surroundings
    params: NetworkParameters = field(init=False)
    """*network*."""
    genesis_hash: bytes = field(init=False)
    """*network*."""
    call: LlmCall = field(init=False)
    """*model*."""
    made: Transaction = field(init=False)
    """*model*: the call's transaction; of a lane without its signature."""
    header: Header = field(init=False)
    """*model*."""
    call_model: NamedModel = field(init=False)
    """*model*."""
    block_model: NamedModel = field(init=False)
    """*model*."""
    entry_known: bool = field(init=False)
    """*model*: whether somebody here has the entry of the call's model, not its id alone."""
    result: Transaction | None = field(init=False, default=None)
    """*call*: of a lane the answer's transaction."""
    group: CallGroup = field(init=False)
    """*group*."""
    answer: Answer = field(init=False)
    """*group*."""
    promised_model: NamedModel | None = field(init=False, default=None)
    """*model*: of a promise, where it is known."""
    chain_holds: bool = field(init=False, default=False)
    """*chain*."""

    @property
    def call_id(self) -> Txid:
        """64 bytes."""
        return self.made.txid

    @property
    def answering(self) -> Transaction:
        """The transaction that the block holds: of a lane the result, else the call."""
        return self.made if self.result is None else self.result
