"""A node for the wallet's tests: balances are the rules' own, blocks come when a test says so."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec.structs import replace as replaced

from esper.consensus.call_groups import group_binding
from esper.consensus.registry import genesis_registry
from esper.crypto.signatures import SignatureClaim
from esper.dao.registry import TierRegistry
from esper.node.views.dao.proposal_check import check_proposal
from esper.node.views.dao.proposal_replies import dao_list, proposal_named, proposal_reply
from esper.node.views.dao.readiness_replies import dao_readiness
from esper.node.views.dao.report_replies import reports_reply
from esper.node.views.dao.round_replies import rounds_reply
from esper.node.views.dao.set_replies import hidden_sets
from esper.node.views.dao.setting_replies import dao_settings
from esper.node.views.dao.sight import Sight
from esper.node.views.dao.voter_reply import voter_reply
from esper.primitives.address import Address
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.prover import Report, Sequence, Statement, VerificationError, proof_file
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.client import NodeError
from esper.rpc.errors import INVALID_PARAMS, NOT_FOUND, REFUSED, RpcError
from esper.rpc.method import Method, ReplyT, RequestT
from esper.storage.history.traces import Trace
from esper.vm.credits import rate_limit, settled, totals_at_block
from esper.vm.envelope_rules import check_isolated, check_signature, fee_range
from esper.vm.llm_call import LlmCall
from esper.vm.records import KnownKey
from esper.vm.round_outcome import RoundOutcome
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.transfer import Transfer
from tests.support.vm_world import GENESIS, MINER, MODEL, World, address

KINDS = {1: "transfer", 2: "stake", 3: "unstake", 4: "credit-transfer", 5: "llm-call"}
KINDS |= {7: "propose", 8: "vote", 9: "delegate", 11: "prove"}
FAKE_PROOF = b"fake proof"
SCRIPT = ("queued", "answering", "proving", "proven")
"""Where a call stands, one question after the other, before its block comes."""


class NoTraces:
    """A history that knows of no report, and of no hidden set."""

    def traces(self, about: Txid, limit: int) -> list[Trace]:
        return []

    def rounds(self, proposal: Txid) -> list[tuple[int, RoundOutcome]]:
        return []


@dataclass
class FakeNode:
    """A node that holds one chain, a mempool without limits, and one block at a time."""

    world: World
    genesis: str = GENESIS.hex()
    synced: bool = True
    pending: dict[str, Transaction] = field(default_factory=dict)
    confirmed: dict[str, tuple[Transaction, int]] = field(default_factory=dict)
    suggested_bid: int = 20
    bpe: int = 4
    """Characters a token."""
    immature: tuple[s.Release, ...] = ()
    unbonding: tuple[s.Release, ...] = ()
    asked: dict[str, int] = field(default_factory=dict)
    """How often a call was asked about."""
    answer_text: str = " there was a fox"
    answering: str | None = "yes"
    """Whether anybody here answers, as an estimate says it."""
    last_status: str = "answered"
    replaced: dict[str, str] = field(default_factory=dict)
    """What took the place of a transaction."""
    history_events: tuple[s.Event, ...] = ()
    moved: dict[str, dict[str, str]] = field(default_factory=dict)
    """Settings by name, and the parts of their rows that it tells otherwise."""
    rehearsed: s.RehearsalReply | NodeError | None = None
    """What it says that it rehearsed."""
    rehearsals: list[s.RehearsalParams] = field(default_factory=list)
    """What it was asked to have rehearsed."""
    reports: s.Reports | None = None
    """What it says of reports on a model; None: what its chain says."""
    report: s.ReportShown | None = None
    """What it says of one of them."""
    sets: s.HiddenSets | None = None
    """What it says of hidden sets; None: what its chain says."""
    set: s.SetShown | None = None
    """What it says of one of them."""
    tiers: TierRegistry = field(default_factory=lambda: genesis_registry(REGTEST))
    """What it says that the network has."""

    # --- what the wallet asks ---

    def call(self, method: Method[RequestT, ReplyT], request: RequestT) -> ReplyT:
        """Nothing else is answered: a wallet that asks more fails its tests."""
        answers: dict[Any, Callable[[Any], Any]] = {
            m.GET_STATUS.name: lambda _: self.status(),
            m.LIST_MODELS.name: lambda _: self.models(),
            m.GET_BLOCK.name: self.block,
            m.GET_TRANSACTION.name: self.transaction,
            m.SUBMIT_TRANSACTION.name: self.submit,
            m.GET_ACCOUNT.name: self.account,
            m.GET_HISTORY.name: self.history,
            m.GET_PENDING.name: self.waiting_for,
            m.ESTIMATE_CALL.name: self.estimate_call,
            m.GET_CALL.name: self.asked_about,
            m.GET_PROOF.name: self.proof,
            m.GET_RECEIPT.name: self.receipt,
            m.DAO_LIST.name: lambda _: dao_list(self.sight),
            m.DAO_GET.name: self.proposal,
            m.DAO_VOTER.name: self.voter,
            m.DAO_SETTINGS.name: lambda _: self.settings(),
            m.DAO_READINESS.name: lambda _: dao_readiness(self.sight),
            m.DAO_REHEARSAL.name: self.rehearsal,
            m.DAO_CHECK_PROPOSAL.name: self.check,
            m.DAO_REPORTS.name: self.reports_on,
            m.DAO_REPORT.name: lambda _: self.report,
            m.DAO_SETS.name: self.hidden_sets,
            m.DAO_SET.name: lambda _: self.set,
            m.DAO_ROUNDS.name: self.rounds_about,
        }
        reply: ReplyT = answers[method.name](request)
        return reply

    def status(self) -> s.Status:
        return s.Status(
            network="regtest",
            genesis_hash=self.genesis,
            version="0.1.0",
            height=self.world.height,
            tip="ab" * 64,
            tip_time_ms=1_793_491_200_000,
            median_time_ms=1_793_491_200_000,
            synced=self.synced,
            why_not_synced="" if self.synced else "the tip is 3 hours old",
            weight="1",
            issued="100",
            usefulness_per_mille=123,
            mempool_transactions=len(self.pending),
            mempool_calls=0,
            mempool_bytes=0,
            mining=True,
            paused=False,
            answers_calls=True,
            warnings=[],
            uptime_ms=1,
        )

    def models(self) -> list[s.Model]:
        return [s.Model(MODEL.model_id.hex(), 0, MODEL.shape.vocab, 512, 1, 2, True, True)]

    def block(self, params: s.BlockParams) -> s.BlockReply:
        height = self.world.height if params.height is None else params.height
        if height > self.world.height:
            raise NodeError(NOT_FOUND, f"there is no block at height {height}")
        summaries = [
            s.TransactionSummary(txid, KINDS[t.kind], self._text(t.sender), str(t.fee), 1, None)
            for txid, (t, at) in self.confirmed.items()
            if at == height
        ]
        return s.BlockReply(
            height, "cd" * 64, "ab" * 64, 1_793_491_200_000, "payee", "5000000000", "1", "ef" * 64,
            0, "00" * 64, 2000, 0, 1, 0, summaries, [s.WorkAnswer(0, "Hi \x1b[31m", "there", 2)],
        )  # fmt: skip

    def account(self, params: s.AccountParams) -> s.AccountReply:
        address = Address.from_text(params.address, "resp").to_bytes()
        ledger, rules = self.world.ledger, self.world.params.credits
        totals = totals_at_block(ledger.totals, self.world.height + 1, rules)
        account, _ = settled(ledger.account(address), totals)
        waiting = [t for t in self.pending.values() if t.sender == address]
        coming = [
            output.amount
            for t in self.pending.values()
            if isinstance(t.payload, Transfer)
            for output in t.payload.outputs
            if output.receiver == address
        ]
        available, limit = account.older_credits + account.newer_credits, rate_limit(account, rules)
        bound = sum(t.payload.reserve for t in waiting if isinstance(t.payload, LlmCall))
        per_block = rules.per_block * account.stake // max(totals.total_stake, 1)
        return s.AccountReply(
            address=params.address,
            balance=str(account.balance),
            pending_out=str(sum(t.payload.outlay + t.fee for t in waiting)),
            pending_in=str(sum(coming)),
            immature=list(self.immature),
            stake=str(account.stake),
            unbonding=list(self.unbonding),
            nonce=account.nonce,
            next_nonce=account.nonce + len(waiting),
            key_known=ledger.known_key(address) is not None,
            credits=s.Credits(
                available=str(available),
                lapsing="7",
                lapse_height=20,
                used=str(account.used),
                rate_limit=str(limit),
                spendable=str(max(min(available, limit - account.used) - bound, 0)),
                per_block=str(per_block),
            ),
            as_of=s.AsOf(self.world.height, self.synced),
        )

    def submit(self, params: s.SubmitParams) -> s.Submitted:
        try:
            found = decode_transaction(bytes.fromhex(params.hex), 1 << 16)
            check_isolated(found)
            least, _ = fee_range(found, self.world.params.limits)
            if found.fee < least:
                raise NodeError(REFUSED, f"the fee is {found.fee}, must be {least}")
            known = self.world.ledger.known_key(found.sender)
            key = KnownKey(found.suite, found.key) if found.key else known
            assert key is not None, "the key is neither known nor carried"
            check_signature(found, self._claim(found, key))
        except RuleViolation as violation:
            raise NodeError(REFUSED, str(violation), {"rule": violation.rule}) from violation
        same = [
            txid
            for txid, t in self.pending.items()
            if (t.sender, t.nonce) == (found.sender, found.nonce)
        ]
        if params.replaces is not None and set(same) - {*params.replaces, found.txid.hex()}:
            data = {"rule": "NonceWaitsError", "retry": True, "waiting": same[0]}
            raise NodeError(REFUSED, f"nonce {found.nonce} is taken", data)
        if found.nonce < self.world.ledger.account(found.sender).nonce:
            raise NodeError(REFUSED, "the nonce was used", {"rule": "NonceUsedViolation"})
        for txid in same:
            del self.pending[txid]
            self.replaced[txid] = found.txid.hex()
        self.pending[found.txid.hex()] = found
        return s.Submitted(found.txid.hex(), same[0] if same else None)

    def transaction(self, params: s.TransactionParams) -> s.TransactionReply:
        txid = self._whole(params.txid)
        if txid in self.replaced and txid not in self.pending:
            return self._gone(txid)
        found, height = self.confirmed.get(txid, (self.pending.get(txid), None))
        if found is None:
            raise NodeError(NOT_FOUND, "there is no such transaction")
        outputs = [s.Output("", str(found.payload.outlay))]
        if isinstance(found.payload, Transfer):
            outputs = [
                s.Output(self._text(o.receiver), str(o.amount)) for o in found.payload.outputs
            ]
        return s.TransactionReply(
            txid=txid,
            status="pending" if height is None else "confirmed",
            kind=KINDS[found.kind],
            sender=self._text(found.sender),
            nonce=found.nonce,
            fee=str(found.fee),
            not_before=found.not_before,
            expiry=found.expiry,
            size=len(found.to_bytes()),
            outputs=outputs,
            hex=found.to_bytes().hex(),
            as_of=s.AsOf(self.world.height, True),
            height=height,
            time_ms=None if height is None else 1_793_491_200_000,
            confirmations=0 if height is None else self.world.height - height + 1,
        )

    def _whole(self, beginning: str) -> str:
        known = {*self.pending, *self.confirmed, *self.replaced}
        found = [txid for txid in known if txid.startswith(beginning)]
        if len(found) > 1:
            raise NodeError(INVALID_PARAMS, f"several transactions begin with {beginning}")
        return found[0] if found else beginning

    def _gone(self, txid: str) -> s.TransactionReply:
        return s.TransactionReply(
            txid, "dropped", "", "", 0, "0", 0, 0, 0, [], "", s.AsOf(self.world.height, True),
            reason="its sender replaced it by another", replaced_by=self.replaced[txid],
        )  # fmt: skip

    def history(self, params: s.HistoryParams) -> s.History:
        """Every address has the same; the cursor is a height."""
        before = params.before or "9" * 12
        below = int(before) if before.isdigit() else 0
        left = [event for event in self.history_events if event.height < below]
        events = sorted(left, key=lambda event: -event.height)[: params.limit]
        events = [replaced(event, cursor=f"{event.height:08}") for event in events]
        cursor = events[-1].cursor if len(events) < len(left) else None
        return s.History(events, cursor, s.AsOf(self.world.height, True))

    def waiting_for(self, params: s.AccountParams) -> s.Pending:
        address = Address.from_text(params.address, "resp").to_bytes()
        events = [
            s.PendingEvent(txid, "sent", str(t.payload.outlay), str(t.fee), "", t.nonce, t.expiry)
            for txid, t in self.pending.items()
            if t.sender == address
        ]
        return s.Pending(events, s.AsOf(self.world.height, True))

    def estimate_call(self, params: s.EstimateParams) -> s.Estimate:
        text = params.text or "".join(message.content for message in params.messages or [])
        tokens = params.tokens or [1, *(2 + ord(c) % 100 for c in text[:: self.bpe])]
        cost = self.suggested_bid * (len(tokens) + 4 * params.max_tokens)
        return s.Estimate(
            MODEL.model_id.hex(), tokens, self.suggested_bid, str(cost), 3, 2, self.answering
        )

    def asked_about(self, params: s.TransactionParams) -> s.CallReply:
        """One step further at every question; the block comes after the script's end."""
        step = self.asked[params.txid] = self.asked.get(params.txid, -1) + 1
        if step == len(SCRIPT) and self.last_status == "answered":
            self.mine()
        status = SCRIPT[step] if step < len(SCRIPT) else self.last_status
        found = self.pending.get(params.txid) or self.confirmed[params.txid][0]
        assert isinstance(found.payload, LlmCall)
        known = status in ("proving", "proven", "answered")
        done = status == "answered"
        return s.CallReply(
            txid=params.txid,
            status=status,
            position=2 if status == "queued" else 0,
            prompt_tokens=len(found.payload.prompt),
            max_tokens=found.payload.max_tokens,
            price=found.payload.price,
            answer=self.answer_text if known else None,
            answer_tokens=1 if known else 0,
            cost=str(found.payload.price * (len(found.payload.prompt) + 4)) if done else "0",
            height=self.world.height if done else None,
            block="cd" * 64 if done else None,
            proof_id="99" * 64 if done else None,
            reason="its nonce was used" if status == "dropped" else "",
            as_of=s.AsOf(self.world.height + step, True),
        )

    def receipt(self, params: s.ReceiptParams) -> s.ReceiptReply:
        """No receipt, but its form: a test says what is believed of it."""
        if params.txid not in self.confirmed:
            raise NodeError(NOT_FOUND, "it waits for its block", {"status": "queued"})
        at = self.confirmed[params.txid][1]
        final = self.world.height >= at + 12
        return s.ReceiptReply(
            txid=params.txid,
            receipt="{}",
            height=at,
            block="cd" * 64,
            confirmations=self.world.height - at + 1,
            anchor=at + 6 if final else None,
            anchored_at=at + 12,
            lacking="" if final else "\x1b[31m the anchor comes later",
            as_of=s.AsOf(self.world.height, self.synced),
        )

    def proof(self, params: s.ProofParams) -> s.ProofReply:
        """Of a call in the chain: its answer is EOS, its proof ``FAKE_PROOF``."""
        found, height = self.confirmed.get(params.txid, (None, 0))
        if found is None or not isinstance(found.payload, LlmCall):
            raise NodeError(NOT_FOUND, "no call", {"status": "unknown"})
        return fake_proof(found, height, self.world.height, self.genesis)

    # --- the DAO ---

    @property
    def sight(self) -> Sight:
        return Sight(self.world.state, REGTEST, s.AsOf(self.world.height, self.synced))

    def settings(self) -> s.DaoSettings:
        """What votes have moved, and what the test says that they have."""
        found = dao_settings(self.sight, self.tiers)
        said = [replaced(one, **self.moved.get(one.name, {})) for one in found.settings]
        return replaced(found, settings=said)

    def proposal(self, params: s.ProposalParams) -> s.ProposalReply:
        try:
            return proposal_reply(proposal_named(params.id, self.sight), self.sight)
        except RpcError as error:
            raise NodeError(error.code, error.message) from error

    def reports_on(self, params: s.ReportsParams) -> s.Reports:
        if self.reports is not None:
            return self.reports
        return reports_reply(proposal_named(params.id, self.sight), self.sight, NoTraces())

    def rounds_about(self, params: s.RoundsParams) -> s.Rounds:
        if self.reports is not None:
            # A proposal that is told of, and not on the chain.
            return s.Rounds(params.id, self.reports.number, "0", [], self.reports.as_of)
        return rounds_reply(params.id, self.sight, NoTraces())

    def hidden_sets(self, params: s.SetsParams) -> s.HiddenSets:
        return self.sets or hidden_sets(params.tokenizer, self.sight, NoTraces())

    def voter(self, params: s.VoterParams) -> s.VoterReply:
        return voter_reply(Address.from_text(params.address, "resp").to_bytes(), self.sight)

    def check(self, params: s.CheckParams) -> s.CheckReply:
        sender = Address.from_text(params.address, "resp").to_bytes()
        context = self.world.context()
        return check_proposal(params, sender, self.world.state, context, self.sight.as_of)

    def rehearsal(self, params: s.RehearsalParams) -> s.RehearsalReply:
        self.rehearsals.append(params)
        if isinstance(self.rehearsed, NodeError):
            raise self.rehearsed
        assert self.rehearsed is not None
        return self.rehearsed

    # --- what a test does ---

    def mine(self) -> None:
        """A block of everything that waits; calls are answered by EOS at once."""
        order = sorted(self.pending.values(), key=lambda t: t.nonce)
        answers = [(MODEL.eos,) for t in order if isinstance(t.payload, LlmCall)]
        self.world.block(*order, answers=answers)
        for transaction in order:
            self.confirmed[transaction.txid.hex()] = transaction, self.world.height
        self.pending.clear()

    def _claim(self, found: Transaction, key: KnownKey) -> SignatureClaim:
        digest = found.signing_digest(bytes.fromhex(self.genesis))
        return SignatureClaim(found.suite, key.key, digest, found.signature)

    def _text(self, address: bytes) -> str:
        return Address.from_bytes(address).to_text("resp")


