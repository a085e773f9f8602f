"""The address book put through what strangers tell and what dials meet, beside a plain model.

After every step each address stands once, in the place that the secret says, in one table; what was
never told is nowhere; nobody whom a dial reached, and who keeps answering, loses its slot; and
whatever is chosen may be dialled.
"""

from typing import ClassVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from esper.p2p.peers.address_files import BOOK, book_entries, kept_book
from esper.p2p.peers.book.address_book import MOST_TESTS, AddressBook
from esper.p2p.peers.book.address_table import Entry, Place, Places
from esper.p2p.peers.peer_address import PeerAddress
from esper.primitives.codec import decode, encode
from tests.support.net.peer_world import (
    MINUTE,
    NOW,
    PUBLIC,
    SECRET,
    address,
    known,
    peer_id,
    public_ip,
    seeded,
)

groups = st.integers(0, 5)
hosts = st.integers(1, 60)
addresses = st.builds(address, groups, hosts)


class BookMachine(RuleBasedStateMachine):
    """One book, and what must be true of it."""

    places: ClassVar[dict[tuple[bytes, bytes, bool], Place]] = {}
    """Found once for all runs."""

    @initialize(seed=st.integers(0, 99))
    def begin(self, seed: int) -> None:
        self.book = AddressBook(SECRET, PUBLIC)
        self.random = seeded(seed)
        self.told: set[bytes] = set()
        self.ids: dict[bytes, set[bytes]] = {}
        self.faithful: dict[bytes, bool] = {}
        """Endpoints in *tried* that never failed a dial since they came there."""
        self.now_ms = NOW
        self.now_min = MINUTE

    @rule(where=addresses, source=groups, age=st.integers(-100, 60_000))
    def tell(self, where: PeerAddress, source: int, age: int) -> None:
        before = self.book.find(where.endpoint)
        new = self.book.add(
            known(where, max(0, self.now_min - age)), public_ip(source), 1, self.now_min
        )
        assert new == (before is None and self.book.find(where.endpoint) is not None)
        self.told.add(where.endpoint)
        self.ids.setdefault(where.endpoint, set()).add(where.peer_id)

    @rule(group=groups, source=groups)
    def flood(self, group: int, source: int) -> None:
        for host in range(1, 80):
            self.tell(address(group, host), source, 200)

    @rule(where=addresses, value=st.integers(1, 9))
    def lie_about_an_id(self, where: PeerAddress, value: int) -> None:
        self.tell(PeerAddress(where.ip, where.port, peer_id(value)), 3, 200)

    def _dial(self) -> PeerAddress | None:
        tested = self.random.randrange(2)
        ask = self.book.feeler if tested else self.book.choose
        chosen = ask(self.now_ms, self.random)
        if chosen is not None:
            entry = self.book.find(chosen.endpoint)
            assert entry is not None
            assert entry.address == chosen
            assert entry.rests_until_ms <= self.now_ms
            self.book.dialling(chosen.endpoint, self.now_ms, self.random)
            assert entry.rests_until_ms > self.now_ms
        return chosen

    @rule()
    def reach(self) -> None:
        if (chosen := self._dial()) is not None:
            self.book.reached(chosen, 1, self.now_min)
            entry = self.book.find(chosen.endpoint)
            assert entry is not None
            assert (entry.failures, entry.rests_until_ms) == (0, 0)

    @rule()
    def fail(self) -> None:
        if (chosen := self._dial()) is not None:
            self.faithful.pop(chosen.endpoint, None)
            self.book.failed(chosen.endpoint, self.now_min)

    @rule(value=st.integers(1, 9))
    def meet_another(self, value: int) -> None:
        if (chosen := self._dial()) is not None:
            self.faithful.pop(chosen.endpoint, None)
            self.book.failed(chosen.endpoint, self.now_min)
            self.book.met_another(chosen, peer_id(value), self.now_min)
            self.ids[chosen.endpoint].add(peer_id(value))

    @rule(where=addresses)
    def forget(self, where: PeerAddress) -> None:
        self.faithful.pop(where.endpoint, None)
        self.book.remove(where.endpoint)
        assert self.book.find(where.endpoint) is None

    @rule(minutes=st.sampled_from([1, 60, 24 * 60, 40 * 24 * 60]))
    def wait(self, minutes: int) -> None:
        self.now_min += minutes
        self.now_ms += minutes * 60_000

    @rule()
    def restart(self) -> None:
        kept = kept_book(self.book)
        read = decode(BOOK.codec, encode(BOOK.codec, kept), limit=BOOK.limit, what="book")
        assert read == kept
        tried = {one.address for one in self.book.entries() if one.tried}
        book = AddressBook(read.secret, PUBLIC)
        assert book.restore(book_entries(read), self.now_min) == len(self.book)
        assert {one.address for one in book.entries() if one.tried} == tried
        self.book = book

    def _place(self, one: Entry) -> Place:
        key = (one.address.endpoint, one.source, one.tried)
        if key not in self.places:
            places = Places(SECRET)
            self.places[key] = places.in_tried(one) if one.tried else places.in_new(one)
        return self.places[key]

    @invariant()
    def each_stands_once_in_its_place(self) -> None:
        if not hasattr(self, "book"):
            return
        taken = set()
        for one in self.book.entries():
            assert self.book.find(one.address.endpoint) is one
            assert one.place == self._place(one)
            assert one.address.endpoint in self.told
            assert one.address.peer_id in self.ids[one.address.endpoint]
            taken.add((one.tried, one.place))
        told = self.book.statistics()
        assert len(taken) == len(self.book) == told.new + told.tried
        assert told.tests <= MOST_TESTS

    @invariant()
    def who_answers_keeps_its_slot(self) -> None:
        if not hasattr(self, "book"):
            return
        for endpoint in self.faithful:
            entry = self.book.find(endpoint)
            assert entry is not None
            assert entry.tried
        for one in self.book.entries():
            if one.tried and one.failures == 0:
                self.faithful.setdefault(one.address.endpoint, True)


TestBookMachine = BookMachine.TestCase
TestBookMachine.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
