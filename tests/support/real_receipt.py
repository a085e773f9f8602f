"""A receipt of regtest with a real proof, in a block that nobody worked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from esper.cli.esper.receipts.surroundings import FileTokenizer, NativeJudge
from esper.consensus.block import (
    KIND_COINBASE,
    Body,
    Coinbase,
    calls_root,
    transaction_root,
)
from esper.consensus.call_groups import encode_result
from esper.consensus.genesis import genesis_header
from esper.consensus.header import Header
from esper.dao.registry import Puzzle
from esper.embedded import model_folder
from esper.node.workers.call_answerer import OpenCall
from esper.primitives.ids import ModelId, Txid
from esper.primitives.networks import REGTEST
from esper.primitives.params import NetworkParameters
from esper.primitives.work_outputs import WorkOutputs
from esper.receipts.build import build_proof
from esper.receipts.parts import AnswerReceipt
from esper.receipts.ports import NamedModel
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction
from tests.support.node.proven_calls import answerer
from tests.support.vm_world import ALICE, GENESIS, MINER, address, make


@dataclass
class OneBlock:
    """The source of a receipt that is a single block."""

    header: Header
    body: Body
    made: Transaction
    params: NetworkParameters = REGTEST
    genesis_hash: bytes = GENESIS

    def answering(self, txid: Txid) -> tuple[Header, Body, bytes | None]:
        return self.header, self.body, None

    def call(self, txid: Txid) -> Transaction:
        return self.made

    def model(self, model_id: ModelId, height: int) -> NamedModel:
        return NamedModel(REGTEST.model, Puzzle.of(REGTEST.puzzle))

    def rows(self, model_id: ModelId, height: int) -> Sequence[int]:
        return (REGTEST.calls.rows_per_call,)

    def tokenizer(self, model_id: ModelId) -> FileTokenizer:
        return FileTokenizer(model_folder("genesis"))


@cache
def real_receipt() -> AnswerReceipt:
    """Made once."""
    words = FileTokenizer(model_folder("genesis"))
    prompt = (REGTEST.model.bos, *(words.encode("The little dog") or ()))
    called = make(ALICE, LlmCall(REGTEST.model.model_id, prompt, 4, 10), 0)
    assert isinstance(called.payload, LlmCall)
    [said] = answerer().answer([OpenCall(called.txid, called.payload)])
    group = answerer().prove_own([said], address(MINER)).to_bytes()
    coinbase = Coinbase(KIND_COINBASE, 1, address(MINER), 1).to_bytes()
    transactions = (called.to_bytes(), coinbase)
    results = (encode_result(said.answer),)
    body = Body(transactions, results, (group,), WorkOutputs((), ()))
    first = genesis_header(REGTEST)
    pre = replace(
        first.pre,
        height=1,
        payee=address(MINER),
        tx_root=transaction_root(transactions),
        calls_root=calls_root((group,)),
    )
    source = OneBlock(replace(first, pre=pre), body, called)
    return build_proof(source, called.txid, NativeJudge())