def fake_proof(made: Transaction, height: int, tip: int, genesis: str) -> s.ProofReply:
    """What an honest node hands out for a call that EOS answers, but for the proof itself."""
    call = made.payload
    assert isinstance(call, LlmCall)
    payee = address(MINER)
    binding = group_binding(bytes.fromhex(genesis), payee, call.model_id, [made.txid])
    said = Sequence(call.prompt, (MODEL.eos,), call.max_tokens, (((MODEL.eos, 7),),))
    statement = Statement(call.model_id, binding, REGTEST.calls.rows_per_call, 1, (said,))
    return s.ProofReply(
        txid=made.txid.hex(),
        kind="group",
        file=proof_file.encode(statement, FAKE_PROOF).hex(),
        binding=binding.hex(),
        genesis_hash=genesis,
        model_id=call.model_id.hex(),
        payee=Address.from_bytes(payee).to_text(REGTEST.address_prefix),
        call_ids=[made.txid.hex()],
        height=height,
        block="cd" * 64,
        confirmations=tip - height + 1,
        proof_id="99" * 64,
        as_of=s.AsOf(tip, True),
    )


def believing(statement: Statement, proof: bytes) -> Report:
    """A verifier that takes the fake proof for any statement."""
    if proof != FAKE_PROOF:
        raise VerificationError("this is not the fake proof")
    return Report(128.0, (), len(proof), 1.5, 1, 1)


def credit_rich(world: World) -> World:
    """The same world with rules under which a stake may burn what it earns."""
    rules = replace(world.params.credits, rate_per_staked_unit=1 << 32)
    return replace(world, params=replace(world.params, credits=rules))
