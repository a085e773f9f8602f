"""Bytes that two readings see differently, and records that are encoded later than they are set."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper.consensus.block import BODY
from esper.consensus.call_groups import CALL_GROUP
from esper.consensus.execution import execute_block
from esper.consensus.header import HEADER
from esper.node.mining.block_draft import BlockDraft
from esper.primitives.codec import (
    Array,
    Codec,
    CodecError,
    FixedBytes,
    Record,
    Signed,
    Unsigned,
    UnsignedPair,
    VarBytes,
    WideUnsigned,
    decode,
    decode_own,
    encode,
)
from esper.primitives.errors.call_errors import AnswerBudgetViolation, LaneLimitViolation
from esper.vm import records
from esper.vm.kinds import KINDS
from esper.vm.ledger import Ledger
from esper.vm.payload import Output
from esper.vm.records import Account, PendingReward, Unbonding
from esper.vm.stake import Stake
from esper.vm.transaction import wire_form
from esper.vm.transfer import Transfer
from esper.vm.view import Change, Overlay, StateView, Unencoded
from tests.support.chain_world import ChainWorld, funded_network
from tests.support.vm_world import ALICE, BOB, COIN, MINER, address

STATE: Final = {name: codec for name, codec in vars(records).items() if isinstance(codec, Record)}
SCHEMAS: Final[dict[str, Record[Any]]] = {
    **STATE,
    **{f"transaction {kind.KIND}": wire_form(kind) for kind in KINDS},
    "body": BODY,
    "group": CALL_GROUP,
    "header": HEADER,
}
HEADS: Final = [0xC0, 0xC4, 0xC5, 0xC6, 0xCC, 0xCD, 0xCE, 0xCF, 0xDC, 0xDD, 0x90, 0x9F, 0xFF]
LIES: Final = [b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xcc\5", b"\xc5\0\1"]
LONGEST_ERROR: Final = 300
"""Characters: no bytes of whoever sent them, and no more names than a schema is deep."""


def made(codec: Codec[Any], random_: random.Random) -> bytes:
    """Bytes that begin like a value of the schema, mostly."""
    out = bytearray()
    match codec:
        case Record(version=version, fields=fields):
            count = len(fields) + (version is not None)
            out += bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
            out += b"" if version is None else bytes([version])
            for _, field in fields:
                out += made(field, random_)
        case Array(element=element, limit=limit):
            count = min(limit, random_.choice([0, 1, 2, 3, 16]))
            out += bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
            for _ in range(count):
                out += made(element, random_)
        case FixedBytes(size=size) | WideUnsigned(size=size):
            out += encode(VarBytes(size), random_.randbytes(size))
        case VarBytes(limit=limit):
            out += encode(codec, random_.randbytes(min(limit, random_.choice([0, 32, 256]))))
        case UnsignedPair(bits=bits):
            out += b"\x92" + encode(Unsigned(bits), 1) + encode(Unsigned(bits), (1 << bits) - 1)
        case Unsigned(bits=bits):
            edge = random_.choice([0, 7, 8, 16, 32, 63, 64])
            number = ((1 << edge) - random_.randrange(2)) & ((1 << bits) - 1)
            out += encode(Unsigned(64), number)
        case Signed():
            out += encode(Unsigned(64), random_.getrandbits(random_.choice([3, 62, 63])))
        case _:
            raise AssertionError(f"no bytes are made for {codec}")
    return bytes(out)


def spoilt(data: bytes, random_: random.Random) -> bytes:
    """The bytes with up to two places changed."""
    out = bytearray(data)
    for _ in range(random_.randrange(3)):
        place = random_.randrange(min(len(out), random_.choice([8, 40, 1 << 20])) or 1)
        match random_.randrange(5):
            case 0:
                out[place : place + 1] = bytes([random_.randrange(256)])
            case 1:
                out[place:place] = bytes([random_.choice(HEADS)])
            case 2:
                out[place : place + 1] = random_.choice(LIES)
            case 3:
                del out[place:]
            case 4:
                out += bytes([random_.randrange(256)])
    return bytes(out)


def reading(codec: Codec[Any], data: bytes, *, own: bool) -> Any:
    """The value, or the error that a strict reading or one of a node's own bytes ends in."""
    try:
        if own:
            return decode_own(codec, data, what="x")
        return decode(codec, data, limit=1 << 20, what="x")
    except CodecError as error:
        return error


@pytest.mark.parametrize("name", SCHEMAS)
def test_hostile_bytes_have_one_reading_or_a_short_error(name: str) -> None:
    codec, random_ = SCHEMAS[name], random.Random(name)
    ends = set()
    for _ in range(400):
        data = spoilt(made(codec, random_), random_)
        strict, own = (reading(codec, data, own=own) for own in (False, True))
        ends.add(type(strict))
        if isinstance(strict, CodecError):
            assert str(strict).startswith("x")
            assert len(str(strict)) < LONGEST_ERROR
            assert 0 <= strict.position <= len(data)
        else:
            assert encode(codec, strict) == data
        if name in STATE:
            # The second look of ``decode`` finds nothing that the first lets pass: a node that
            # reads its own state without it reads what every other node reads.
            assert (type(own), str(own)) == (type(strict), str(strict))
    assert len(ends) == 2 or not name.isupper()


