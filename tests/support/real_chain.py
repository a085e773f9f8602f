"""A chain of regtest whose calls are really proven, and the work of the blocks that answer them.

All other blocks have a proof that nobody may look at: receipts do not carry them. Made once, in
some ten seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from esper.cli.esper.receipts.surroundings import FileTokenizer, NativeJudge, known_networks
from esper.consensus.ports import WorkClaim
from esper.consensus.template import BlockPlan
from esper.dao.registry import Puzzle
from esper.embedded import model_folder
from esper.model import load_model
from esper.model.prompts import read_bank
from esper.node.settings import Settings
from esper.node.workers.call_answerer import OpenCall
from esper.node.workers.native_work import NativeInference, NativeProver, NativeVerifier
from esper.node.workers.search import PromptSource
from esper.primitives.ids import ModelId, Txid
from esper.primitives.networks import REGTEST
from esper.receipts.build import build_promise, build_proof
from esper.receipts.parts import AnswerReceipt, AskedFor, Signed
from esper.receipts.ports import NamedModel, Surroundings
from esper.receipts.promise import Promise, promise_digest, request_hash
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from tests.support.block_workshop import Made
from tests.support.growing import Growing
from tests.support.node.proven_calls import answerer
from tests.support.receipt_world import Followed, WorkshopAnchor, WorkshopSource
from tests.support.vm_world import ALICE, BOB, COIN, GENESIS, MINER, address

ROOT = Path(__file__).parents[2]
PRICE = 10
ABOVE = 7
"""Blocks above the last answer."""


class NoProver:
    """Of blocks whose work nobody looks at."""

    def prove(self, claim: WorkClaim) -> bytes:
        return b"not looked at"


class RealSource(WorkshopSource):
    """The chain, with the genesis model."""

    def __init__(self, tip: Made) -> None:
        super().__init__(tip, REGTEST, GENESIS)

    def model(self, model_id: ModelId, height: int) -> NamedModel:
        return NamedModel(REGTEST.model, Puzzle.of(REGTEST.puzzle))

    def rows(self, model_id: ModelId, height: int) -> Sequence[int]:
        return (REGTEST.calls.rows_per_call,)

    def tokenizer(self, model_id: ModelId) -> FileTokenizer:  # type: ignore[override]
        return words()


@cache
def words() -> FileTokenizer:
    """The genesis model's tokenizer."""
    return FileTokenizer(model_folder("genesis"))


@dataclass(frozen=True)
class RealChain:
    """Its tip and its calls."""

    tip: Made
    together: tuple[Txid, ...]
    """Two in one group."""
    lane: Txid

    def receipt(self, txid: Txid, *, work: bool = True, anchor: bool = True) -> AnswerReceipt:
        above = WorkshopAnchor(self.tip) if anchor else None
        source = RealSource(self.tip)
        return build_proof(source, txid, NativeJudge(), with_work=work, anchor=above)

    def promised(self, txid: Txid) -> AnswerReceipt:
        """With everything that a receipt may have."""
        instant, asked, _ = self._instant(txid, self.tip.height - ABOVE)
        anchor = WorkshopAnchor(self.tip)
        source = RealSource(self.tip)
        return build_proof(
            source, txid, NativeJudge(), anchor=anchor, instant=instant, request=asked
        )

    def promise(self, txid: Txid, height: int) -> AnswerReceipt:
        """What a gateway signed at a height, before there is a proof."""
        instant, asked, model = self._instant(txid, height)
        return build_promise(REGTEST, GENESIS, instant, asked, model, words())

    def _instant(self, txid: Txid, height: int) -> tuple[Signed, AskedFor, NamedModel]:
        plain, source = self.receipt(txid), RealSource(self.tip)
        assert plain.group is not None
        called = source.call(txid).payload
        assert isinstance(called, LlmCall)
        answer = plain.group.members[plain.group.position].answer
        asked = AskedFor("completions", "esper-t0", "The little dog", 0, ())
        promise = Promise(
            *(GENESIS, address(BOB), called.model_id, called.prompt, called.max_tokens),
            *(answer, request_hash(asked), height),
        )
        record = promise.to_bytes()
        instant = Signed(record, BOB.public, BOB.sign(promise_digest(record)), None)
        return instant, asked, source.model(called.model_id, height)

    def around(self, *, chain: bool = True) -> Surroundings:
        return Surroundings(
            networks=known_networks(),
            judge=NativeJudge(),
            tokenizers=[words()],
            chain=Followed(self.tip) if chain else None,
        )


@cache
def real_chain() -> RealChain:
    """Two calls that one block answers, one that a later block answers, and blocks above."""
    model = load_model(Settings(network="regtest").model)
    bank = read_bank(ROOT / "prompt_bank" / "bank.json")
    source = PromptSource.of(bank.prompts, REGTEST.model)
    inference, prover = NativeInference(model, 2), NativeProver(model)
    growing = Growing(REGTEST, source, lambda _: inference, NoProver(), NativeVerifier())
    for payee in (ALICE, BOB, *(MINER,) * 4):
        growing.grow(payee=payee)
    growing.grow(BlockPlan((growing.signed(ALICE, Stake(20 * COIN)),)))
    while growing.tip.height < 12:
        growing.grow()

    def call(text: str) -> LlmCall:
        prompt = (REGTEST.model.bos, *(words().encode(text) or ()))
        return LlmCall(REGTEST.model.model_id, prompt, 12, PRICE)

    made = [
        growing.signed(ALICE, call(text), at)
        for at, text in enumerate(("The little dog", "Once upon a time"))
    ]
    said = answerer().answer([OpenCall(one.txid, _called(one)) for one in made])
    group = answerer().prove_own(said, address(MINER))
    answers = tuple(one.answer for one in said)
    growing.grow(BlockPlan(tuple(made), answers, (group,)), prover=prover)

    late = growing.signed(ALICE, call("Tim was"))
    growing.grow(BlockPlan((late,), (None,)), opened=((late.txid, _called(late)),))
    [later] = answerer().answer([OpenCall(late.txid, _called(late))])
    result = growing.signed(BOB, LlmResult(late.txid, later.answer))
    lane = answerer().prove_lane(later, address(BOB))
    growing.grow(BlockPlan((result,), (), (lane,)), prover=prover)
    for _ in range(ABOVE):
        growing.grow()
    return RealChain(growing.tip, tuple(one.txid for one in made), late.txid)


def _called(transaction: Transaction) -> LlmCall:
    assert isinstance(transaction.payload, LlmCall)
    return transaction.payload
