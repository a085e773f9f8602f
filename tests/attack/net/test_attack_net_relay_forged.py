"""Attacks on the relay of blocks: forged proofs, fake siblings, states that are wrong.

In each an honest block reaches the node in the time that the page promises, nobody honest is
blamed, and what strangers fill stays within its bounds: the network page, section 15.
"""

from esper.p2p.actions import End
from esper.p2p.faults import Offence
from esper.p2p.limits import (
    ANNOUNCE_BURST,
    PROOF_BURST,
    PROOFS_PER_S_IN_ALL,
    WAIT_FOR_OUTBOUND_MS,
    WORKS_OF_A_PEER,
)
from tests.support.net.relay_attacks import answer_with_header, drip
from tests.support.net.relay_world import GENESIS, RelayWorld, fake_sibling, fake_work, made_on


class TestForged:
    def test_a_forged_proof_bans_all_who_said_they_had_proven_it(self) -> None:
        world = RelayWorld()
        liar, second, honest = world.outbound(3)
        made = made_on(GENESIS)
        header = fake_work(made, 1)
        world.announce(liar, header)
        world.announce(second, header)
        answer_with_header(world, liar, made, header, made.data.proof)
        world.work()
        assert world.offences() == [(liar, Offence.FORGED), (second, Offence.FORGED)]
        world.announce(honest, made)
        world.serve(honest, made)
        assert world.has(made)

    def test_a_forged_id_is_never_fetched_again(self) -> None:
        world = RelayWorld()
        liar, late = world.outbound(2)
        made = made_on(GENESIS)
        header = fake_work(made, 1)
        world.announce(liar, header)
        answer_with_header(world, liar, made, header, made.data.proof)
        world.work()
        asked = len(world.asked)
        world.announce(late, header)
        assert len(world.asked) == asked
        assert (late, Offence.FORGED) in world.offences()

    def test_no_list_is_looked_at_before_the_work(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        made = made_on(GENESIS, "alice")
        header = fake_work(made, 1)
        world.announce(liar, header)
        answer_with_header(world, liar, made, header, made.data.proof)
        world.work()
        assert world.lists == []

    def test_header_spam_is_ignored_beyond_one_a_second(self) -> None:
        world = RelayWorld()
        [spammer] = world.inbound(1)
        looked_at = 0
        check = world.chain.check_header

        def counting(*given: object) -> None:
            nonlocal looked_at
            looked_at += 1
            check(*given)  # type: ignore[arg-type]

        world.chain.check_header = counting  # type: ignore[method-assign,assignment]
        made = made_on(GENESIS)
        for number in range(500):
            world.announce(spammer, fake_work(made, number))
        assert looked_at == ANNOUNCE_BURST
        assert world.relay.statistics().works <= WORKS_OF_A_PEER

    def test_a_peer_is_asked_for_no_more_proofs_than_its_budget(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        made = made_on(GENESIS)
        seconds = 30
        for number in range(seconds * 10):
            world.announce(liar, fake_work(made, number))
            for one, key in tuple(world.asks):
                world.end(one, key, End.REFUSED)
            world.pass_ms(100)
        assert len(world.asked) <= PROOF_BURST + 2 * seconds

    def test_inbound_peers_leave_a_third_of_all_proofs_to_outbound(self) -> None:
        world = RelayWorld()
        world.outbound(1)
        made = made_on(GENESIS)
        number = 0
        for liar in world.inbound(12):
            for _ in range(4):
                number += 1
                world.announce(liar, fake_work(made, number))
        world.now += WAIT_FOR_OUTBOUND_MS
        world.do(world.relay.on_time(world.now))
        while world.asks:
            for one, key in tuple(world.asks):
                world.end(one, key, End.REFUSED)
        most = PROOFS_PER_S_IN_ALL - PROOFS_PER_S_IN_ALL // 3 + 3
        asked = len(world.asked)
        assert 12 < asked <= most
        # The others wait for what comes in again.
        assert world.relay.statistics().works > 0
        due = world.relay.due()
        assert due is not None
        assert due <= world.now + 100
        world.pass_ms(100)
        assert len(world.asked) > asked
        honest = world.peer(outbound=True)
        world.announce(honest, made)
        world.serve(honest, made)
        assert world.has(made)


class TestSibling:
    def test_a_fake_sibling_first_does_not_hide_the_block(self) -> None:
        world = RelayWorld()
        liar, honest = world.outbound(2)
        made = made_on(GENESIS, "alice")
        header = fake_sibling(made, 1)
        world.announce(liar, header)
        world.announce(honest, made)
        assert world.asked_of() == [liar]
        answer_with_header(world, liar, made, header, made.data.proof)
        world.work()
        assert (liar, Offence.BYTES) in world.offences()
        assert world.asked_of() == [honest]
        world.serve(honest, made)
        assert world.has(made)

    def test_43_fakes_of_one_work_cost_no_more_than_a_second(self) -> None:
        world = RelayWorld()
        made = made_on(GENESIS, "alice")
        for number, liar in enumerate(world.inbound(32)):
            world.announce(liar, fake_sibling(made, number))
        [honest] = world.outbound(1)
        world.announce(honest, made)
        drip(world, 1_000)
        assert honest in world.asked_of()
        world.serve(honest, made)
        assert world.has(made)
        assert world.relay.statistics().works == 0

    def test_a_peer_names_one_id_of_a_work(self) -> None:
        world = RelayWorld()
        [liar] = world.inbound(1)
        made = made_on(GENESIS)
        for number in range(10):
            world.announce(liar, fake_sibling(made, number))
        assert world.relay.statistics().ids == 1

    def test_a_proven_work_has_no_other_id_fetched(self) -> None:
        world = RelayWorld()
        honest, other = world.outbound(2)
        made = made_on(GENESIS)
        world.announce(honest, made)
        world.serve(honest, made)
        asked = len(world.asked)
        world.announce(other, fake_sibling(made, 1))
        world.pass_ms(5000)
        assert len(world.asked) == asked
        assert world.offences() == []


class TestBadState:
    def test_the_maker_pays_and_no_carrier(self) -> None:
        world = RelayWorld()
        giver, listener = world.outbound(2)
        made = made_on(GENESIS, spoil="root")
        world.failing.add(made.block_id)
        world.announce(giver, made)
        world.serve(giver, made)
        assert world.announced_to(made) == [listener]
        assert world.offences() == []
        # Its like is not asked for again, and who announces it is not blamed.
        asked = len(world.asked)
        world.announce(listener, made)
        assert len(world.asked) == asked
        assert world.offences() == []

    def test_who_announces_a_block_that_sync_found_bad_is_not_blamed(self) -> None:
        world = RelayWorld()
        [giver] = world.outbound(1)
        made = made_on(GENESIS, spoil="root")
        world.chain.invalid.add(made.block_id)
        world.announce(giver, made)
        assert world.offences() == []
        assert world.asked == []

    def test_a_block_on_top_blames_nobody_soon_after_and_other_rules_later(self) -> None:
        world = RelayWorld()
        giver, listener = world.outbound(2)
        made = made_on(GENESIS, spoil="root")
        child = made_on(made)
        world.failing.add(made.block_id)
        world.announce(giver, made)
        world.serve(giver, made)
        world.announce(listener, child)
        assert world.offences() == []
        world.pass_ms(60_000)
        world.announce(listener, child)
        assert world.offences() == [(listener, Offence.OTHER_RULES)]
