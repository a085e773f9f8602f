"""What waits, and transactions that want to, for the RPC."""

from base64 import b64decode
from collections.abc import Collection, Sequence
from typing import Final

from esper.dao.ready import READY_SUBJECT
from esper.mempool.errors import MempoolFullError, NonceWaitsError, PolicyError
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock
from esper.node.mempool.mempool_service import MempoolService, Taken
from esper.node.mining.proves.desk import ProveDesk
from esper.node.mining.proves.errors import (
    GroupFormError,
    GroupsOfProveError,
    NotMinedHereError,
    ProveDeskError,
)
from esper.node.mining.ready_desk import ReadyDesk
from esper.node.mining.ready_errors import ReadyDeskError
from esper.primitives.errors.audit_errors import AuditViolation
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid, txid_of
from esper.rpc import schema as s
from esper.rpc.errors import MEMPOOL_FULL, REFUSED, RpcError
from esper.vm.governance.prove import Prove
from esper.vm.transaction import decode_transaction

LISTED: Final = 1_000
"""Transactions that ``get_mempool`` names."""


class PoolViews:
    """Answers about the mempool."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        clock: Clock,
        ready: ReadyDesk | None = None,
        proves: ProveDesk | None = None,
    ) -> None:
        """``ready`` takes what payees sign for their miner, ``proves`` what others have proven.

        None: nobody mines here.
        """
        self._chain = chain
        self._mempool = mempool
        self._clock = clock
        self._ready = ready
        self._proves = proves

    async def submit(self, params: s.SubmitParams) -> s.Submitted:
        """Take a transaction into the mempool, or a Prove for an own block. Raises RpcError."""
        try:
            data = bytes.fromhex(params.hex)
            replaces = None if params.replaces is None else list(map(txid_of, params.replaces))
            groups = [_group_of(index, text) for index, text in enumerate(params.groups or ())]
            admission = await self._take(data, replaces, groups)
        except MempoolFullError as error:
            rate = self._mempool.pool.minimum_fee_per_byte(self._clock())
            raise RpcError(
                MEMPOOL_FULL, str(error), {"rule": error.rule, "minimum_fee_per_byte": str(rate)}
            ) from error
        except NonceWaitsError as error:
            data_of = {"rule": error.rule, "retry": error.retry, "waiting": error.waiting.hex()}
            raise RpcError(REFUSED, str(error), data_of) from error
        except (PolicyError, ReadyDeskError, ProveDeskError) as error:
            raise _refused(str(error), error.rule, retry=error.retry) from error
        except AuditViolation as error:
            raise _refused(str(error), error.rule, retry=False) from error
        except TransactionViolation as error:
            retry = consequence_of(error, Stage.ADMISSION) is Consequence.RETRY
            raise _refused(str(error), error.rule, retry=retry) from error
        replaced = admission.replaced
        return s.Submitted(
            txid=admission.txid.hex(), replaced=None if replaced is None else replaced.hex()
        )

    async def _take(
        self, data: bytes, replaces: Collection[Txid] | None, groups: Sequence[bytes]
    ) -> Taken:
        limit = self._chain.view.context.params.limits.transaction_bytes
        transaction = decode_transaction(data, limit)
        payload = transaction.payload
        # Proofs do not travel: what has them is the block of a miner that they were handed to.
        if not isinstance(payload, Prove):
            if groups:
                raise GroupsOfProveError(payload.NAME)
            return await self._mempool.submit(data, replaces)
        if payload.subject == READY_SUBJECT and not groups and self._ready is not None:
            replaced = await self._ready.take(transaction, payload)
        elif self._proves is not None:
            replaced = await self._proves.take(transaction, payload, groups, replaces)
        else:
            raise NotMinedHereError
        return Taken(transaction.txid, replaced)

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


def _group_of(index: int, text: str) -> bytes:
    """Raises GroupFormError."""
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise GroupFormError(index, f"no base64: {error}") from error


def _refused(message: str, rule: str, *, retry: bool) -> RpcError:
    return RpcError(REFUSED, message, {"rule": rule, "retry": retry})
