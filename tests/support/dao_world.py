"""A chain of executed blocks for the DAO, with the registry of its headers beside its state."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from esper._native import NativeModel, ProvingKey
from esper.consensus.context import block_leaf
from esper.consensus.execution import BlockExecution, ParentWork, execute_block, next_beacon
from esper.consensus.registry import genesis_registry
from esper.crypto.signing import KeyPair
from esper.dao.bodies import (
    BODIES,
    Body,
    ChangeBody,
    ModelBody,
    Moved,
    RollbackBody,
)
from esper.dao.descriptor import described
from esper.dao.omega import computed_omega
from esper.dao.ready import ReadyBody, ready_bytes
from esper.dao.records import Live, Proposal
from esper.dao.registry import Entry, Puzzle, TierRegistry
from esper.dao.schedule import Scheduled, registry_at, still_ahead
from esper.dao.setting_values import in_force
from esper.dao.steps import Step
from esper.primitives.codec import encode
from esper.primitives.ids import BlockId, Txid
from esper.primitives.networks import REGTEST
from esper.primitives.params import NetworkParameters
from esper.primitives.work_outputs import WorkOutputs
from esper.vm.context import ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.propose import Propose
from esper.vm.governance.prove import Prove
from esper.vm.governance.vote import Vote
from esper.vm.ledger import Ledger
from esper.vm.payload import Payload
from esper.vm.records import Account
from esper.vm.stake import Stake
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay
from tests.support.vm_world import (
    ALICE,
    BOB,
    CAROL,
    COIN,
    GENESIS,
    MINER,
    Unchecked,
    address,
    funded,
    make,
    taken_back,
)

MODEL_FOLDER = Path(__file__).parents[2] / "genesis" / "model"
RULES = REGTEST.governance
TICKET = Puzzle.of(REGTEST.puzzle)
HOLDERS = (ALICE, BOB, CAROL)
TOKENIZERS = (REGTEST.model.tokenizer_id, bytes([1]) * 64)
"""Those that tests commit hidden sets for."""


@cache
def genesis_descriptor() -> bytes:
    return ProvingKey(NativeModel.load(str(MODEL_FOLDER))).descriptor


def model_body(name: int = 1, tier: int = 0, share: int = 0, **fields: Any) -> ModelBody:
    """A model like genesis' of another name; name 0 is genesis' own with a longer bank."""
    descriptor = genesis_descriptor()
    if name:
        descriptor = descriptor[:-1] + bytes([descriptor[-1] ^ name])
    entry = replace(REGTEST.model, model_id=described(descriptor).model_id, tier=tier)
    if not name:
        entry = replace(entry, bank_root=bytes(64), bank_size=entry.bank_size + 1)
    parts: dict[str, Any] = {
        "entry": entry,
        "omega": computed_omega(TICKET, entry, TICKET, REGTEST.model),
        "share": share,
        "puzzle": TICKET,
        "descriptor": descriptor,
        "package": bytes(64),
        "bank_text": bytes(64),
        "suites": (),
        "licence": b"MIT",
        "name": b"Another model",
        "link": b"",
    }
    return ModelBody(**(parts | fields))


def change_body(**fields: Any) -> ChangeBody:
    """A change of these parts: pairs for settings, shares and omegas."""
    parts: dict[str, Any] = dict.fromkeys(("settings", "shares", "omegas", "retire", "texts"), ())
    for name, value in fields.items():
        pairs = name in ("settings", "shares", "omegas")
        parts[name] = tuple(Moved(*pair) for pair in value) if pairs else value
    return ChangeBody(link=b"", **parts)


def proposing(body: Body, bond: int = 100 * COIN) -> Propose:
    subject = {ModelBody: 1, ChangeBody: 2, RollbackBody: 3}[type(body)]
    return Propose(subject, bond, encode(BODIES[subject], body))


def proving(target: Txid, reward_height: int, room: int = 0) -> Prove:
    body = ReadyBody(reward_height, WorkOutputs((), ()))
    return Prove(1, target, room, ready_bytes(body))


@dataclass
class DaoWorld:
    """Blocks on regtest's periods, executed whole; what headers know is kept beside."""

    params: NetworkParameters = REGTEST
    state: State = field(init=False)
    height: int = 0
    registry: TierRegistry = field(init=False)
    """Of the next block, as headers have it."""
    schedule: tuple[Scheduled, ...] = ()
    beacons: dict[int, bytes] = field(default_factory=dict)
    """What a draw in the block after a height takes in."""
    trail: list[tuple[State, BlockExecution]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = funded(((key, 10_000 * COIN) for key in HOLDERS), self.params)
        chain = self.state.chain
        self.state = self.state.with_chain(replace(chain, issued=30_000 * COIN))
        self.registry = genesis_registry(self.params)

    @property
    def records(self) -> DaoLedger:
        return DaoLedger(self.ledger)

    @property
    def ledger(self) -> Ledger:
        return Ledger(Overlay(self.state))

    def account(self, key: KeyPair) -> Account:
        return self.state.account(address(key))

    def context(
        self, payee: KeyPair = MINER, tier: int | None = None, *, fresh: bool = True
    ) -> ExecutionContext:
        tiers = self.registry.tiers
        parent = self._parent()
        return ExecutionContext(
            params=in_force(self.params, self.records.settings),
            genesis=self.params,
            genesis_hash=GENESIS,
            height=self.height + 1,
            payee=address(payee),
            entries=tuple(one.own for one in tiers),
            previous=tuple(entry for one in tiers for entry in one.previous),
            tier=tiers[0].id if tier is None else tier,
            fresh=fresh,
            beacon=next_beacon(self.state.chain.beacon, parent),
            parent_leaf=block_leaf(BlockId(bytes(64)), self.height, self.height),
            signatures=Unchecked(),
        )

    def _parent(self) -> ParentWork:
        return ParentWork(self.height.to_bytes(64, "big"), bytes(64), 0, 0)

    def block(
        self,
        *sent: tuple[KeyPair, Payload],
        payee: KeyPair = MINER,
        tier: int | None = None,
        fresh: bool = True,
    ) -> list[Txid]:
        """Execute a block and go on to it, having checked undo, registry and supply."""
        context = self.context(payee, tier, fresh=fresh)
        nonces: dict[bytes, int] = {}
        transactions: list[Transaction] = []
        for key, payload in sent:
            sender = address(key)
            nonce = nonces.setdefault(sender, self.account(key).nonce)
            nonces[sender] += 1
            transactions.append(make(key, payload, nonce))
        execution = execute_block(self.state, self._parent(), transactions, context)
        after = self.state.with_changes(execution.changes)
        assert after.with_changes(taken_back(execution.changes)).root == self.state.root
        self.trail.append((self.state, execution))
        self.state, self.height = after, self.height + 1
        assert self.records.tiers == self.registry, "headers know another registry than the state"
        assert all(one.height >= self.height + RULES.horizon for one in execution.confirmed)
        self.schedule = (*self.schedule, *execution.confirmed)
        self.registry = registry_at(self.registry, self.schedule, self.height + 1)
        self.schedule = still_ahead(self.schedule, self.height + 1)
        assert self.coins() == self.state.chain.issued
        return [one.txid for one in transactions]

    def until(self, height: int, **how: Any) -> None:
        while self.height < height:
            self.block(**how)

    def coins(self) -> int:
        """All units that the records hold, by going through every record of people known here."""
        ledger, total = self.ledger, 0
        for key in (*HOLDERS, MINER):
            account = ledger.account(address(key))
            total += account.balance + account.stake
        rules = self.params.reward
        due = range(max(1, self.height - rules.maturity), self.height + rules.unbonding + 1)
        for height in due:
            reward = ledger.reward(height)
            total += reward.amount if reward is not None else 0
            total += sum(one.amount for one in Ledger(Overlay(self.state)).take_unbondings(height))
        for live in self.records.governance.live:
            proposal = self.records.proposal(live.id)
            total += proposal.bond + proposal.fee
            for place in proposal.reports:
                report = self.records.report(place.id)
                total += 0 if report is None else report.bond
        for tokenizer in TOKENIZERS:
            sets = map(self.records.hidden_set, self.records.sets_of(tokenizer))
            total += sum(one.bond for one in sets)
        return total

    def stake(self, *amounts: int) -> None:
        """Let the holders stake so many coins, and a new epoch begin."""
        pairs = zip(HOLDERS, amounts, strict=False)
        self.block(*((key, Stake(amount * COIN)) for key, amount in pairs if amount))
        epoch = self.params.credits.epoch_blocks
        self.until(-(-(self.height + 1) // epoch) * epoch)

    def propose(self, body: Body, sender: KeyPair = ALICE, **fields: int) -> Txid:
        (txid,) = self.block((sender, proposing(body, **fields)))
        return txid

    def vote(self, txid: Txid, *who: KeyPair, choice: int = 1) -> None:
        self.block(*((key, Vote(txid, choice)) for key in who))

    def live(self, txid: Txid) -> Live | None:
        return self.records.live(txid)

    def proposal(self, txid: Txid) -> Proposal:
        return self.records.proposal(txid)

    def step(self, txid: Txid) -> Step | None:
        live = self.live(txid)
        return None if live is None else Step(live.step)

    def make_ready(self, txid: Txid, miner: KeyPair = MINER) -> None:
        """A block in which a miner shows that it is ready."""
        mine = address(miner)
        heights: Iterable[int] = range(self.height, 0, -1)
        rewards = ((height, self.ledger.reward(height)) for height in heights)
        height = next(at for at, reward in rewards if reward and reward.payee == mine)
        self.block((miner, proving(txid, height)), payee=miner)


def own_entry(body: ModelBody) -> Entry:
    return Entry(body.entry, body.omega, body.puzzle)
