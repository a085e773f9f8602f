"""Lies about time and floods of tiers: what they gain over telling the truth."""

import random
from dataclasses import replace

import pytest

from esper.consensus.difficulty import Anchor, asert_target, child_target, next_anchor
from esper.consensus.genesis import genesis_hash
from esper.consensus.registry import genesis_registry
from esper.consensus.tiers import TierState, close_window
from esper.crypto.signatures import SCHEMES, verify
from esper.dao.registry import ONE
from esper.primitives.errors.header_errors import TierViolation
from esper.primitives.networks import DEVNET, MAINNET, REGTEST, TESTNET
from esper.primitives.params import DifficultyParameters, NetworkParameters
from esper.vm.payload import Output
from esper.vm.transfer import Transfer
from tests.support.fake_work import fake_network
from tests.support.vm_world import ALICE, BOB, COIN, GENESIS, address, make, sign


def target_after(times: list[int], rules: DifficultyParameters) -> int:
    """Base target of the block after a chain with these times, from height 1 on."""
    anchor: Anchor | None = None
    for height, time_ms in enumerate(times, 1):
        anchor = next_anchor(anchor, height, time_ms, rules)
    return child_target(anchor, len(times), times[-1], rules)


@pytest.mark.parametrize("network", [DEVNET, TESTNET])
@pytest.mark.parametrize("lie", ["boundary late", "boundary early", "all but last early"])
def test_lies_about_boundaries_leave_nothing_behind(network: NetworkParameters, lie: str) -> None:
    # The anchor takes the liar's time and the target that goes with it, so that an honest time
    # afterwards brings the honest target back: there is no gap between two windows to widen.
    rules = network.difficulty
    count = 6 * rules.window + 5
    honest = [1_000_000_000 + rules.spacing_ms * height for height in range(1, count + 1)]
    lies = {
        # At the first boundary nothing can be late: the next test is about that one.
        "boundary late": lambda h, t: (
            t + 60_000 if h % rules.window == 0 and h > rules.window else t
        ),
        "boundary early": lambda h, t: t - 5 * rules.spacing_ms if h % rules.window == 0 else t,
        "all but last early": lambda h, t: t - 5 * rules.spacing_ms if h < count else t,
    }
    told = [lies[lie](height, time) for height, time in enumerate(honest, 1)]
    true_target, lied_target = target_after(honest, rules), target_after(told, rules)
    if lie == "all but last early":
        # The first block is the first anchor: its lie shifts all that follows by five spacings.
        assert lied_target > true_target
        told[0] = honest[0]
        lied_target = target_after(told, rules)
    # The cubic is off by 0.013 % at most at each of the six boundaries.
    assert abs(lied_target - true_target) * 1000 <= true_target


def test_a_first_block_that_lies_about_its_time_eases_nothing() -> None:
    """A network that starts a day late, as its first block says or as it is."""
    rules = MAINNET.difficulty
    day_ms = 86_400_000
    lied = [1_000_000_000]
    lied += [1_000_000_000 + day_ms + rules.spacing_ms * n for n in range(1, rules.window + 3)]
    for count in range(1, len(lied) + 1):
        assert target_after(lied[:count], rules) <= rules.genesis_target
    # Without the cap of the first window the day would be caught up with: 21 times as easy.
    late = Anchor(1, lied[0], rules.genesis_target)
    assert asert_target(late, 2, lied[1], rules) > 20 * rules.genesis_target
    # From the boundary on lateness counts again, measured from there.
    slow = [*lied, lied[-1] + 10 * rules.half_life_blocks * rules.spacing_ms]
    assert target_after(slow, rules) > 200 * rules.genesis_target


