"""A chain that grows block by block under all rules of bodies, by miners of one's choice."""

from collections.abc import Callable

from esper.consensus.block_isolation import check_lists
from esper.consensus.chain import BlockBytes, ProvenChain, connect
from esper.consensus.ports import Inference, WorkProver, WorkVerifier
from esper.consensus.template import EMPTY_PLAN, BlockPlan
from esper.crypto.signing import KeyPair
from esper.node.workers.search import PromptSource
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Payload
from esper.vm.transaction import Transaction
from tests.support.block_workshop import Made
from tests.support.plain_miner import Miner, standing
from tests.support.vm_world import MINER, address, make, sign


class Growing:
    """The chain, which begins with its genesis block."""

    def __init__(
        self,
        params: NetworkParameters,
        source: PromptSource,
        inference: Callable[[ModelEntry], Inference],
        prover: WorkProver,
        verifier: WorkVerifier,
    ) -> None:
        """``prover`` proves work that no one else is named for; ``verifier`` looks at calls."""
        self.params = params
        self._source = source
        self._inference = inference
        self._prover = prover
        self._verifier = verifier
        chain = ProvenChain.genesis(params)
        nothing = BlockBytes(b"", b"", b"")
        self.tip = Made(chain.context.tip_id, None, nothing, chain, (), False, None)

    def grow(
        self,
        plan: BlockPlan = EMPTY_PLAN,
        *,
        payee: KeyPair = MINER,
        opened: tuple[tuple[bytes, LlmCall], ...] = (),
        prover: WorkProver | None = None,
        model: ModelEntry | None = None,
    ) -> Made:
        """A block on top, mined with a tier's model, the first one's if none is named."""
        chain = self.tip.chain
        mined = model or self.params.model
        miner = Miner(
            self.params,
            inference=self._inference(mined),
            prover=prover or self._prover,
            bank=self._source,
            payee=address(payee),
            vrf_secret=bytes(32),
            attempts_per_call=1,
            model=mined,
        )
        time_ms = self.params.genesis_time_ms + 10_000 * (chain.context.height + 1)
        block = miner.mine(chain.context, chain.state, standing(time_ms), plan).block
        content = check_lists(block, self.params.limits)
        context, done = connect(chain.context, chain.state, block, content, self._verifier)
        self.tip = Made(
            context.tip_id,
            self.tip,
            BlockBytes.of(block),
            ProvenChain(context, chain.state.with_changes(done.changes)),
            (*opened, *self.tip.calls),
            False,
            None,
        )
        return self.tip

    def signed(self, key: KeyPair, payload: Payload, later: int = 0) -> Transaction:
        """A transaction with the sender's next nonce, or one of ``later`` ones."""
        chain = self.tip.chain
        nonce = chain.state.account(address(key)).nonce + later
        return sign(key, make(key, payload, nonce), chain.context.genesis_hash)
