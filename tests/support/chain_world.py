"""A chain of fake work with funded keys, for tests of blocks that carry transactions."""

from dataclasses import dataclass, field, replace
from typing import Unpack

from esper.consensus.block import Block
from esper.consensus.chain import ProvenChain, extend
from esper.consensus.context import ChainContext
from esper.crypto.signing import KeyPair
from esper.node.calls.lanes import LaneAnswers
from esper.node.mining.block_assembly import Assembled
from esper.node.workers.call_answerer import AnsweredCall, CallAnswerer
from esper.primitives.networks import REGTEST
from esper.primitives.params import LimitParameters, NetworkParameters
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from tests.support.fake_work import (
    FakeInference,
    FakeProver,
    FakeVerifier,
    fake_network,
    prompt_source,
)
from tests.support.net.sync_mining import SyncPlanner
from tests.support.plain_miner import Miner
from tests.support.vm_world import ALICE, BOB, COIN, MINER, EnvelopeParts, address, make, sign


def funded_network(**calls: int) -> NetworkParameters:
    """Regtest with the fake model, coins for Alice, Bob and the miner, and generous credits."""
    allocation = tuple((address(key), 1000 * COIN) for key in (ALICE, BOB, MINER))
    return fake_network(
        replace(
            REGTEST,
            reward=replace(REGTEST.reward, genesis_allocation=allocation),
            credits=replace(REGTEST.credits, rate_per_staked_unit=1 << 32),
            calls=replace(REGTEST.calls, **calls),
        )
    )


@dataclass
class ChainWorld:
    """A chain that grows by mined blocks of signed transactions."""

    params: NetworkParameters = field(default_factory=funded_network)
    signs_results: bool = True
    """Whether the miner answers lanes."""

    def __post_init__(self) -> None:
        model = self.params.model
        self.chain = ProvenChain.genesis(self.params)
        self.verifier = FakeVerifier(model)
        self.inference = FakeInference(model)
        payee = address(MINER)
        self.miner = Miner(
            self.params,
            inference=self.inference,
            prover=FakeProver(),
            bank=prompt_source(self.params),
            payee=payee,
            vrf_secret=bytes(32),
            attempts_per_call=1,
        )
        self.answerer = CallAnswerer(
            self.inference,
            FakeProver(),
            self.params.calls,
            genesis_hash=self.chain.context.genesis_hash,
        )
        lanes = LaneAnswers(payee, self._result) if self.signs_results else None
        self.planner = SyncPlanner(self.answerer, payee, lanes)
        self.blocks: list[Block] = []

    @property
    def now_ms(self) -> int:
        return self.params.genesis_time_ms + 10_000 * (self.chain.context.height + 1)

    def signed(
        self,
        sender: KeyPair,
        payload: Payload,
        nonce: int | None = None,
        **parts: Unpack[EnvelopeParts],
    ) -> Transaction:
        """A transaction with the sender's next nonce."""
        nonce = self.chain.state.account(address(sender)).nonce if nonce is None else nonce
        return sign(sender, make(sender, payload, nonce, **parts), self.chain.context.genesis_hash)

    def call(self, prompt: tuple[int, ...] = (1, 50, 51), max_tokens: int = 8) -> LlmCall:
        bid = self.params.credits.minimum_bid
        return LlmCall(self.params.model.model_id, prompt, max_tokens, bid)

    def planned(self, *transactions: Transaction) -> Assembled:
        return self.planner.plan(self.chain.context, self.chain.state, transactions)

    def mined(self, *transactions: Transaction) -> tuple[Block, Assembled]:
        """The next block, not yet part of the chain."""
        planned = self.planned(*transactions)
        found = self.miner.mine(
            self.chain.context, self.chain.state, lambda: self.now_ms, planned.plan
        )
        return found.block, planned

    def grow(self, *transactions: Transaction) -> Assembled:
        """Mine, check and connect a block of these transactions."""
        block, planned = self.mined(*transactions)
        self.accept(block)
        return planned

    def accept(self, block: Block) -> None:
        self.chain = extend(self.chain, block, self.verifier, now_ms=self.now_ms)
        self.blocks.append(block)

    def stake_and_wait(self, key: KeyPair = ALICE) -> None:
        """Let a key have credits."""
        self.grow(self.signed(key, Stake(900 * COIN)))
        for _ in range(self.params.credits.epoch_blocks + 1):
            self.grow()

    def _result(
        self, chain: ChainContext, limits: LimitParameters, answered: AnsweredCall, nonce: int
    ) -> Transaction:
        del chain, limits
        return self.signed(MINER, LlmResult(answered.call_id, answered.answer), nonce=nonce)
