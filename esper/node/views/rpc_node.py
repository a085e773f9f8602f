"""The node as its RPC server sees it."""

from collections.abc import Callable
from typing import Final

from esper.mempool.errors import MempoolFullError, PolicyError
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock
from esper.node.mining.mining_control import MiningControl
from esper.node.views.account_views import AccountViews
from esper.node.views.call_views import CallViews
from esper.node.views.chain_views import ChainViews
from esper.node.views.rpc_formats import address_of
from esper.node.views.status_views import StatusViews
from esper.node.waiting.mempool_service import MempoolService
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.rpc.errors import MEMPOOL_FULL, NOT_MINING, REFUSED, RpcError

LISTED: Final = 1_000
"""Transactions that ``get_mempool`` names."""
GENERATED_ON: Final = frozenset({"regtest"})


class RpcNode:
    """A NodePort over the parts of a running node."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        params: NetworkParameters,
        clock: Clock,
        *,
        statuses: StatusViews,
        blocks: ChainViews,
        accounts: AccountViews,
        calls: CallViews,
        mining: MiningControl | None,
        stop: Callable[[], None],
    ) -> None:
        self._chain = chain
        self._mempool = mempool
        self._params = params
        self._clock = clock
        self._mining = mining
        self._stop = stop
        self.status = statuses.status
        self.parameters = statuses.parameters
        self.models = statuses.models
        self.block = blocks.block
        self.transaction = blocks.transaction
        self.account = accounts.account
        self.history = accounts.history
        self.tokenize = calls.tokenize
        self.detokenize = calls.detokenize
        self.estimate_call = calls.estimate
        self.call = calls.call

    async def submit(self, params: s.SubmitParams) -> s.Submitted:
        """Take a transaction into the mempool. Raises RpcError."""
        try:
            data = bytes.fromhex(params.hex)
            admission = await self._mempool.submit(data)
        except MempoolFullError as error:
            rate = self._mempool.pool.minimum_fee_per_byte(self._clock())
            raise RpcError(
                MEMPOOL_FULL, str(error), {"rule": error.rule, "minimum_fee_per_byte": str(rate)}
            ) from error
        except PolicyError as error:
            raise _refused(str(error), error.rule, retry=error.retry) from error
        except TransactionViolation as error:
            retry = consequence_of(error, Stage.ADMISSION) is Consequence.RETRY
            raise _refused(str(error), error.rule, retry=retry) from error
        replaced = admission.replaced
        return s.Submitted(
            txid=admission.txid.hex(), replaced=None if replaced is None else replaced.hex()
        )

    async def mempool(self) -> s.MempoolReply:
        """What waits."""
        numbers = self._mempool.pool.statistics()
        view = self._chain.view
        order = self._mempool.selection(view.context.height + 1)[:LISTED]
        return s.MempoolReply(
            transactions=numbers.transactions,
            calls=numbers.calls,
            bytes=numbers.fee_bytes + numbers.call_bytes,
            call_bytes=numbers.call_bytes,
            limit_bytes=numbers.fee_limit + numbers.call_limit,
            minimum_fee_per_byte=str(self._mempool.pool.minimum_fee_per_byte(self._clock())),
            txids=[one.txid.hex() for one in order],
        )

    async def mining(self) -> s.Mining:
        """How mining goes. Raises RpcError where nobody mines."""
        return await self._miner().view()

    async def pause_mining(self) -> s.Done:
        """Stop searching. Raises RpcError."""
        self._miner().pause()
        return s.Done()

    async def resume_mining(self) -> s.Done:
        """Go on. Raises RpcError."""
        self._miner().resume()
        return s.Done()

    async def set_threads(self, params: s.ThreadsParams) -> s.Done:
        """Cap the threads of search and proofs. Raises RpcError."""
        await self._miner().use_threads(params.threads, params.prove_threads)
        return s.Done()

    async def generate(self, params: s.GenerateParams) -> s.Generated:
        """Mine blocks now. Raises RpcError."""
        if self._params.name not in GENERATED_ON:
            raise RpcError(NOT_MINING, f"generate is for regtest, this is {self._params.name}")
        payee = None if params.payee is None else address_of(params.payee, self._params)
        mined = await self._miner().generate(params.blocks, payee)
        return s.Generated(hashes=[block_id.hex() for block_id in mined])

    async def stop(self) -> s.Done:
        """Shut down once this is answered."""
        self._stop()
        return s.Done()

    def _miner(self) -> MiningControl:
        if self._mining is None:
            raise RpcError(NOT_MINING, "this node does not mine: start it with `esperd mine`")
        return self._mining


def _refused(message: str, rule: str, *, retry: bool) -> RpcError:
    return RpcError(REFUSED, message, {"rule": rule, "retry": retry})
