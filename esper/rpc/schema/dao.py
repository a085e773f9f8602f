"""What the DAO decides: proposals, votes, and the parameters that votes may move."""

from typing import Annotated

from msgspec import Meta

from esper.rpc.schema.common import AddressText, Amount, AsOf, IdBeginning, Reply, Request

Share = int
"""Part of all blocks, of 65536."""


class ProposalParams(Request, frozen=True):
    """A live proposal by its id, the txid of what proposed it."""

    id: IdBeginning


class LiveProposal(Reply, frozen=True):
    """A proposal that has not ended."""

    number: int
    """Counted from 1 in the order of opening."""
    id: str
    subject: str
    """model, change, rollback."""
    tier: int | None
    """Of a model, or of the model that a rollback is about; None for a change."""
    about: str
    """What it would do, in one line."""
    step: str
    """tail, close, draw, round0, check, act, draw1, round1, trial, end."""
    open: bool
    """Whether votes count."""
    next: int
    """Height at which it goes on."""
    then: str
    """What happens there, as a sentence."""
    yes: Amount
    no: Amount
    abstain: Amount
    quorum: Amount
    """Stake that it is measured by; a fifth of it must say yes or abstain."""
    quorum_reached: bool
    passing: bool
    """Whether the votes so far are the majority that it needs."""
    bond: Amount
    """Units that are still held, without the fee."""
    proposer: str


class DueAct(Reply, frozen=True):
    """What is confirmed and acts later."""

    height: int
    act: str
    """activate, settle, revert, change."""
    id: str
    """The proposal."""


class DaoList(Reply, frozen=True):
    """All that is under way."""

    proposals: list[LiveProposal]
    """By number."""
    schedule: list[DueAct]
    """In the order of confirmation."""
    stake: Amount
    """Staked when the credit epoch began: what votes and bonds are measured by."""
    bond_unit: Amount
    """Least bond of a rollback, and of a change while nothing else is open."""
    as_of: AsOf


class KeyValue(Reply, frozen=True):
    """A parameter and what it is to be."""

    name: str
    value: Amount


class TierNumber(Reply, frozen=True):
    """A tier and its share, of 65536, or its omega, in 65536ths."""

    tier: int
    value: Amount


class ProposedModel(Reply, frozen=True):
    """Another model or a longer bank for a tier, or a new tier."""

    model_id: str
    tier: int
    share: Share
    """Of a new tier; else 0."""
    omega: Amount
    """Weight of its tickets over genesis', in 65536ths."""
    sequences: int
    rows: int
    input_tokens: int
    max_answer: int
    vocab: int
    max_seq: int
    bank_size: int
    bank_root: str
    package: str
    """Root of its files' digests."""
    bank_text: str
    name: str
    licence: str
    link: str


class ProposedChange(Reply, frozen=True):
    """Parameters, shares, omegas, the end of a tier."""

    settings: list[KeyValue]
    shares: list[TierNumber]
    omegas: list[TierNumber]
    retire: int | None
    texts: list[str] | None
    """Texts of benchmarks, in hex, in place of the registered ones; null: they stay."""
    link: str


class ProposalReply(Reply, frozen=True):
    """Everything about a live proposal. Heights are None where they are not known yet."""

    live: LiveProposal
    fee: Amount
    """Units held for hidden validation; they go back to the proposer when it ends."""
    base: Amount
    """The unit of bonds when it opened."""
    opened: int
    epoch: int
    """Credit epoch whose beginning says what voters weigh."""
    stake: Amount
    """Staked when that epoch began."""
    closes: int
    """Height at which votes are counted, so far."""
    extensions: int
    ahead: bool
    """Whether it was passing when last looked at."""
    seed: str
    """Drawn after closing; empty before."""
    final: int | None
    """Height at which it passed."""
    check: int | None
    """Height at which it is judged whether it acts."""
    active: int | None
    """Height at which it acts."""
    trial_ends: int | None
    """Height at which the replaced model goes, or comes back."""
    postponed: bool
    seen: int
    """Blocks counted in this window."""
    ready: int
    """Of them, those that count for it."""
    burns: Amount
    """Units of the bond that would burn by the votes so far."""
    rollback: str
    """How a rollback would end it now: cancel, revert, or empty."""
    rollback_until: int | None
    """Last height of a block that may open one."""
    as_of: AsOf
    model: ProposedModel | None = None
    change: ProposedChange | None = None
    target: str = ""
    """Of a rollback: id of the model's proposal."""


class VoterParams(Request, frozen=True):
    """Somebody who votes."""

    address: AddressText


