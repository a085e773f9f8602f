"""What a node says of itself, its network and its models."""

from collections.abc import Callable, Sequence

import esper
from esper.consensus.context import ChainContext
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_service import ChainService
from esper.node.chain.recent_usefulness import usefulness_per_mille
from esper.node.clock import Clock, steady_ms
from esper.node.in_force import parameters_of
from esper.node.mempool.mempool_service import MempoolService
from esper.node.mining.mining_control import MiningControl
from esper.node.peers.port import PeersPort
from esper.node.views.dao.next_event import next_event, reminders
from esper.node.views.dao.sight import Sight
from esper.node.views.sync_state import SyncState
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.vm.answers import MAX_ANSWER_TOKENS
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay


class StatusViews:
    """Answers about the node."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        texts: TextService,
        sync: SyncState,
        mining: MiningControl | None,
        warnings: Callable[[], Sequence[str]] = tuple,
        *,
        peers: PeersPort | None = None,
        steady: Clock = steady_ms,
    ) -> None:
        """``warnings`` gives sentences on what its operator has to see to."""
        self._peers = peers
        self._chain = chain
        self._mempool = mempool
        self._texts = texts
        self._sync = sync
        self._mining = mining
        self._warnings = warnings
        self._steady = steady
        self._began_ms = steady()

    async def status(self, _: s.NoParams) -> s.Status:
        """Height, tip, whether it is current, and what waits."""
        view = self._chain.view
        chain = view.context
        issued = Ledger(Overlay(view.state)).chain.issued
        useful = usefulness_per_mille(view)
        waiting = self._mempool.pool.statistics()
        why = self._sync.why_not(chain)
        network = None if self._peers is None else self._peers.network()
        sight = Sight(view.state, chain.params, self._sync.as_of(chain))
        then, at = next_event(sight)
        return s.Status(
            network=chain.params.name,
            genesis_hash=chain.genesis_hash.hex(),
            version=esper.__version__,
            height=chain.height,
            tip=chain.tip_id.hex(),
            tip_time_ms=chain.times_ms[-1],
            median_time_ms=chain.median_time_ms,
            synced=not why,
            why_not_synced=why,
            weight=str(chain.weight),
            issued=str(issued),
            usefulness_per_mille=useful,
            mempool_transactions=waiting.transactions,
            mempool_calls=waiting.calls,
            mempool_bytes=waiting.fee_bytes + waiting.call_bytes,
            mining=self._mining is not None and not self._mining.paused,
            paused=self._mining is not None and self._mining.paused,
            answers_calls=self._mining is not None,
            warnings=[*self._warnings(), *(network.warnings if network is not None else ())],
            uptime_ms=self._steady() - self._began_ms,
            inbound=None if network is None else network.inbound,
            outbound=None if network is None else network.outbound,
            best_height=None if network is None else network.best_height,
            dao_next=then,
            dao_next_height=at,
            reminders=reminders(sight, chain.registry),
        )

    async def parameters(self, _: s.NoParams) -> s.Parameters:
        """The rules that a wallet needs, as they hold in the next block."""
        view = self._chain.view
        chain = view.context
        return _parameters(parameters_of(chain, view.state), chain)

    async def models(self, _: s.NoParams) -> list[s.Model]:
        """The active models by tier."""
        view = self._chain.view
        tiers = view.context.registry.tiers
        return [
            s.Model(
                model_id=tier.model.model_id.hex(),
                tier=tier.model.tier,
                vocab=tier.model.shape.vocab,
                max_seq=tier.model.shape.max_seq,
                bos=tier.model.bos,
                eos=tier.model.eos,
                chat_template=self._texts.knows(tier.model.model_id)
                and self._texts.of(tier.model.model_id).has_template,
                answered_here=self._mining is not None
                and self._mining.answers(tier.model.model_id),
            )
            for tier in tiers
        ]


def _parameters(params: NetworkParameters, chain: ChainContext) -> s.Parameters:
    limits, stakes, calls = params.limits, params.credits, params.calls
    return s.Parameters(
        network=params.name,
        genesis_hash=chain.genesis_hash.hex(),
        address_prefix=params.address_prefix,
        spacing_ms=params.difficulty.spacing_ms,
        base_fee=str(limits.base_fee),
        fee_per_byte=str(limits.fee_per_byte),
        dust=str(limits.dust),
        transaction_bytes=limits.transaction_bytes,
        maturity=params.reward.maturity,
        unbonding=params.reward.unbonding,
        epoch_blocks=stakes.epoch_blocks,
        minimum_stake=str(stakes.minimum_stake),
        minimum_bid=stakes.minimum_bid,
        rows_per_call=min(calls.rows_per_call, chain.registry.tiers[0].model.shape.max_seq),
        max_answer_tokens=MAX_ANSWER_TOKENS,
        inline_answer_bytes=calls.inline_answer_bytes,
        lane_expiry_blocks=calls.lane_expiry_blocks,
    )
