"""Fetching announced blocks: from the first announcement of a work until one of its ids is proven.

    wanted -> asked -> compact, proof -> CheckWork -> transactions -> CheckLists -> proven

A work's other deliveries end when a proof holds. What is missing then is asked of everybody who has
the same id, so who proves a block and holds back its transactions gains nothing. The network page,
section 6, steps 2 to 5.
"""

from collections.abc import Mapping

from esper.p2p.actions import Ask, Blame, Cancel, End
from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import PeerNumber
from esper.p2p.relay.blocks.announces import RelayPeer
from esper.p2p.relay.blocks.assembly import Assembly, Lookup, OnProven, Output
from esper.p2p.relay.blocks.deliveries import Deliveries
from esper.p2p.relay.blocks.delivery import Delivery, Key, Part, Slot
from esper.p2p.relay.blocks.fetch_plan import Choice, FetchPlan
from esper.p2p.relay.blocks.header_gate import HeaderGate
from esper.p2p.relay.blocks.preference import Preference
from esper.p2p.relay.blocks.works import Candidate, Work, Works
from esper.p2p.wire.bulk_messages import BlockTxs, BodyOf, Compact, Proof
from esper.p2p.wire.messages import Answer
from esper.p2p.wire.talk_messages import Refuse
from esper.primitives.ids import WorkId


