"""The DAO for the RPC."""

from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.history import ChainHistory
from esper.node.mining.ready_desk import ReadyDesk
from esper.node.mining.ready_errors import ReadyDeskError
from esper.node.views.dao.proposal_check import check_proposal
from esper.node.views.dao.proposal_replies import dao_list, proposal_named, proposal_reply
from esper.node.views.dao.readiness_replies import dao_readiness, rehearsal_reply
from esper.node.views.dao.report_replies import report_named, reports_reply
from esper.node.views.dao.round_replies import rounds_reply
from esper.node.views.dao.set_replies import hidden_sets, set_named
from esper.node.views.dao.setting_replies import dao_settings
from esper.node.views.dao.sight import Sight
from esper.node.views.dao.voter_reply import voter_reply
from esper.node.views.rpc_formats import address_of
from esper.node.views.sync_state import SyncState
from esper.rpc import schema as s
from esper.rpc.errors import NOT_MINING, REFUSED, RpcError


class DaoViews:
    """Answers about proposals, voters and settings."""

    def __init__(
        self,
        chain: ChainService,
        sync: SyncState,
        history: ChainHistory,
        ready: ReadyDesk | None = None,
    ) -> None:
        """``ready`` has what was rehearsed here; None: nobody mines."""
        self._history = history
        self._chain = chain
        self._sync = sync
        self._ready = ready

    async def list(self, _: s.NoParams) -> s.DaoList:
        """All that is under way."""
        return dao_list(self._sight())

    async def get(self, params: s.ProposalParams) -> s.ProposalReply:
        """A live proposal by its id or the first digits of it. Raises RpcError."""
        sight = self._sight()
        return proposal_reply(proposal_named(params.id, sight), sight)

    async def voter(self, params: s.VoterParams) -> s.VoterReply:
        """What an address counts for. Raises RpcError."""
        sight = self._sight()
        return voter_reply(address_of(params.address, sight.genesis), sight)

    async def settings(self, _: s.NoParams) -> s.DaoSettings:
        """What votes may move, and what holds."""
        view = self._chain.view
        return dao_settings(self._sight(view), view.context.registry)

    async def readiness(self, _: s.NoParams) -> s.DaoReadiness:
        """How counts stand."""
        return dao_readiness(self._sight())

    async def reports(self, params: s.ReportsParams) -> s.Reports:
        """Reports on a proposed model. Raises RpcError."""
        sight = self._sight()
        return reports_reply(proposal_named(params.id, sight), sight, self._history.view)

    async def report(self, params: s.ReportParams) -> s.ReportShown:
        """One report with its bits. Raises RpcError."""
        return report_named(params.id, self._sight(), self._history.view)

    async def sets(self, params: s.SetsParams) -> s.HiddenSets:
        """Hidden sets by tokenizer."""
        return hidden_sets(params.tokenizer, self._sight(), self._history.view)

    async def set(self, params: s.SetParams) -> s.SetShown:
        """One hidden set. Raises RpcError."""
        return set_named(params.id, self._sight(), self._history.view)

    async def rounds(self, params: s.RoundsParams) -> s.Rounds:
        """What hidden sets say of a model. Raises RpcError."""
        return rounds_reply(params.id, self._sight(), self._history.view)

    async def rehearsal(self, params: s.RehearsalParams) -> s.RehearsalReply:
        """What a payee has to sign. Raises RpcError."""
        if self._ready is None:
            raise RpcError(NOT_MINING, "this node does not mine: start it with `esperd mine`")
        sight = self._sight()
        signer = address_of(params.address, sight.genesis)
        proposal = proposal_named(params.id, sight)
        try:
            offer = self._ready.offer(proposal, signer)
        except ReadyDeskError as error:
            data = {"rule": error.rule, "retry": error.retry}
            raise RpcError(REFUSED, str(error), data) from error
        return rehearsal_reply(offer, proposal, sight)

    async def check(self, params: s.CheckParams) -> s.CheckReply:
        """Whether the next block would take a proposal. Raises RpcError."""
        sender = address_of(params.address, self._chain.view.context.params)

        def checked(view: ChainView) -> s.CheckReply:
            context = view.context.execution_context(view.state, sender)
            as_of = self._sync.as_of(view.context)
            return check_proposal(params, sender, view.state, context, as_of)

        # A descriptor is read and hashed, and the block's own start executed.
        return await self._chain.in_thread(checked)

    def _sight(self, view: ChainView | None = None) -> Sight:
        view = view or self._chain.view
        chain = view.context
        return Sight(view.state, chain.params, self._sync.as_of(chain))
