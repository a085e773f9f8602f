"""Many blocks at a glance, for the RPC: rows, numbers over a stretch, who mines.

Numbers come from headers, which are small; bodies are read for rows alone, and not their lists.
"""

from functools import partial

from esper.consensus.genesis import genesis_header
from esper.consensus.header import Header, decode_header
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.stored_blocks import stored_block
from esper.node.views.rpc_formats import address_text
from esper.node.views.sync_state import SyncState
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.rpc.errors import INVALID_PARAMS, RpcError


class OverviewViews:
    """Answers about many blocks. Each is worked out in a thread: others are answered meanwhile."""

    def __init__(self, chain: ChainService, params: NetworkParameters, sync: SyncState) -> None:
        self._chain = chain
        self._params = params
        self._sync = sync

    async def blocks(self, params: s.BlocksParams) -> s.BlockRows:
        """Blocks, the newest first; past the tip it begins there."""
        return await self._chain.in_thread(partial(self._blocks, params))

    async def statistics(self, params: s.StatisticsParams) -> s.Statistics:
        """Points of a stretch. Raises RpcError for one that ends before it begins."""
        return await self._chain.in_thread(partial(self._statistics, params))

    async def miners(self, params: s.MinersParams) -> s.Miners:
        """Who was paid for the last blocks, most blocks first."""
        return await self._chain.in_thread(partial(self._miners, params))

    def _blocks(self, params: s.BlocksParams, view: ChainView) -> s.BlockRows:
        tip = view.context.height
        newest = tip if params.start is None else min(params.start, tip)
        heights = range(newest, max(-1, newest - params.n), -1)
        return s.BlockRows(
            [self._row(view, height) for height in heights], self._sync.as_of(view.context)
        )

    def _row(self, view: ChainView, height: int) -> s.BlockRow:
        header = self._header(view, height)
        found = stored_block(view, height) if height else None
        return s.BlockRow(
            height=height,
            hash=header.block_id.hex(),
            time_ms=header.pre.time_ms,
            payee=address_text(header.pre.payee, self._params) if height else "",
            tier=header.pre.tier,
            model_id=header.pre.model_id.hex(),
            size=found.size if found else 0,
            # The last one of every body is the coinbase.
            transactions=len(found.body.transactions) - 1 if found else 0,
            call_groups=len(found.body.call_groups) if found else 0,
        )

    def _statistics(self, params: s.StatisticsParams, view: ChainView) -> s.Statistics:
        tip = view.context.height
        last = tip if params.end is None else min(params.end, tip)
        first = max(0, last - s.MAX_POINTS + 1) if params.start is None else params.start
        if first > last:
            raise RpcError(
                INVALID_PARAMS,
                f"from: it is {first}, must be at most {last}, where the stretch ends",
            )
        # The ends of so many steps and no more lie within.
        least = (last - first) // s.MAX_POINTS + 1
        step = max(least, params.step or 1)
        # By the last one, so that the newest block is among them.
        heights = sorted(range(last, first - 1, -step))
        return s.Statistics(
            step=step,
            spacing_ms=self._params.difficulty.spacing_ms,
            points=[self._point(view, height) for height in heights],
            as_of=self._sync.as_of(view.context),
        )

    def _point(self, view: ChainView, height: int) -> s.StatisticsPoint:
        header = self._header(view, height)
        pre = header.pre
        headers = self._chain.headers_of(header.block_id)
        recent = view.context_of(header.block_id)
        return s.StatisticsPoint(
            height=height,
            time_ms=pre.time_ms,
            tier=pre.tier,
            target=pre.target.hex(),
            weight=str(headers.weight if headers is not None else 0),
            omega=str(pre.omega),
            paid_tokens=None if recent is None else recent.tip_work.paid_tokens,
            proven_tokens=None if recent is None else recent.tip_work.proven_tokens,
        )

    def _miners(self, params: s.MinersParams, view: ChainView) -> s.Miners:
        tip = view.context.height
        found: dict[bytes, tuple[int, int, set[int]]] = {}
        heights = range(tip, max(0, tip - params.window), -1)
        for height in heights:
            pre = self._header(view, height).pre
            blocks, last, tiers = found.get(pre.payee, (0, height, set()))
            found[pre.payee] = (blocks + 1, last, tiers | {pre.tier})
        rows = [
            s.MinerRow(address_text(payee, self._params), blocks, last, sorted(tiers))
            for payee, (blocks, last, tiers) in found.items()
        ]
        rows.sort(key=lambda row: (-row.blocks, -row.last_height))
        return s.Miners(len(heights), rows, self._sync.as_of(view.context))

    def _header(self, view: ChainView, height: int) -> Header:
        """The genesis stands in no file: everyone derives it."""
        if height == 0:
            return genesis_header(self._params)
        return decode_header(view.store.header(height), self._params.limits.header_bytes)
