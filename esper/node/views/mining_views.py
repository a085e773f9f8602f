"""The miner for the RPC: how it goes, and what it is told."""

from math import isinf
from typing import Final

from esper.node.chain.chain_service import ChainService
from esper.node.chain.recent_usefulness import usefulness_per_mille
from esper.node.entries.prospects import Prospect
from esper.node.mining.mining_control import (
    MiningControl,
    MiningHeldError,
    MiningPausedError,
    MiningStanding,
)
from esper.node.settings import BEST_TIER
from esper.node.views.rpc_formats import address_of, address_text
from esper.node.workers.threads import ThreadsError
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.rpc.errors import INVALID_PARAMS, NOT_MINING, PAUSED, RpcError

HOUR_MS: Final = 3_600_000


def mined_tier(one: Prospect, now: MiningStanding) -> s.MinedTier:
    """What an entry promises."""
    block_ms = 0 if isinf(one.block_ms) else int(one.block_ms)
    return s.MinedTier(
        tier=one.entry.model.tier,
        model_id=one.entry.model.model_id.hex(),
        previous=one.previous,
        readiness=one.readiness.value,
        mined=one.loadable == now.mined,
        measured=one.measured,
        attempts_per_second=round(one.attempts_per_second, 1),
        proof_ms=int(one.proof_ms),
        expected_block_ms=block_ms,
        reward_per_hour=str(now.reward * HOUR_MS // block_ms if block_ms else 0),
    )


class MiningViews:
    """Answers for the miner, or that there is none."""

    def __init__(
        self, mining: MiningControl | None, chain: ChainService, params: NetworkParameters
    ) -> None:
        self._mining = mining
        self._chain = chain
        self._params = params

    async def mining(self, _: s.NoParams) -> s.Mining:
        """How mining goes. Raises RpcError where nobody mines."""
        now = self._miner().standing()
        return s.Mining(
            running=now.running,
            paused=now.paused,
            payee=address_text(now.payee, self._params),
            threads=now.threads,
            prove_threads=now.prove_threads,
            attempts_per_second=round(now.rates.attempts_per_second, 1),
            tokens_per_second=round(now.rates.tokens_per_second, 1),
            expected_block_ms=now.expected_block_ms,
            proof_ms=now.rates.proof_ms,
            blocks_found=now.rates.found,
            blocks_stale=now.rates.stale,
            stale_per_mille=now.rates.stale_per_mille,
            calls_answered=now.rates.calls_answered,
            usefulness_per_mille=usefulness_per_mille(self._chain.view),
            doing=now.doing,
            wanted_tier=BEST_TIER if now.tier is None else str(now.tier),
            tier=None if now.mined is None else now.mined.model.tier,
            model_id=None if now.mined is None else now.mined.model_id.hex(),
            tiers=[mined_tier(one, now) for one in now.prospects],
        )

    async def pause(self, _: s.NoParams) -> s.Done:
        """Stop searching. Raises RpcError."""
        self._miner().pause()
        return s.Done()

    async def resume(self, _: s.NoParams) -> s.Done:
        """Go on. Raises RpcError."""
        self._miner().resume()
        return s.Done()

    async def set_threads(self, params: s.ThreadsParams) -> s.Done:
        """Cap the threads of search and proofs. Raises RpcError."""
        try:
            await self._miner().use_threads(params.threads, params.prove_threads)
        except ThreadsError as error:
            raise RpcError(INVALID_PARAMS, f"threads {error}") from error
        return s.Done()

    async def generate(self, params: s.GenerateParams) -> s.Generated:
        """Mine blocks now. Raises RpcError, at once where mining is or becomes paused."""
        if not self._params.mines_on_demand:
            raise RpcError(NOT_MINING, f"generate is for regtest, this is {self._params.name}")
        payee = None if params.payee is None else address_of(params.payee, self._params)
        try:
            mined = await self._miner().generate(params.blocks, payee)
        except MiningHeldError as error:
            raise RpcError(NOT_MINING, str(error)) from error
        except MiningPausedError as error:
            hashes = [block_id.hex() for block_id in error.found]
            raise RpcError(PAUSED, str(error), {"hashes": hashes}) from error
        return s.Generated(hashes=[block_id.hex() for block_id in mined])

    def _miner(self) -> MiningControl:
        if self._mining is None:
            raise RpcError(NOT_MINING, "this node does not mine: start it with `esperd mine`")
        return self._mining
