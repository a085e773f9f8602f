"""Fetching announced blocks: from the first announcement of a work until one of its ids is proven.

    wanted -> asked -> compact, proof -> CheckWork -> transactions -> CheckLists -> proven

A work's other deliveries end when a proof holds. What is missing then is asked of everybody who has
the same id, so who proves a block and holds back its transactions gains nothing. The network page,
section 6, steps 2 to 5.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from esper.p2p.actions import Action, Ask, Blame, Cancel, End
from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import CheckLists, CheckWork, Job, Proven
from esper.p2p.relay.announces import RelayPeer
from esper.p2p.relay.compact import BlockParts, Filling, check_roots, read_whole_body
from esper.p2p.relay.delivery import Delivery, Key, Part, Slot
from esper.p2p.relay.fetch_plan import Choice, FetchPlan
from esper.p2p.relay.header_gate import HeaderGate
from esper.p2p.relay.preference import Preference
from esper.p2p.relay.relay_actions import ToSync
from esper.p2p.relay.works import Candidate, Work, Works
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import BlockTxs, BodyOf, Compact, Proof
from esper.p2p.wire.messages import Answer
from esper.p2p.wire.talk_messages import PART_BODY, GetBlock, GetBlocks, GetBlockTxs, Refuse
from esper.primitives.errors.block_errors import SizeViolation, TransactionRootViolation
from esper.primitives.ids import WorkId

Output = Action | Job | ToSync
"""What the relay returns."""

Lookup = Callable[[bytes], Sequence[bytes]]
"""All different transactions of a prefix that are here."""

OnProven = Callable[[Delivery, Proven, BlockParts, int], list[Output]]
"""What follows when a block is proven, at a time."""


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
        self._limits = limits
        self._peers = peers
        self._gate = gate
        self._preference = preference
        self._lookup = lookup
        self._on_proven = on_proven
        self._serial = 0
        self.works = Works()
        self.deliveries: dict[int, Delivery] = {}
        """By serial."""
        self._plan = FetchPlan(peers, self.deliveries)

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
        delivery = self._begin(work, Choice(asked, named), Slot.PUSH, now)
        asked.push = delivery.serial
        try:
            return self._take_compact(delivery, compact, now)
        except Fault as fault:
            return [Blame(number, fault.offence, fault.reason), *self._fail(delivery)]

    def pushed_proof(self, asked: RelayPeer, proof: Proof, now: int) -> list[Output]:
        """The proof behind a pushed compact block."""
        delivery = self.deliveries.get(asked.push or 0)
        asked.push = None
        if delivery is None:
            return []
        if asked.fetching == delivery.serial and asked.peer.number not in delivery.open.values():
            asked.fetching = None
        try:
            return self._take_proof(delivery, proof, now)
        except Fault as fault:
            return [
                Blame(asked.peer.number, fault.offence, fault.reason),
                *self._fail(delivery),
            ]

    def answered(
        self, number: PeerNumber, key: Key, answer: Answer | Refuse, now: int
    ) -> list[Output]:
        """An answer to a request of ours."""
        delivery = self.deliveries.get(key.serial)
        if delivery is None or delivery.open.get(key.part) != number:
            return []
        try:
            match key.part, answer:
                case Part.BLOCK, Compact():
                    return self._take_compact(delivery, answer, now)
                case Part.BLOCK, Proof():
                    return self._take_proof(delivery, answer, now)
                case Part.TRANSACTIONS, BlockTxs():
                    return self._take_transactions(delivery, answer, now)
                case Part.BODY, BodyOf():
                    return self._take_body(delivery, answer, now)
                case _:
                    return []
        except Fault as fault:
            blame = Blame(number, fault.offence, fault.reason)
            if key.part is Part.BLOCK:
                return [blame, *self._fail(delivery)]
            del delivery.open[key.part]
            return [blame, Cancel(number, key), *self._without_parts(delivery, number)]

    def ended(self, number: PeerNumber, key: Key, end: End) -> list[Output]:
        """A request of ours ended."""
        delivery = self.deliveries.get(key.serial)
        if delivery is None or delivery.open.get(key.part) != number:
            return []
        del delivery.open[key.part]
        self._release(number, delivery)
        if key.part is Part.BLOCK:
            return [] if delivery.can_be_proven else self._fail(delivery)
        if delivery.transactions is not None:
            return []
        return self._without_parts(delivery, number)

    def left(self, number: PeerNumber) -> list[Output]:
        """A peer is gone; it is no longer among ``peers``."""
        named = self.works.named_by(number)
        for work_id in named:
            self.works.withdraw(number, work_id)
        found: list[Output] = []
        for delivery in tuple(self.deliveries.values()):
            delivery.open = {
                part: asked for part, asked in delivery.open.items() if asked != number
            }
            if delivery.source == number and not delivery.can_be_proven:
                found += self._fail(delivery)
        for work_id in named:
            self._tidy(self.works.get(work_id))
        return found

    def done(self, key: Key, value: object, now: int) -> list[Output]:
        """A job of ours came back."""
        delivery = self.deliveries.get(key.serial)
        if delivery is None:
            return []
        if key.part is Part.WORK:
            return self._work_judged(delivery, value)
        return self._lists_judged(delivery, value, now)

    def on_time(self, now: int) -> list[Output]:
        """Ends pushes that took too long."""
        found: list[Output] = []
        for delivery in tuple(self.deliveries.values()):
            if delivery.is_push and delivery.proof is None and now >= delivery.deadline_ms:
                source = delivery.source
                found.append(Blame(source, Offence.LATE_ANSWER, "a pushed block without its proof"))
                found += self._preference.lose(source, now)
                found += self._fail(delivery)
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
                found += self._settle(work)
            elif self._plan.pay(choice.asked, now):
                found.append(self._ask_block(work, choice, now))
        for delivery in tuple(self.deliveries.values()):
            if delivery.is_held and not delivery.lists_judged and delivery.transactions is None:
                found += self._ask_parts(delivery)
        return found

    def due(self) -> int | None:
        """When time alone changes something."""
        pushes = [
            one.deadline_ms for one in self.deliveries.values() if one.is_push and one.proof is None
        ]
        return min([*pushes, *([] if self._plan.due is None else [self._plan.due])], default=None)

    def settle(self, work_id: WorkId) -> list[Output]:
        """A work was proven without us."""
        work = self.works.get(work_id)
        found = [] if work is None else self._settle(work)
        self.works.settle(work_id)
        return found

    # Steps of a delivery.

    def _begin(self, work: Work, choice: Choice, slot: Slot, now: int) -> Delivery:
        self._serial += 1
        asked = choice.asked
        delivery = Delivery(self._serial, choice.candidate, asked.peer.number, slot, now, now)
        self.deliveries[delivery.serial] = delivery
        work.deliveries.append(delivery.serial)
        asked.fetching = asked.turn = delivery.serial
        return delivery

    def _ask_block(self, work: Work, choice: Choice, now: int) -> Ask:
        slot = Slot.OUTBOUND if choice.asked.peer.outbound else Slot.INBOUND
        delivery = self._begin(work, choice, slot, now)
        return self._ask(delivery, delivery.source, Part.BLOCK)

    def _ask(self, delivery: Delivery, number: PeerNumber, part: Part) -> Ask:
        block_id = delivery.candidate.block_id
        request: GetBlock | GetBlockTxs | GetBlocks = GetBlock(0, block_id)
        if part is Part.TRANSACTIONS:
            assert delivery.filling is not None
            request = GetBlockTxs(0, block_id, delivery.filling.missing)
        elif part is Part.BODY:
            request = GetBlocks(0, (block_id,), PART_BODY)
        delivery.open[part] = number
        self._peers[number].fetching = delivery.serial
        return Ask(number, Key(part, delivery.serial), request)

    def _take_compact(self, delivery: Delivery, compact: Compact, now: int) -> list[Output]:
        candidate = delivery.candidate
        if compact.header != candidate.data:
            raise Fault(Offence.BYTES, "a compact block with another header")
        filling = Filling(compact, self._lookup, self._limits.body)
        check_roots(compact.results, compact.groups, candidate.header)
        delivery.compact, delivery.filling, delivery.last_byte_ms = compact, filling, now
        found: list[Output] = []
        if filling.is_ambiguous:
            delivery.needs_body = True
            found += self._preference.lose(delivery.source, now)
        elif filling.missing:
            found.append(self._ask(delivery, delivery.source, Part.TRANSACTIONS))
        return [*found, *self._judge_work(candidate)]

    def _take_proof(self, delivery: Delivery, proof: Proof, now: int) -> list[Output]:
        if proof.block_id != delivery.candidate.block_id:
            raise Fault(Offence.BYTES, "the proof of another block")
        delivery.proof, delivery.last_byte_ms = proof.proof, now
        return self._judge_work(delivery.candidate)

    def _take_transactions(self, delivery: Delivery, answer: BlockTxs, now: int) -> list[Output]:
        assert delivery.filling is not None
        delivery.filling.take(answer.transactions)
        delivery.last_byte_ms = now
        return self._judge_lists(delivery)

    def _take_body(self, delivery: Delivery, answer: BodyOf, now: int) -> list[Output]:
        assert delivery.compact is not None
        candidate = delivery.candidate
        if answer.block_id != candidate.block_id:
            raise Fault(Offence.BYTES, "the body of another block")
        outputs = delivery.compact.outputs
        body = read_whole_body(answer.body, self._limits.body, outputs, candidate.header)
        delivery.body = body.transactions, delivery.open[Part.BODY]
        delivery.last_byte_ms = now
        return self._judge_lists(delivery)

    def _judge_work(self, candidate: Candidate) -> list[Output]:
        """One delivery of a work at a time: the first that holds ends the others."""
        work = self.works.get(candidate.work_id)
        if work is None or work.judging is not None or work.held is not None:
            return []
        for delivery in map(self.deliveries.__getitem__, work.deliveries):
            if delivery.compact is not None and delivery.proof is not None:
                work.judging = delivery.serial
                judged = delivery.candidate
                key = Key(Part.WORK, delivery.serial)
                return [
                    CheckWork(
                        key,
                        judged.header,
                        delivery.compact.outputs,
                        delivery.proof,
                        judged.parent,
                    )
                ]
        return []

    def _work_judged(self, delivery: Delivery, value: object) -> list[Output]:
        work = self.works.get(delivery.candidate.work_id)
        if work is None:
            return []
        work.judging = None
        if isinstance(value, Failure):
            return self._refused(delivery, work, value, delivery.source)
        delivery.is_held, work.held = True, delivery.serial
        others = [one for one in self._of(work) if one is not delivery]
        found: list[Output] = [action for one in others for action in self._drop(one)]
        found += self._judge_lists(delivery)
        return found if delivery.lists_judged else [*found, *self._ask_parts(delivery)]

    def _judge_lists(self, delivery: Delivery) -> list[Output]:
        transactions, compact = delivery.transactions, delivery.compact
        if not delivery.is_held or delivery.lists_judged or transactions is None:
            return []
        assert compact is not None
        assert delivery.proof is not None
        delivery.lists_judged = True
        candidate = delivery.candidate
        return [
            CheckLists(
                key=Key(Part.LISTS, delivery.serial),
                header=candidate.header,
                outputs=compact.outputs,
                proof=delivery.proof,
                transactions=transactions,
                results=compact.results,
                groups=compact.groups,
                parent=candidate.parent,
                received_ms=delivery.received_ms,
            )
        ]

    def _lists_judged(self, delivery: Delivery, value: object, now: int) -> list[Output]:
        work = self.works.get(delivery.candidate.work_id)
        if work is None:
            return []
        if not isinstance(value, Failure):
            return self._proven(delivery, work, cast(Proven, value), now)
        giver = delivery.source if delivery.body is None else delivery.body[1]
        if value.rule != TransactionRootViolation.__name__:
            return self._refused(delivery, work, value, giver)
        delivery.lists_judged = False
        delivery.needs_body = True
        if delivery.body is None:
            # A prefix may name another transaction: that is chance, or somebody's, not a lie.
            found: list[Output] = list(self._preference.lose(giver, now))
            return [*found, *self._ask_parts(delivery)]
        delivery.body = None
        blame = Blame(giver, Offence.BYTES, "a body whose transactions are another block's")
        return [blame, *self._without_parts(delivery, giver)]

    def _proven(self, delivery: Delivery, work: Work, proven: Proven, now: int) -> list[Output]:
        transactions, compact = delivery.transactions, delivery.compact
        assert transactions is not None
        assert compact is not None
        assert delivery.proof is not None
        candidate = delivery.candidate
        parts = BlockParts.of_lists(
            candidate.block_id,
            candidate.data,
            compact.outputs,
            delivery.proof,
            (transactions, compact.results, compact.groups),
        )
        for number in (*candidate.announcers, delivery.source):
            if number in self._peers:
                self._peers[number].learned(candidate.block_id)
        found = self._settle(work)
        return [*found, *self._on_proven(delivery, proven, parts, now)]

    # How deliveries end.

    def _refused(
        self, delivery: Delivery, work: Work, failure: Failure, giver: PeerNumber
    ) -> list[Output]:
        """Work or lists do not hold, or could not be looked at."""
        candidate = delivery.candidate
        if failure.offence is Offence.FORGED:
            self._gate.mark_forged(candidate.block_id, failure)
            liars = dict.fromkeys((*candidate.announcers, delivery.source))
            found: list[Output] = [
                Blame(number, Offence.FORGED, failure.reason) for number in liars
            ]
            for one in tuple(self._of(work)):
                if one.candidate is candidate:
                    found += self._drop(one)
            self.works.drop_id(candidate)
            if delivery.is_held and failure.rule != SizeViolation.__name__:
                # The work fixes its lists: no other id of it is any better.
                return [*found, *self._settle(work)]
            work.held = None
            self._tidy(work)
            return [*found, *self._judge_work(candidate)]
        if failure.offence is not None:
            blame = Blame(giver, failure.offence, failure.reason)
            return [blame, *self._fail(delivery)]
        # Our own trouble, or a sibling of a block whose state failed: nobody is blamed.
        found = [action for one in tuple(self._of(work)) for action in self._drop(one)]
        self.works.forget(work)
        return found

    def _fail(self, delivery: Delivery) -> list[Output]:
        """This delivery comes to nothing; the next one's turn."""
        candidate = delivery.candidate
        found: list[Output] = list(self._drop(delivery))
        self.works.withdraw(delivery.source, candidate.work_id)
        self._tidy(self.works.get(candidate.work_id))
        return [*found, *self._judge_work(candidate)]

    def _settle(self, work: Work) -> list[Output]:
        found: list[Output] = [
            action for one in tuple(self._of(work)) for action in self._drop(one)
        ]
        self.works.settle(work.work_id)
        return found

    def _drop(self, delivery: Delivery) -> list[Cancel]:
        """Takes back what is asked, and gives its room free."""
        cancels = [
            Cancel(number, Key(part, delivery.serial)) for part, number in delivery.open.items()
        ]
        involved = (delivery.source, *delivery.open.values())
        delivery.open = {}
        del self.deliveries[delivery.serial]
        for number in involved:
            self._release(number, delivery)
        work = self.works.get(delivery.candidate.work_id)
        if work is not None:
            work.deliveries.remove(delivery.serial)
            work.judging = None if work.judging == delivery.serial else work.judging
            work.held = None if work.held == delivery.serial else work.held
        return cancels

    def _release(self, number: PeerNumber, delivery: Delivery) -> None:
        peer = self._peers.get(number)
        if peer is None or number in delivery.open.values():
            return
        if peer.push == delivery.serial:
            if delivery.serial in self.deliveries:
                return
            peer.push = None
        if peer.fetching == delivery.serial:
            peer.fetching = None

    def _without_parts(self, delivery: Delivery, number: PeerNumber) -> list[Output]:
        """A peer does not give what is missing."""
        delivery.failed.add(number)
        self._release(number, delivery)
        return self._ask_parts(delivery) if delivery.is_held else []

    def _ask_parts(self, delivery: Delivery) -> list[Output]:
        """Asks for what is missing: the deliverer first, then whoever else has the block."""
        if Part.TRANSACTIONS in delivery.open or Part.BODY in delivery.open:
            return []
        able = [
            number
            for number in dict.fromkeys((delivery.source, *delivery.candidate.announcers))
            if number in self._peers and number not in delivery.failed
        ]
        for number in able:
            if self._peers[number].fetching in (None, delivery.serial):
                part = Part.BODY if delivery.needs_body else Part.TRANSACTIONS
                return [self._ask(delivery, number, part)]
        if able:
            return []
        work = self.works.get(delivery.candidate.work_id)
        found: list[Output] = list(self._drop(delivery))
        if work is not None:
            self.works.drop_id(delivery.candidate)
            self._tidy(work)
        return found

    def _tidy(self, work: Work | None) -> None:
        if work is not None:
            in_use = {one.candidate.block_id for one in self._of(work)}
            self.works.forget_what_nobody_has(work, in_use)

    def _of(self, work: Work) -> Iterator[Delivery]:
        return (self.deliveries[serial] for serial in tuple(work.deliveries))