class Fetching:
    """The works that are wanted and the deliveries under way."""

    def __init__(
        self,
        limits: NetworkLimits,
        peers: Mapping[PeerNumber, RelayPeer],
        gate: HeaderGate,
        preference: Preference,
        lookup: Lookup,
        on_proven: OnProven,
    ) -> None:
        """``peers`` is the relay's own and read whenever it is needed."""
        self._gate = gate
        self._preference = preference
        self._deliveries = Deliveries(peers)
        self._assembly = Assembly(
            limits, peers, self._deliveries, gate, preference, lookup, on_proven
        )
        self._plan = FetchPlan(peers, self._deliveries.by_serial)

    @property
    def works(self) -> Works:
        """Those that are wanted, and those that are settled."""
        return self._deliveries.works

    @property
    def under_way(self) -> tuple[Delivery, ...]:
        """The deliveries of now, the oldest first."""
        return tuple(self._deliveries.by_serial.values())

    # What comes in.

    def announced(self, asked: RelayPeer, candidate: Candidate) -> None:
        """A peer has a block that may be fetched."""
        if self.works.has_room(asked.peer.number, candidate.work_id):
            self.works.announce(asked.peer.number, candidate)

    def pushed(
        self, asked: RelayPeer, candidate: Candidate, compact: Compact, now: int
    ) -> list[Output]:
        """A peer that was told to pushes a block that was announced just now."""
        work = self.works.get(candidate.work_id)
        named = self.works.candidate(candidate.block_id)
        number = asked.peer.number
        if (
            work is None
            or named is None
            or number not in named.announcers
            or work.held is not None
            or asked.fetching is not None
            or not self._plan.has_slot(Slot.PUSH)
            or not self._plan.pay(asked, now)
        ):
            return []
        delivery = self._deliveries.begin(work, Choice(asked, named), Slot.PUSH, now)
        asked.push = delivery.serial
        try:
            return self._assembly.take_compact(delivery, compact, now)
        except Fault as fault:
            return [Blame(number, fault.offence, fault.reason), *self._assembly.fail(delivery)]

    def pushed_proof(self, asked: RelayPeer, proof: Proof, now: int) -> list[Output]:
        """The proof behind a pushed compact block."""
        delivery = self._deliveries.by_serial.get(asked.push or 0)
        asked.push = None
        if delivery is None:
            return []
        if asked.fetching == delivery.serial and asked.peer.number not in delivery.open.values():
            asked.fetching = None
        try:
            return self._assembly.take_proof(delivery, proof, now)
        except Fault as fault:
            return [
                Blame(asked.peer.number, fault.offence, fault.reason),
                *self._assembly.fail(delivery),
            ]

    def answered(
        self, number: PeerNumber, key: Key, answer: Answer | Refuse, now: int
    ) -> list[Output]:
        """An answer to a request of ours."""
        delivery = self._deliveries.by_serial.get(key.serial)
        if delivery is None or delivery.open.get(key.part) != number:
            return []
        try:
            match key.part, answer:
                case Part.BLOCK, Compact():
                    return self._assembly.take_compact(delivery, answer, now)
                case Part.BLOCK, Proof():
                    return self._assembly.take_proof(delivery, answer, now)
                case Part.TRANSACTIONS, BlockTxs():
                    return self._assembly.take_transactions(delivery, answer, now)
                case Part.BODY, BodyOf():
                    return self._assembly.take_body(delivery, answer, now)
                case _:
                    return []
        except Fault as fault:
            blame = Blame(number, fault.offence, fault.reason)
            if key.part is Part.BLOCK:
                return [blame, *self._assembly.fail(delivery)]
            del delivery.open[key.part]
            return [blame, Cancel(number, key), *self._assembly.without_parts(delivery, number)]

    def ended(self, number: PeerNumber, key: Key, end: End) -> list[Output]:
        """A request of ours ended."""
        delivery = self._deliveries.by_serial.get(key.serial)
        if delivery is None or delivery.open.get(key.part) != number:
            return []
        del delivery.open[key.part]
        self._deliveries.release(number, delivery)
        if key.part is Part.BLOCK:
            return [] if delivery.can_be_proven else self._assembly.fail(delivery)
        if delivery.transactions is not None:
            return []
        return self._assembly.without_parts(delivery, number)

    def left(self, number: PeerNumber) -> list[Output]:
        """A peer is gone; it is no longer among ``peers``."""
        named = self.works.named_by(number)
        for work_id in named:
            self.works.withdraw(number, work_id)
        found: list[Output] = []
        for delivery in self.under_way:
            delivery.open = {
                part: asked for part, asked in delivery.open.items() if asked != number
            }
            if delivery.source == number and not delivery.can_be_proven:
                found += self._assembly.fail(delivery)
        for work_id in named:
            self._deliveries.tidy(self.works.get(work_id))
        return found

    def done(self, key: Key, value: object, now: int) -> list[Output]:
        """A job of ours came back."""
        delivery = self._deliveries.by_serial.get(key.serial)
        if delivery is None:
            return []
        if key.part is Part.WORK:
            return self._assembly.work_judged(delivery, value)
        return self._assembly.lists_judged(delivery, value, now)

    def on_time(self, now: int) -> list[Output]:
        """Ends pushes that took too long."""
        found: list[Output] = []
        for delivery in self.under_way:
            if delivery.is_push and delivery.proof is None and now >= delivery.deadline_ms:
                source = delivery.source
                found.append(Blame(source, Offence.LATE_ANSWER, "a pushed block without its proof"))
                found += self._preference.lose(source, now)
                found += self._assembly.fail(delivery)
        return found

    def start(self, now: int) -> list[Output]:
        """Asks for what may be asked for now."""
        found: list[Output] = []
        for work in self._plan.ordered(self.works, now):
            choice = self._plan.choice(work, now)
            if choice is None:
                continue
            if self._gate.is_proven(choice.candidate.block_id):
                # It came by sync meanwhile.
                found += self._deliveries.settle(work)
            elif self._plan.pay(choice.asked, now):
                found.append(self._ask_block(work, choice, now))
        for delivery in self.under_way:
            if delivery.is_held and not delivery.lists_judged and delivery.transactions is None:
                found += self._deliveries.ask_for_parts(delivery)
        return found

    def due(self) -> int | None:
        """When time alone changes something."""
        pushes = [one.deadline_ms for one in self.under_way if one.is_push and one.proof is None]
        return min([*pushes, *([] if self._plan.due is None else [self._plan.due])], default=None)

    def settle(self, work_id: WorkId) -> list[Output]:
        """A work was proven without us."""
        work = self.works.get(work_id)
        found: list[Output] = [] if work is None else list(self._deliveries.settle(work))
        self.works.settle(work_id)
        return found

    def _ask_block(self, work: Work, choice: Choice, now: int) -> Ask:
        slot = Slot.OUTBOUND if choice.asked.peer.outbound else Slot.INBOUND
        delivery = self._deliveries.begin(work, choice, slot, now)
        return self._deliveries.ask(delivery, delivery.source, Part.BLOCK)
