"""What waits, and transactions that want to, for the RPC."""

from typing import Final

from esper.mempool.errors import MempoolFullError, NonceWaitsError, PolicyError
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock
from esper.node.mempool.mempool_service import MempoolService
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import txid_of
from esper.rpc import schema as s
from esper.rpc.errors import MEMPOOL_FULL, REFUSED, RpcError

LISTED: Final = 1_000
"""Transactions that ``get_mempool`` names."""


class PoolViews:
    """Answers about the mempool."""

    def __init__(self, chain: ChainService, mempool: MempoolService, clock: Clock) -> None:
        self._chain = chain
        self._mempool = mempool
        self._clock = clock

    async def submit(self, params: s.SubmitParams) -> s.Submitted:
        """Take a transaction into the mempool. Raises RpcError."""
        try:
            data = bytes.fromhex(params.hex)
            replaces = None if params.replaces is None else list(map(txid_of, params.replaces))
            admission = await self._mempool.submit(data, replaces)
        except MempoolFullError as error:
            rate = self._mempool.pool.minimum_fee_per_byte(self._clock())
            raise RpcError(
                MEMPOOL_FULL, str(error), {"rule": error.rule, "minimum_fee_per_byte": str(rate)}
            ) from error
        except NonceWaitsError as error:
            data_of = {"rule": error.rule, "retry": error.retry, "waiting": error.waiting.hex()}
            raise RpcError(REFUSED, str(error), data_of) from error
        except PolicyError as error:
            raise _refused(str(error), error.rule, retry=error.retry) from error
        except TransactionViolation as error:
            retry = consequence_of(error, Stage.ADMISSION) is Consequence.RETRY
            raise _refused(str(error), error.rule, retry=retry) from error
        replaced = admission.replaced
        return s.Submitted(
            txid=admission.txid.hex(), replaced=None if replaced is None else replaced.hex()
        )

    async def mempool(self, _: s.NoParams) -> s.MempoolReply:
        """What waits."""
        order = (await self._mempool.listing(self._chain.view.context.height + 1))[:LISTED]
        numbers = self._mempool.pool.statistics()
        return s.MempoolReply(
            transactions=numbers.transactions,
            calls=numbers.calls,
            bytes=numbers.fee_bytes + numbers.call_bytes,
            call_bytes=numbers.call_bytes,
            limit_bytes=numbers.fee_limit + numbers.call_limit,
            minimum_fee_per_byte=str(self._mempool.pool.minimum_fee_per_byte(self._clock())),
            txids=[one.txid.hex() for one in order],
        )


def _refused(message: str, rule: str, *, retry: bool) -> RpcError:
    return RpcError(REFUSED, message, {"rule": rule, "retry": retry})
