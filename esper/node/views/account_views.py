"""Accounts and their histories for the RPC."""

from functools import partial

from esper.consensus.context import ChainContext
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import ChainHistory, HistoryView
from esper.node.chain.stored_blocks import StoredBlock, stored_block
from esper.node.in_force import parameters_of
from esper.node.mempool.mempool_service import MempoolService
from esper.node.views.call_replies import prompt_text
from esper.node.views.releases import immature_rewards, unbonding_stake
from esper.node.views.rpc_formats import address_of, address_text
from esper.node.views.sync_state import SyncState
from esper.primitives.ids import Txid
from esper.primitives.params import CreditParameters, NetworkParameters
from esper.rpc import schema as s
from esper.rpc.errors import INVALID_PARAMS, RpcError
from esper.storage.history.history_records import CursorError, HistoryEvent, What
from esper.vm.credits import rate_limit, settled, totals_at_block
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.records import Account, CreditTotals
from esper.vm.view import Overlay, StateView

Prompts = dict[Txid, str | None]
"""Texts of prompts by the ids of their calls."""


class AccountViews:
    """Answers about addresses."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        history: ChainHistory,
        texts: TextService,
        params: NetworkParameters,
        sync: SyncState,
    ) -> None:
        self._chain = chain
        self._mempool = mempool
        self._history = history
        self._texts = texts
        self._params = params
        self._sync = sync

    async def account(self, params: s.AccountParams) -> s.AccountReply:
        """What an address holds, as of the tip and of what waits. Raises RpcError."""
        address = address_of(params.address, self._params)
        view = self._chain.view
        chain = view.context
        rules = parameters_of(chain, view.state).credits
        account, known_key, totals = self._read(address, view.state, chain, rules)
        spent = self._mempool.pool.spent_by(address)
        incoming = self._mempool.pool.received_by(address)
        next_nonce = self._mempool.pool.next_nonce(address, account.nonce)
        releases = partial(self._releases, address, self._history.view)
        immature, unbonding = await self._chain.in_thread(releases)
        return s.AccountReply(
            address=address_text(address, self._params),
            balance=str(account.balance),
            pending_out=str(spent.units),
            pending_in=str(incoming),
            immature=immature,
            stake=str(account.stake),
            unbonding=unbonding,
            nonce=account.nonce,
            next_nonce=next_nonce,
            key_known=known_key,
            credits=_credits(account, totals, spent.micro_credits, chain, rules),
            as_of=self._sync.as_of(chain),
        )

    async def history(self, params: s.HistoryParams) -> s.History:
        """A page of events, the newest first. Raises RpcError."""
        address = address_of(params.address, self._params)
        view, history = self._chain.view, self._history.view
        try:
            events, cursor = history.events(address, params.limit, params.before)
        except CursorError as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
        prompts: Prompts = {}
        if any(event.what is What.CALLED for event in events):
            # Reading blocks takes a while; others are answered meanwhile.
            prompts = await self._chain.in_thread(partial(self._prompts, events, history))
        return s.History(
            events=[self._event(event, prompts.get(event.txid)) for event in events],
            cursor=cursor,
            as_of=self._sync.as_of(view.context),
        )

    def _prompts(
        self, events: list[HistoryEvent], history: HistoryView, view: ChainView
    ) -> Prompts:
        """The prompts of the calls among events, each of their blocks read once."""
        blocks: dict[int, StoredBlock] = {}
        found: Prompts = {}
        for event in events:
            place = history.transaction(event.txid) if event.what is What.CALLED else None
            if place is None:
                continue
            if place.height not in blocks:
                # The events come by height: one block at a time is enough.
                blocks = {place.height: stored_block(view, place.height)}
            call = blocks[place.height].transaction(place.index).payload
            if isinstance(call, LlmCall):
                found[event.txid] = prompt_text(self._texts, call)
        return found

    def _releases(
        self, address: bytes, history: HistoryView, view: ChainView
    ) -> tuple[list[s.Release], list[s.Release]]:
        """Rewards and unstaked units on their way."""
        ledger = Ledger(Overlay(view.state))
        maturity = self._params.reward.maturity
        rewards = immature_rewards(address, history.immature(address), maturity, ledger)
        return rewards, unbonding_stake(address, history.unbonding(address), ledger)

    @staticmethod
    def _read(
        address: bytes, state: StateView, chain: ChainContext, rules: CreditParameters
    ) -> tuple[Account, bool, CreditTotals]:
        """The account as the next block would see it."""
        ledger = Ledger(Overlay(state))
        totals = totals_at_block(ledger.totals, chain.height + 1, rules)
        account, totals = settled(ledger.account(address), totals)
        return account, ledger.known_key(address) is not None, totals

    def _event(self, event: HistoryEvent, prompt: str | None) -> s.Event:
        return s.Event(
            height=event.height,
            time_ms=event.time_ms,
            txid=event.txid.hex(),
            what=event.what.label,
            amount=str(event.amount),
            fee=str(event.fee),
            other=address_text(event.other, self._params),
            prompt=prompt,
            cursor=event.cursor,
        )


def _credits(
    account: Account,
    totals: CreditTotals,
    waiting: int,
    chain: ChainContext,
    rules: CreditParameters,
) -> s.Credits:
    available = account.older_credits + account.newer_credits
    limit = rate_limit(account, rules)
    spendable = min(available, limit - account.used) - waiting
    return s.Credits(
        available=str(available),
        lapsing=str(account.older_credits),
        lapse_height=(totals.epoch + 1) * rules.epoch_blocks,
        used=str(account.used),
        rate_limit=str(limit),
        spendable=str(max(spendable, 0)),
        per_block=str(_earned_per_block(account, totals, chain.height + 1, rules)),
    )


def _earned_per_block(
    account: Account, totals: CreditTotals, height: int, rules: CreditParameters
) -> int:
    """What one more block would bring."""
    grown = totals_at_block(totals, height, rules)
    before = account.older_credits + account.newer_credits
    later, _ = settled(account, grown)
    return later.older_credits + later.newer_credits - before
