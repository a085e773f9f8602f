"""Beat: once in a slot a provider shows that it lives, how much it can do, and what it claims.

It stands within few blocks behind the slot's drawn height, so no machine answers for two providers.
A bonded one that opens a load answer of its Beat in the slot before joins the next slot's roster.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from esper.dao.omega import reference_work
from esper.market.load import LOAD_LIMIT, load_answers, opened_load, read_load
from esper.market.parameters import KEPT_SLOTS, MarketParameters
from esper.market.roster import beat_weight
from esper.market.rules.beat_rules import (
    BEACON_BYTES,
    check_beat_beacon,
    check_beat_once,
    check_beat_window,
    check_load,
    check_load_opening,
)
from esper.market.slots import slot_of
from esper.primitives.codec import CodecError, FixedBytes, Unsigned, VarBytes
from esper.primitives.errors.market_errors import (
    BeatOpeningViolation,
    BeatWindowViolation,
    MarketEncodingViolation,
    ProviderOffViolation,
    ProviderUnknownViolation,
)
from esper.primitives.hashing import HASH_BYTES
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.ledger import Ledger
from esper.vm.market.market_ledger import MarketLedger
from esper.vm.market.market_suite import check_market_suite, market_in_force
from esper.vm.market.records.provider import ProviderRecord, ProviderState, SentBeat
from esper.vm.market.records.rosters import MarketModel
from esper.vm.payload import Inclusion, Payload, Schema


@dataclass(frozen=True, slots=True)
class Beat(Payload):
    """The payload of a Beat."""

    slot: int
    """The slot of the block that it is meant for."""
    beacon: bytes
    """32 bytes: the first half of the drawn height's, so that it counts on this branch alone."""
    root: bytes
    """64 bytes: over load answers, claims and reports; see ``market.records.beat``."""
    amount: int
    """Units that its claims come to: said for others to see, and checked by nobody."""
    load: int
    """Units of load that it answered for."""
    opened: bytes
    """A ``LoadOpening`` of the Beat before; empty for none."""

    KIND: ClassVar[int] = 15
    NAME: ClassVar[str] = "beat"
    SCHEMA: ClassVar[Schema] = (
        ("slot", Unsigned(32)),
        ("beacon", FixedBytes(BEACON_BYTES)),
        ("root", FixedBytes(HASH_BYTES)),
        ("amount", Unsigned(63)),
        ("load", Unsigned(32)),
        ("opened", VarBytes(LOAD_LIMIT)),
    )

    def check_isolated(self) -> None:
        """Raises MarketEncodingViolation for an opening that is none."""
        if self.opened:
            try:
                read_load(self.opened)
            except CodecError as error:
                raise MarketEncodingViolation(str(error)) from error

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """It comes in time, once, and shows what the beacon draws.

        Raises MarketNotTakenViolation, MarketSuiteViolation, ProviderUnknownViolation,
        ProviderOffViolation or what ``market.rules.beat_rules`` raises.
        """
        params = market_in_force(context.genesis)
        check_market_suite("sender", sender)
        records, height = MarketLedger(ledger), context.height
        provider = records.find_provider(sender)
        if provider is None:
            raise ProviderUnknownViolation(sender)
        if provider.state == ProviderState.EXPELLED:
            raise ProviderOffViolation("it was expelled, and sends no Beats any more")
        drawn_at = records.clock.drawn
        if not drawn_at:
            # Nothing is drawn yet in this slot, so no Beat can stand in it.
            raise BeatWindowViolation(height, self.slot, height + 1, height + params.answer_blocks)
        check_beat_window(self.slot, height, drawn_at, params)
        beacon = _required(records, drawn_at)
        check_beat_beacon(self.beacon, beacon)
        last = provider.last_beat
        check_beat_once(self.slot, None if last is None else last.slot)
        check_load(self.load, provider.offer.load)
        if self.opened:
            if last is None:
                raise BeatOpeningViolation("there is no Beat before")
            model = records.model(provider.model_id)
            answers = load_answers(last.load, answer_work(model), params)
            index = opened_load(beacon, sender, answers)
            check_load_opening(read_load(self.opened), index, answers, last.root)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Keep it, and let its provider join the next roster with what it has shown."""
        params = market_in_force(context.genesis)
        records = MarketLedger(ledger)
        provider = records.provider(sender)
        beat = self._sent(provider, context.height, params)
        state = provider.state
        running = ProviderState.RUNNING if state == ProviderState.STARTED else state
        kept = (*provider.beats, beat)[-KEPT_SLOTS:]
        provider = replace(provider, state=running, slots=provider.slots + 1, beats=kept)
        records.set_provider(sender, provider)
        if beat.weight:
            records.join_roster(beat.slot + 1, sender, provider, beat.weight)
        return NO_EFFECT

    def _sent(self, provider: ProviderRecord, height: int, params: MarketParameters) -> SentBeat:
        slot = slot_of(height, params)
        last, bonded = provider.last_beat, provider.bond > 0
        before = last.load if last is not None and last.slot == slot - 1 else 0
        weight = beat_weight(self.load, before, bonded=bonded, opened=bool(self.opened))
        return SentBeat(slot, height, self.root, self.load, weight, self.amount, int(bonded))


def answer_work(model: MarketModel) -> int:
    """Multiply-accumulates of one load answer of a model: a ticket of one sequence."""
    return reference_work(replace(model.puzzle, sequences=1), model.entry)


def _required(records: MarketLedger, height: int) -> bytes:
    beacon = records.beacon(height)
    if beacon is None:
        raise KeyError(f"the state lacks the beacon of the drawn height {height}")
    return beacon
