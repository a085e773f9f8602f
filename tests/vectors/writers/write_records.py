"""Write the golden vectors of the state's records: fields, bytes and places.

    python -m tests.vectors.writers.write_records

Run it only to add vectors: bytes that change for an old vector break every chain that exists.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esper.dao import entry_records, records, registry, snapshot
from esper.dao.benchmarks.report import REPORT, Report
from esper.dao.hidden.hidden_set import HIDDEN_SET, TOKENIZER_SETS, HiddenSet, TokenizerSets
from esper.primitives.codec import Record
from esper.primitives.ids import ModelId, Txid
from esper.primitives.mmr import Mmr
from esper.primitives.model_entry import ModelEntry, ModelShape
from esper.vm import records as state
from esper.vm.state_tree import StateTree
from tests.vectors.fields import encoding, number

FILE = Path(__file__).parents[1] / "records.json"

COINS = (1 << 63) - 1
"""The most of any amount."""
WORD = (1 << 32) - 1
LONG = (1 << 64) - 1
WIDEST = (1 << 256) - 1


@dataclass(frozen=True)
class Case:
    """A record at its place."""

    name: str
    codec: Record[Any]
    value: Any
    place: dict[str, Any]
    """What the record is found by."""
    path: bytes


def pattern(size: int, start: int) -> bytes:
    """Bytes that count up, to tell fields apart."""
    return bytes((start + step) % 256 for step in range(size))


def address(start: int) -> bytes:
    return b"\1" + pattern(32, start)


def at_address(name: str, codec: Record[Any], value: Any, start: int) -> Case:
    path = state.account_path if codec is state.ACCOUNT else state.key_path
    owner = address(start)
    return Case(name, codec, value, {"address": owner.hex()}, path(owner))


def accounts() -> list[Case]:
    numbers = (127, 128, 255, 256, (1 << 64) + 5, 65_535, 65_536, WORD, WORD + 1, 1 << 53)
    widest = (LONG, COINS, COINS, WORD, WIDEST, COINS, COINS, COINS, COINS, COINS)
    return [
        at_address("zeros", state.ACCOUNT, state.Account(), 0),
        at_address("every width", state.ACCOUNT, state.Account(*numbers), 1),
        at_address("widest", state.ACCOUNT, state.Account(*widest), 2),
    ]


def keys() -> list[Case]:
    return [
        at_address("suite 1", state.KNOWN_KEY, state.KnownKey(1, pattern(1952, 3)), 3),
        at_address("suite 2", state.KNOWN_KEY, state.KnownKey(2, pattern(32, 4)), 4),
    ]


def rewards() -> list[Case]:
    return [
        Case(
            name,
            state.PENDING_REWARD,
            state.PendingReward(address(height % 256), amount),
            {"height": height},
            state.reward_path(height),
        )
        for name, height, amount in (("of the first block", 1, 45 * 10**8), ("last", WORD, COINS))
    ]


def counts() -> list[Case]:
    return [
        Case(name, state.DUE_COUNT, state.DueCount(count), {"height": height, "of": of}, path)
        for name, height, count, of, path in (
            ("one unbonding", 258, 1, "unbondings", state.unbonding_count_path(258)),
            ("most unbondings", WORD, WORD, "unbondings", state.unbonding_count_path(WORD)),
            ("lanes of the same height", 258, 200, "lanes", state.lane_count_path(258)),
        )
    ]


def unbondings() -> list[Case]:
    return [
        Case(
            name,
            state.UNBONDING,
            state.Unbonding(address(5), amount),
            {"height": height, "index": index},
            state.unbonding_path(height, index),
        )
        for name, height, index, amount in (("first", 258, 0, 1), ("last", WORD, WORD, COINS))
    ]


def lanes() -> list[Case]:
    due = [
        Case(
            name,
            state.LANE_DUE,
            state.LaneDue(Txid(pattern(64, start))),
            {"height": height, "index": index},
            state.lane_due_path(height, index),
        )
        for name, height, index, start in (("first", 258, 0, 6), ("last", WORD, WORD, 7))
    ]
    prompt = (0, 127, 128, 255, 256, 65_535, 65_536, WORD)
    short = state.Lane(address(8), ModelId(pattern(64, 9)), (1,), 1, 10, 2, 0, 90, 258, 0)
    wide = state.Lane(
        address(10),
        ModelId(pattern(64, 11)),
        prompt * 2,
        65_535,
        WORD,
        WORD,
        COINS,
        COINS - 1,
        WORD,
        65_536,
    )
    found = [
        Case(name, state.LANE, lane, {"call_id": call_id.hex()}, state.lane_path(call_id))
        for name, lane, call_id in (
            ("short", short, Txid(pattern(64, 6))),
            ("sixteen tokens, widest", wide, Txid(pattern(64, 7))),
        )
    ]
    return due + found


SHAPE = ModelShape(1024, 64, 172, 5, 8, 4, 200, 70_000)


def entry(tier: int, start: int, special: tuple[int, ...]) -> registry.Entry:
    names = (pattern(64, start + step) for step in range(3))
    model_id, tokenizer, bank = names
    model = ModelEntry(
        ModelId(model_id), tier, SHAPE, special[0], special[-1], special, tokenizer, bank, WORD
    )
    return registry.Entry(model, LONG, registry.Puzzle(4, 256, 65_535, 64))


def dao_tiers() -> list[Case]:
    first, other = entry(0, 17, (1, 2)), entry(255, 20, (0, 127, 1023))
    before = entry(255, 23, (3, 5))
    values = (
        ("alone", registry.Tier(first.model, 1, 1 << 16, first.puzzle)),
        ("in a trial", registry.Tier(other.model, LONG, 1, other.puzzle, (before,), WORD)),
    )
    return [
        Case(name, entry_records.TIER, tier, {"tier": tier.id}, state.tier_path(tier.id))
        for name, tier in values
    ]


def proposal(*fields: Any) -> records.Proposal:
    return records.Proposal(*fields)


def proposals() -> list[Case]:
    young = proposal(
        *(1, 2, 0, address(26), 10**10, 0, 10**9, 200, 3, 10**15, 10**14, 230),
        *(0, 0, 0, 0, 0, 0, b"", 0, 0, 0, 0, 0, (), (), b"body"),
    )
    places = tuple(records.ReportPlace(Txid(pattern(64, 27 + at)), at % 4, WORD) for at in range(8))
    widest = proposal(
        *(WORD, 255, 255, address(28), COINS, COINS, COINS, WORD, WORD, COINS, COINS, WORD),
        *(3, 1, COINS, COINS, COINS, 7, pattern(64, 29), WORD, WORD, 1, WORD, WORD),
        *(places, (0, 1, 2, 255), pattern(4096, 30)),
    )
    return [
        Case(
            name,
            records.PROPOSAL,
            value,
            {"call_id": proposal_id.hex()},
            state.proposal_path(proposal_id),
        )
        for name, value, proposal_id in (
            ("open", young, Txid(pattern(64, 31))),
            ("widest", widest, Txid(pattern(64, 32))),
        )
    ]


def voters() -> list[Case]:
    ring = tuple(
        snapshot.Noted(WORD - 3 + step, COINS - step, (b"", address(33))[step % 2], step)
        for step in range(4)
    )
    votes = tuple(snapshot.Cast(at * 255, at % 4, COINS - at) for at in range(16))
    values = (
        ("delegates", snapshot.Voter(address(34)), 35),
        ("widest", snapshot.Voter(address(36), COINS, ring, votes, tuple(range(250, 258))), 37),
    )
    return [
        Case(
            name,
            records.VOTER,
            voter,
            {"address": address(owner).hex()},
            state.voter_path(address(owner)),
        )
        for name, voter, owner in values
    ]


def reports() -> list[Case]:
    proposal_id = Txid(pattern(64, 31))
    young = Report(proposal_id, address(99), 0, 127, b"\x15", (), 0, 0)
    sample = tuple(16_383 - 2_000 * at for at in range(8))
    widest = Report(proposal_id, address(100), 3, COINS, pattern(2048, 101), sample, 255, 1)
    return [
        Case(name, REPORT, value, {"call_id": report_id.hex()}, state.report_path(report_id))
        for name, value, report_id in (
            ("made", young, Txid(pattern(64, 102))),
            ("widest", widest, Txid(pattern(64, 103))),
        )
    ]


def hidden_sets() -> list[Case]:
    tokenizer, set_id = pattern(64, 110), Txid(pattern(64, 111))
    idle = HiddenSet(address(112), tokenizer, pattern(64, 113), 128, 127, 5, (), (), (), 0, 0, 0)
    used = tuple(65_534 - 1_000 * at for at in range(64))
    widest = HiddenSet(
        *(address(114), tokenizer, pattern(64, 115), 65_535, COINS, WORD, used),
        *((Txid(pattern(64, 31)),), used[-8:], 255, 254, 127),
    )
    busy = TokenizerSets(tuple(Txid(pattern(64, 116 + at)) for at in range(8)))
    sets = (("idle", idle, set_id), ("widest", widest, busy.sets[0]))
    return [
        *(
            Case(name, HIDDEN_SET, value, {"call_id": at.hex()}, state.hidden_set_path(at))
            for name, value, at in sets
        ),
        Case(
            "as many sets as may be",
            TOKENIZER_SETS,
            busy,
            {"tokenizer": tokenizer.hex()},
            state.tokenizer_path(tokenizer),
        ),
    ]


def governance() -> list[Case]:
    """The two records of which the state holds one each."""
    live = tuple(
        records.Live(at * 127, Txid(pattern(64, 38 + at)), 1 + at % 3, at * 8, at % 10, WORD - at)
        for at in range(32)
    )
    due = tuple(records.Due(WORD - at, at % 4, Txid(pattern(64, 70 + at))) for at in range(24))
    busy = records.Governance(WORD, 128, COINS, live, due, (0, 1, 5, 127, 128, 200, 254, 255))
    values = tuple(records.SettingValue(at * 1000, COINS - at, WORD - at) for at in range(64))
    texts = tuple(pattern(64, 94 + at) for at in range(4))
    return [
        Case("busy", records.GOVERNANCE, busy, {}, state.GOVERNANCE_PATH),
        Case(
            "all moved",
            records.SETTING_VALUES,
            records.SettingValues(values, texts),
            {},
            state.SETTINGS_PATH,
        ),
    ]


def singles() -> list[Case]:
    """Records of which the state holds one each."""
    totals = state.CreditTotals(3, 10**15, 1 << 200, 1 << 53, 4_096, 8_192, 1_000, 2_000)
    chain = state.ChainRecord(pattern(64, 12), 300, LONG, COINS)
    receipts = Mmr(5, (pattern(64, 13), pattern(64, 14)))
    blocks = Mmr(1 << 20, (pattern(64, 98),))
    return [
        Case("one chain", state.CHAIN_RECORD, chain, {}, state.CHAIN_PATH),
        Case("one sum", state.CREDIT_TOTALS, totals, {}, state.CREDITS_PATH),
        Case("five receipts", state.RECEIPTS, receipts, {}, state.RECEIPTS_PATH),
        Case("a million blocks", state.BLOCKS, blocks, {"of": "blocks"}, state.BLOCKS_PATH),
    ]


def edges() -> list[tuple[str, Record[Any], Any]]:
    """More values of those: they cannot stand in the same state."""
    zeros, most = state.CreditTotals(), (WORD, COINS, WIDEST, WIDEST - 1, COINS, 1, COINS, 2)
    return [
        ("before any block", state.CHAIN_RECORD, state.ChainRecord(bytes(64), 0, 0, 0)),
        ("zeros", state.CREDIT_TOTALS, zeros),
        ("widest", state.CREDIT_TOTALS, state.CreditTotals(*most)),
        ("no receipts", state.RECEIPTS, Mmr()),
        ("many receipts", state.RECEIPTS, Mmr((1 << 63) + 1, (pattern(64, 15), bytes(64)))),
        ("seventeen peaks", state.RECEIPTS, Mmr((1 << 17) - 1, (pattern(64, 16),) * 17)),
        ("quiet", records.GOVERNANCE, records.Governance(0, 0, 0, (), (), (0,))),
        ("nothing moved", records.SETTING_VALUES, records.SettingValues((), ())),
        ("nobody", records.VOTER, snapshot.Voter()),
    ]


def document() -> dict[str, Any]:
    """The file's content."""
    cases = accounts() + rewards() + keys() + counts() + unbondings() + lanes() + singles()
    cases += dao_tiers() + proposals() + voters() + governance() + reports() + hidden_sets()
    tree, placed = StateTree(), []
    for case in cases:
        vector = encoding(case.codec, case.value, case.name)
        tree = tree.put(case.path, bytes.fromhex(vector["bytes"]))
        place = {key: number(v) if isinstance(v, int) else v for key, v in case.place.items()}
        placed.append(vector | {"place": place, "path": case.path.hex()})
    return {
        "records": placed,
        "state_root": tree.root.hex(),
        "edges": [encoding(codec, value, name) for name, codec, value in edges()],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