def test_a_first_boundary_that_lies_about_being_late_makes_it_harder_once() -> None:
    rules = DEVNET.difficulty
    honest = [1_000_000_000 + rules.spacing_ms * height for height in range(1, rules.window + 20)]
    told = [t + 60_000 if h == rules.window else t for h, t in enumerate(honest, 1)]
    true_target, lied_target = target_after(honest, rules), target_after(told, rules)
    # What is late there is forgiven, not kept: whoever lies gains nothing, and the chain is a
    # minute behind from then on, no more.
    assert lied_target < true_target
    made_good = [*told[:-1], told[-1] + 60_000]
    assert abs(target_after(made_good, rules) - true_target) * 1000 <= true_target


def test_a_time_of_the_limit_eases_one_block_by_little() -> None:
    for network in (MAINNET, TESTNET, DEVNET):
        rules = network.difficulty
        times = [1_000_000_000 + rules.spacing_ms * height for height in range(1, 11)]
        honest = target_after(times, rules)
        late = target_after([*times[:-1], times[-1] + rules.future_limit_ms], rules)
        # A minute over the half-life: 0.2 % on mainnet, 15 % on devnet, paid back next.
        gain = rules.future_limit_ms / (rules.half_life_blocks * rules.spacing_ms)
        assert honest <= late <= honest * 2**gain * 1.001
        paid = target_after([*times, times[-1] + rules.spacing_ms], rules)
        lied = target_after(
            [*times[:-1], times[-1] + rules.future_limit_ms, times[-1] + rules.spacing_ms], rules
        )
        assert lied == paid


def test_a_tier_that_is_not_there_is_refused_at_any_number() -> None:
    registry = genesis_registry(fake_network(REGTEST))
    state = TierState.of(registry)
    for number in (1, 7, 255):
        with pytest.raises(TierViolation):
            registry.tier(number)
        with pytest.raises(TierViolation):
            state.counted(number)


def test_one_tier_alone_gains_nothing_from_its_windows() -> None:
    registry = genesis_registry(fake_network(REGTEST))
    state = TierState.of(registry)
    for blocks in (1, 30, 1000):
        for _ in range(blocks):
            state = state.counted(0)
        state = close_window(registry, state)
        assert [(tally.multiplier, tally.blocks) for tally in state.tallies] == [(ONE, 0)]


@pytest.mark.parametrize("suite", sorted(SCHEMES))
def test_junk_keys_and_signatures_are_only_false(suite: int) -> None:
    rng, scheme = random.Random(suite), SCHEMES[suite]
    sizes = (scheme.key_bytes, scheme.signature_bytes)
    for _ in range(40):
        key, signature = (rng.randbytes(size) for size in sizes)
        assert not verify(suite, key, bytes(64), signature)
    for filler in (b"\0", b"\xff"):
        assert not verify(suite, filler * sizes[0], bytes(64), filler * sizes[1])
    for key_bytes, signature_bytes in ((0, 0), (1, 1), (sizes[0] + 1, sizes[1]), sizes[::-1]):
        assert not verify(suite, bytes(key_bytes), bytes(64), bytes(signature_bytes))


def test_signatures_are_of_one_network_and_one_form() -> None:
    signed = sign(ALICE, make(ALICE, Transfer((Output(address(BOB), COIN),)), 0))
    digest = signed.signing_digest(GENESIS)
    assert verify(1, ALICE.public, digest, signed.signature)
    for network in (MAINNET, TESTNET, DEVNET):
        other = signed.signing_digest(genesis_hash(network))
        assert not verify(1, ALICE.public, other, signed.signature)
    # No other bytes of the signature are accepted: nobody can give a transaction a second wtxid.
    for place in range(0, len(signed.signature), 97):
        flipped = bytearray(signed.signature)
        flipped[place] ^= 1
        assert not verify(1, ALICE.public, digest, bytes(flipped))
    # The key is signed too: leaving it out is another transaction.
    bare = replace(signed, key=b"")
    assert bare.txid != signed.txid
    assert not verify(1, ALICE.public, bare.signing_digest(GENESIS), signed.signature)
