"""The deliveries under way, with what they take: slots, peers that are asked, works that wait."""

from collections.abc import Mapping

from esper.p2p.actions import Ask, Cancel
from esper.p2p.peer import PeerNumber
from esper.p2p.relay.blocks.announces import RelayPeer
from esper.p2p.relay.blocks.delivery import Delivery, Key, Part, Slot
from esper.p2p.relay.blocks.fetch_plan import Choice
from esper.p2p.relay.blocks.works import Work, Works
from esper.p2p.wire.talk_messages import PART_BODY, GetBlock, GetBlocks, GetBlockTxs


class Deliveries:
    """Begins and ends deliveries, and asks for their parts."""

    def __init__(self, peers: Mapping[PeerNumber, RelayPeer]) -> None:
        """``peers`` is the relay's own and read whenever it is needed."""
        self._peers = peers
        self._serial = 0
        self.works = Works()
        """What they deliver."""
        self.by_serial: dict[int, Delivery] = {}
        """All of them."""

    def begin(self, work: Work, choice: Choice, slot: Slot, now: int) -> Delivery:
        """A delivery that takes its slot and its peer from now on."""
        self._serial += 1
        asked = choice.asked
        delivery = Delivery(self._serial, choice.candidate, asked.peer.number, slot, now, now)
        self.by_serial[delivery.serial] = delivery
        work.deliveries.append(delivery.serial)
        asked.fetching = asked.turn = delivery.serial
        return delivery

    def of(self, work: Work) -> list[Delivery]:
        """Those of a work, the oldest first."""
        return [self.by_serial[serial] for serial in work.deliveries]

    def ask(self, delivery: Delivery, number: PeerNumber, part: Part) -> Ask:
        """Asks a peer for a part."""
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

    def release(self, number: PeerNumber, delivery: Delivery) -> None:
        """A peer may be asked for something else, unless it still owes a part of this one."""
        peer = self._peers.get(number)
        if peer is None or number in delivery.open.values():
            return
        if peer.push == delivery.serial:
            if delivery.serial in self.by_serial:
                return
            peer.push = None
        if peer.fetching == delivery.serial:
            peer.fetching = None

    def drop(self, delivery: Delivery) -> list[Cancel]:
        """Takes back what is asked, and gives its room free."""
        cancels = [
            Cancel(number, Key(part, delivery.serial)) for part, number in delivery.open.items()
        ]
        involved = (delivery.source, *delivery.open.values())
        delivery.open = {}
        del self.by_serial[delivery.serial]
        for number in involved:
            self.release(number, delivery)
        work = self.works.get(delivery.candidate.work_id)
        if work is not None:
            work.deliveries.remove(delivery.serial)
            work.judging = None if work.judging == delivery.serial else work.judging
            work.held = None if work.held == delivery.serial else work.held
        return cancels

    def drop_all(self, work: Work) -> list[Cancel]:
        """Ends all deliveries of a work."""
        return [cancel for one in self.of(work) for cancel in self.drop(one)]

    def settle(self, work: Work) -> list[Cancel]:
        """A work is proven: nothing of it is fetched any more."""
        cancels = self.drop_all(work)
        self.works.settle(work.work_id)
        return cancels

    def give_up(self, delivery: Delivery) -> list[Cancel]:
        """Its source does not deliver this work."""
        cancels = self.drop(delivery)
        self.works.withdraw(delivery.source, delivery.candidate.work_id)
        self.tidy(self.works.get(delivery.candidate.work_id))
        return cancels

    def ask_for_parts(self, delivery: Delivery) -> list[Ask | Cancel]:
        """Asks for what is missing: its source first, then whoever else has the block.

        Where nobody is left who has not failed, the work is forgotten.
        """
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
                return [self.ask(delivery, number, part)]
        if able:
            return []
        cancels = self.drop(delivery)
        self.works.drop_id(delivery.candidate)
        self.tidy(self.works.get(delivery.candidate.work_id))
        return list(cancels)

    def tidy(self, work: Work | None) -> None:
        """Forgets ids of a work that nobody has any more."""
        if work is not None:
            in_use = {one.candidate.block_id for one in self.of(work)}
            self.works.forget_what_nobody_has(work, in_use)
