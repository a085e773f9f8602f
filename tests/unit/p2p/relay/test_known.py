"""What is remembered of transactions, and for how long."""

from esper.p2p.limits import REFUSED_MS, REFUSED_PREFIXES
from esper.p2p.relay.known import Prefixes, RefusedPrefixes, is_call, prefix_of
from esper.primitives.codec import Array, Unsigned, encode
from esper.vm.llm_call import LlmCall
from esper.vm.transfer import Transfer


def _prefix(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_the_oldest_prefix_is_forgotten_first() -> None:
    prefixes = Prefixes(3)
    for number in (1, 2, 3, 1, 4):
        prefixes.add(_prefix(number))
    assert [number for number in range(6) if _prefix(number) in prefixes] == [1, 3, 4]
    assert len(prefixes) == 3


def test_what_is_invalid_is_refused_for_an_hour_whatever_the_tip() -> None:
    refused = RefusedPrefixes()
    refused.add_invalid(_prefix(1), 5)
    refused.tip_moved()
    assert refused.has(_prefix(1), 5 + REFUSED_MS - 1)
    assert not refused.has(_prefix(1), 5 + REFUSED_MS)
    assert len(refused) == 0


def test_what_depends_on_the_tip_is_refused_until_it_moves() -> None:
    refused = RefusedPrefixes()
    refused.add_until_tip_moves(_prefix(1))
    assert refused.has(_prefix(1), 10**12)
    refused.tip_moved()
    assert not refused.has(_prefix(1), 0)


def test_what_was_taken_after_all_is_not_refused() -> None:
    refused = RefusedPrefixes()
    refused.add_until_tip_moves(_prefix(1))
    refused.forget(_prefix(1))
    refused.forget(_prefix(2))
    assert not refused.has(_prefix(1), 0)


def test_the_refused_are_bounded() -> None:
    refused = RefusedPrefixes()
    for number in range(REFUSED_PREFIXES + 10):
        refused.add_invalid(_prefix(number), 0)
    assert len(refused) == REFUSED_PREFIXES
    assert not refused.has(_prefix(9), 0)
    assert refused.has(_prefix(10), 0)


def test_calls_are_told_from_the_first_bytes() -> None:
    def head(kind: int) -> bytes:
        return encode(Array(Unsigned(8), 2), (1, kind))

    assert is_call(head(LlmCall.KIND))
    assert not is_call(head(Transfer.KIND))
    assert not is_call(b"")
    assert not is_call(b"\xff")


def test_a_prefix_is_of_all_bytes() -> None:
    assert len(prefix_of(b"a")) == 16
    assert prefix_of(b"a") != prefix_of(b"b")
