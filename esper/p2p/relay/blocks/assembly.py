"""Putting a block together from its parts, and judging it.

    compact, proof -> CheckWork -> transactions, by prefix or asked for -> CheckLists -> proven

The network page, section 6, steps 4 and 5.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from esper.p2p.actions import Action, Blame
from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import CheckLists, CheckWork, Job, Proven
from esper.p2p.relay.blocks.announces import RelayPeer
from esper.p2p.relay.blocks.deliveries import Deliveries
from esper.p2p.relay.blocks.delivery import Delivery, Key, Part
from esper.p2p.relay.blocks.header_gate import HeaderGate
from esper.p2p.relay.blocks.preference import Preference
from esper.p2p.relay.blocks.works import Candidate, Work
from esper.p2p.relay.compact import BlockParts, Filling, check_roots, read_whole_body
from esper.p2p.relay.relay_actions import ToSync
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import BlockTxs, BodyOf, Compact, Proof
from esper.primitives.errors.block_errors import SizeViolation, TransactionRootViolation

Output = Action | Job | ToSync
"""What the relay returns."""

Lookup = Callable[[bytes], Sequence[bytes]]
"""All different transactions of a prefix that are here."""

OnProven = Callable[[Delivery, Proven, BlockParts, int], list[Output]]
"""What follows when a block is proven, at a time."""


class Assembly:
    """What becomes of the parts that deliveries bring."""

    def __init__(
        self,
        limits: NetworkLimits,
        peers: Mapping[PeerNumber, RelayPeer],
        deliveries: Deliveries,
        gate: HeaderGate,
        preference: Preference,
        lookup: Lookup,
        on_proven: OnProven,
    ) -> None:
        """``peers`` and ``deliveries`` are the relay's own."""
        self._limits = limits
        self._peers = peers
        self._deliveries = deliveries
        self._works = deliveries.works
        self._gate = gate
        self._preference = preference
        self._lookup = lookup
        self._on_proven = on_proven

    def take_compact(self, delivery: Delivery, compact: Compact, now: int) -> list[Output]:
        """A compact block came: what is missing is asked for at once. Raises Fault."""
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
            found.append(self._deliveries.ask(delivery, delivery.source, Part.TRANSACTIONS))
        return [*found, *self._judge_work(candidate)]

    def take_proof(self, delivery: Delivery, proof: Proof, now: int) -> list[Output]:
        """A proof came. Raises Fault."""
        if proof.block_id != delivery.candidate.block_id:
            raise Fault(Offence.BYTES, "the proof of another block")
        delivery.proof, delivery.last_byte_ms = proof.proof, now
        return self._judge_work(delivery.candidate)

    def take_transactions(self, delivery: Delivery, answer: BlockTxs, now: int) -> list[Output]:
        """Missing transactions came. Raises Fault."""
        assert delivery.filling is not None
        delivery.filling.take(answer.transactions)
        delivery.last_byte_ms = now
        return self._judge_lists(delivery)

    def take_body(self, delivery: Delivery, answer: BodyOf, now: int) -> list[Output]:
        """A whole body came. Raises Fault."""
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
        work = self._works.get(candidate.work_id)
        if work is None or work.judging is not None or work.held is not None:
            return []
        for delivery in self._deliveries.of(work):
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

    def work_judged(self, delivery: Delivery, value: object) -> list[Output]:
        """CheckWork came back."""
        work = self._works.get(delivery.candidate.work_id)
        if work is None:
            return []
        work.judging = None
        if isinstance(value, Failure):
            return self._refused(delivery, work, value, delivery.source)
        delivery.is_held, work.held = True, delivery.serial
        others = [one for one in self._deliveries.of(work) if one is not delivery]
        found: list[Output] = [action for one in others for action in self._deliveries.drop(one)]
        found += self._judge_lists(delivery)
        if not delivery.lists_judged:
            found += self._deliveries.ask_for_parts(delivery)
        return found

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

    def lists_judged(self, delivery: Delivery, value: object, now: int) -> list[Output]:
        """CheckLists came back."""
        work = self._works.get(delivery.candidate.work_id)
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
            return [*found, *self._deliveries.ask_for_parts(delivery)]
        delivery.body = None
        blame = Blame(giver, Offence.BYTES, "a body whose transactions are another block's")
        return [blame, *self.without_parts(delivery, giver)]

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
        found = self._deliveries.settle(work)
        return [*found, *self._on_proven(delivery, proven, parts, now)]

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
            for one in self._deliveries.of(work):
                if one.candidate is candidate:
                    found += self._deliveries.drop(one)
            self._works.drop_id(candidate)
            if delivery.is_held and failure.rule != SizeViolation.__name__:
                # The work fixes its lists: no other id of it is any better.
                return [*found, *self._deliveries.settle(work)]
            work.held = None
            self._deliveries.tidy(work)
            return [*found, *self._judge_work(candidate)]
        if failure.offence is not None:
            blame = Blame(giver, failure.offence, failure.reason)
            return [blame, *self.fail(delivery)]
        # Our own trouble, or a sibling of a block whose state failed: nobody is blamed.
        cancels = self._deliveries.drop_all(work)
        self._works.forget(work)
        return list(cancels)

    def fail(self, delivery: Delivery) -> list[Output]:
        """This delivery comes to nothing; the next one's turn."""
        candidate = delivery.candidate
        found = self._deliveries.give_up(delivery)
        return [*found, *self._judge_work(candidate)]

    def without_parts(self, delivery: Delivery, number: PeerNumber) -> list[Output]:
        """A peer does not give what is missing."""
        delivery.failed.add(number)
        self._deliveries.release(number, delivery)
        return list(self._deliveries.ask_for_parts(delivery)) if delivery.is_held else []