class VoterWeight(Reply, frozen=True):
    """What an address counts for in an open proposal."""

    number: int
    id: str
    weight: Amount
    """Units: stake and pot when the epoch of its opening began, less those that vote themselves."""
    vote: str
    """yes, no, abstain, or empty."""
    delegate: str
    """Who votes for its stake unless it does; empty for nobody."""


class VoterReply(Reply, frozen=True):
    """What the DAO keeps of an address."""

    address: str
    stake: Amount
    delegate: str
    """Address that votes for it unless it does, as of now; empty for nobody."""
    pot: Amount
    """Staked by those that delegate to it."""
    votes: list[VoterWeight]
    """One for each open proposal."""
    ready: list[int]
    """Numbers of the models that it has shown to be ready for."""
    as_of: AsOf


class PendingValue(Reply, frozen=True):
    """What a live proposal would make of a parameter."""

    number: int
    value: Amount
    height: int | None
    """Height at which it acts; None while its vote is open."""
    confirmed: bool


class SettingReply(Reply, frozen=True):
    """A parameter that votes may move."""

    key: int
    name: str
    genesis: Amount
    """What the network began with."""
    in_force: Amount
    """What holds in the next block."""
    least: Amount
    most: Amount
    power_of_two: bool
    changed: int | None
    """Height at which it last moved."""
    rests_until: int | None
    """No change may move it before that height."""
    pending: list[PendingValue]


class TierReply(Reply, frozen=True):
    """A tier, as the next block has it."""

    tier: int
    model_id: str
    share: Share
    omega: Amount
    since: int
    """Height at which its model became active; 0 for genesis'."""
    previous_model_id: str
    """Model on its way out, which may still be mined; empty for none."""
    record: str
    """All of it as the state keeps it: sizes, special ids, bank and ticket, in hexadecimal."""


class DaoSettings(Reply, frozen=True):
    """What votes may move, and what holds."""

    settings: list[SettingReply]
    """By key."""
    tiers: list[TierReply]
    texts: list[str]
    """Of benchmarks, in hex: a model's first suites are made from them, in order, and each needs a
    report that stands."""
    as_of: AsOf


class ReadinessReply(Reply, frozen=True):
    """How many blocks count for what is to act, or is on trial."""

    number: int
    id: str
    subject: str
    tier: int
    phase: str
    """check, or trial."""
    begins: int
    """Height of the first block that is counted."""
    ends: int
    """Height at which the count is judged."""
    seen: int
    """Blocks that were counted."""
    ready: int
    """Of them, those that count for it."""
    needed: int
    """How many must, of those that were seen so far."""
    postponed: bool


class DaoReadiness(Reply, frozen=True):
    """One for each proposal at a check or a trial."""

    proposals: list[ReadinessReply]
    as_of: AsOf


class RehearsalParams(Request, frozen=True):
    """A proposal, and who would show that its miner is ready for it."""

    id: IdBeginning
    """The proposal's."""
    address: AddressText
    """The payee of the node's blocks, who signs."""


class RehearsalReply(Reply, frozen=True):
    """What a payee signs to show that its miner runs a proposed model: the parts of a Prove."""

    number: int
    id: str
    room: int
    """Bytes that the proof takes in the block, at most; the fee is paid for them too."""
    body: str
    """The rehearsed ticket, in hexadecimal."""
    nonce: int
    """The payee's next, behind all that waits of it here."""
    reward_height: int
    """Height of the block whose pending reward it names."""
    last_height: int
    """Height of the last block that may have it."""
    signed: str | None
    """Txid of what was handed in and waits for a block of this node."""
    lapsed: str
    """Why what was handed in before is of no use any more; empty without such."""
    as_of: AsOf


class CheckParams(Request, frozen=True):
    """A proposal that somebody thinks of."""

    address: AddressText
    """Who would propose it."""
    subject: Annotated[int, Meta(ge=1, le=3)]
    """1 model, 2 change, 3 rollback."""
    body: Annotated[str, Meta(pattern=r"^([0-9a-f]{2})+$(?!\n)", max_length=2 * 57_344)]
    """Its wire form."""
    bond: Amount | None = None
    """Units; the least without."""


class CheckReply(Reply, frozen=True):
    """Whether the next block would take it."""

    holds: bool
    rule: str
    """The rule that it breaks; empty if it holds."""
    message: str
    """What that rule says."""
    bond: Amount
    """What was asked about."""
    least_bond: Amount
    about: str
    """What it would do, in one line; empty if it cannot be read."""
    as_of: AsOf