def test_an_error_names_its_field_once_however_deep_it_is() -> None:
    inner = Record(PendingReward, None, (("payee", FixedBytes(2)), ("amount", Unsigned(8))))
    outer: Record[Any] = Record(dict, 1, (("list", Array(inner, 9)), ("last", Unsigned(8))))
    data = b"\x93\1\x92\x92\xc4\2ab\1\x92\xc4\2cd\xcd\1\0\1"
    with pytest.raises(CodecError) as error:
        decode_own(outer, data, what="x")
    assert str(error.value) == "x.list[1].amount: 256 does not fit 8 unsigned bits (at byte 14)"
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


# --- records that are encoded late ---


class EagerOverlay(Overlay):
    """An overlay as it would be if every record were encoded when it is set."""

    __slots__ = ()

    def put(self, path: bytes, value: bytes | Unencoded | None) -> None:
        super().put(path, value)
        self.get(path)


class OwnedView:
    """A view of some bytes."""

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self.entries = entries

    def get(self, path: bytes) -> bytes | None:
        return self.entries.get(path)


OWNERS: Final = [bytes([number]) * 33 for number in (1, 2, 3)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "nothing", "read", "unbond", "release", "below", "absorb", "drop"]),
        st.integers(0, 2),
        st.sampled_from([0, 1, 127, 128, 1 << 62]),
    ),
    max_size=40,
)


def states(kind: type[Overlay], steps: list[tuple[str, int, int]]) -> Iterator[Any]:
    """What is seen after each step; overlays stand on overlays as deep as the steps say."""
    first = Overlay(OwnedView({}))
    Ledger(first).set_account(OWNERS[0], Account(balance=5))
    bottom: StateView = OwnedView(
        {change.path: change.after for change in first.changes() if change.after is not None}
    )
    stack = [kind(bottom)]
    ledgers = [Ledger(stack[0])]
    for what, who, amount in steps:
        ledger, owner = ledgers[-1], OWNERS[who]
        match what:
            case "pay":
                ledger.set_account(owner, replace(ledger.account(owner), balance=amount))
            case "nothing":
                ledger.set_account(owner, Account())
            case "read":
                # Another ledger on the same overlay, as drafts make them.
                yield Ledger(stack[-1]).account(owner)
            case "unbond":
                ledger.add_unbonding(who, Unbonding(owner, amount))
            case "release":
                yield list(ledger.take_unbondings(who))
            case "below":
                stack.append(kind(stack[-1]))
                ledgers.append(Ledger(stack[-1]))
            case "absorb" | "drop" if len(stack) > 1:
                gone = stack.pop()
                ledgers.pop()
                if what == "absorb":
                    stack[-1].absorb(gone.changes())
        yield ledger.account(owner), ledger.coins
    for overlay in reversed(stack):
        changes: tuple[Change, ...] = overlay.changes()
        yield changes
        yield overlay.changes() == changes
    yield [ledger.account(owner) for ledger in ledgers for owner in OWNERS]


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_records_encoded_late_are_those_encoded_at_once(steps: list[tuple[str, int, int]]) -> None:
    assert list(states(Overlay, steps)) == list(states(EagerOverlay, steps))


def test_a_value_that_no_record_holds_leaves_nothing_behind() -> None:
    below = Overlay(OwnedView({}))
    Ledger(below).set_account(OWNERS[0], Account(balance=1))
    above = Overlay(below)
    ledger = Ledger(above)
    for wide in (Account(balance=1 << 63), Account(nonce=1 << 64), Account(used=-1)):
        ledger.set_account(OWNERS[0], wide)
        for _ in range(2):
            with pytest.raises(ValueError, match="unsigned bits"):
                above.changes()
    assert Ledger(below).account(OWNERS[0]) == Account(balance=1)
    # Nothing of it stays once it is right again.
    ledger.set_account(OWNERS[0], Account(balance=1))
    assert above.changes() == ()
    assert ledger.coins == 0


def test_a_transaction_that_fails_half_way_leaves_a_draft_as_a_block_would_be() -> None:
    world = ChainWorld(funded_network(lane_lapses_per_block=1), signs_results=False)
    world.stake_and_wait()
    context, state = world.chain.context, world.chain.state
    nonce = state.account(address(ALICE)).nonce
    calls = [world.signed(ALICE, world.call(), nonce=nonce + more) for more in range(2)]
    pay = world.signed(BOB, Transfer((Output(address(ALICE), COIN), Output(address(BOB), COIN))))
    draft = BlockDraft(context, state, address(MINER))
    draft.add(pay)
    draft.add(calls[0])
    # The second one is charged and counted before it finds no room for its lane; an answer that is
    # too long comes later still.
    with pytest.raises(LaneLimitViolation):
        draft.add(calls[1])
    with pytest.raises(AnswerBudgetViolation):
        draft.add(calls[1], (1,) * 9)
    assert draft.nonce(address(ALICE)) == nonce + 1
    last = world.signed(ALICE, Stake(COIN), nonce=nonce + 1)
    draft.add(last)
    judged = replace(context.execution_context(state, address(MINER)), answers=(None,))
    assert draft.close() == execute_block(state, context.tip_work, [pay, calls[0], last], judged)
