"""Golden records of the state: fields, bytes, places and the root over all of them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from esper.dao import entry_records
from esper.dao import records as dao
from esper.dao.benchmarks.report import REPORT
from esper.dao.hidden.hidden_set import HIDDEN_SET, TOKENIZER_SETS
from esper.primitives.codec import Record
from esper.primitives.ids import txid_of
from esper.vm import records as state
from esper.vm.state_tree import StateTree
from tests.support.vector_reading import check_encoding, tagged32
from tests.vectors.writers import write_records

DOCUMENT = json.loads(write_records.FILE.read_text())
RECORDS, EDGES = DOCUMENT["records"], DOCUMENT["edges"]

CODECS: dict[str, Record[Any]] = {
    "Account": state.ACCOUNT,
    "PendingReward": state.PENDING_REWARD,
    "ChainRecord": state.CHAIN_RECORD,
    "KnownKey": state.KNOWN_KEY,
    "CreditTotals": state.CREDIT_TOTALS,
    "DueCount": state.DUE_COUNT,
    "Unbonding": state.UNBONDING,
    "LaneDue": state.LANE_DUE,
    "Lane": state.LANE,
    "Mmr": state.RECEIPTS,
    "Governance": dao.GOVERNANCE,
    "SettingValues": dao.SETTING_VALUES,
    "Tier": entry_records.TIER,
    "Proposal": dao.PROPOSAL,
    "Voter": dao.VOTER,
    "Report": REPORT,
    "HiddenSet": HIDDEN_SET,
    "TokenizerSets": TOKENIZER_SETS,
}

Place = dict[str, Any]

PATHS: dict[str, Callable[[Place], bytes]] = {
    "Account": lambda place: state.account_path(bytes.fromhex(place["address"])),
    "PendingReward": lambda place: state.reward_path(place["height"]),
    "ChainRecord": lambda _: state.CHAIN_PATH,
    "KnownKey": lambda place: state.key_path(bytes.fromhex(place["address"])),
    "CreditTotals": lambda _: state.CREDITS_PATH,
    "DueCount": lambda place: {
        "unbondings": state.unbonding_count_path,
        "lanes": state.lane_count_path,
    }[place["of"]](place["height"]),
    "Unbonding": lambda place: state.unbonding_path(place["height"], place["index"]),
    "LaneDue": lambda place: state.lane_due_path(place["height"], place["index"]),
    "Lane": lambda place: state.lane_path(txid_of(place["call_id"])),
    "Mmr": lambda place: state.BLOCKS_PATH if place else state.RECEIPTS_PATH,
    "Governance": lambda _: state.GOVERNANCE_PATH,
    "SettingValues": lambda _: state.SETTINGS_PATH,
    "Tier": lambda place: state.tier_path(place["tier"]),
    "Proposal": lambda place: state.proposal_path(txid_of(place["call_id"])),
    "Voter": lambda place: state.voter_path(bytes.fromhex(place["address"])),
    "Report": lambda place: state.report_path(txid_of(place["call_id"])),
    "HiddenSet": lambda place: state.hidden_set_path(txid_of(place["call_id"])),
    "TokenizerSets": lambda place: state.tokenizer_path(bytes.fromhex(place["tokenizer"])),
}

KINDS = {
    "Account": 1,
    "PendingReward": 2,
    "ChainRecord": 3,
    "KnownKey": 4,
    "CreditTotals": 5,
    "unbondings": 6,
    "Unbonding": 7,
    "lanes": 8,
    "LaneDue": 9,
    "Lane": 10,
    "Mmr": 11,
    "Governance": 12,
    "SettingValues": 13,
    "Tier": 14,
    "Proposal": 15,
    "Voter": 16,
    "Report": 17,
    "HiddenSet": 18,
    "TokenizerSets": 19,
    "blocks": 23,
}
SINGLES = {
    "ChainRecord": b"chain",
    "CreditTotals": b"credits",
    "Mmr": b"receipts",
    "Governance": b"governance",
    "SettingValues": b"settings",
    "blocks": b"blocks",
}


def label(vector: dict[str, Any]) -> str:
    return f"{vector['record']}: {vector['case']}"


def identity(vector: dict[str, Any]) -> bytes:
    """What a record is found by, as the table of the state says."""
    place = vector["place"]
    name = place.get("of", vector["record"])
    if name in SINGLES:
        return SINGLES[name]
    for name in ("address", "call_id", "tokenizer"):
        if name in place:
            return bytes.fromhex(place[name])
    if "tier" in place:
        return bytes([place["tier"]])
    index = place["index"].to_bytes(4, "big") if "index" in place else b""
    return bytes(place["height"].to_bytes(8, "big") + index)


@pytest.mark.parametrize("vector", RECORDS + EDGES, ids=label)
def test_fields_and_bytes(vector: dict[str, Any]) -> None:
    check_encoding(CODECS[vector["record"]], vector)


@pytest.mark.parametrize("vector", RECORDS, ids=label)
def test_place(vector: dict[str, Any]) -> None:
    assert PATHS[vector["record"]](vector["place"]).hex() == vector["path"]
    kind = KINDS[vector["place"].get("of", vector["record"])]
    assert tagged32("esper/state/key/v1", bytes([kind]), identity(vector)) == vector["path"]


def test_root_over_all_records() -> None:
    tree = StateTree()
    for vector in RECORDS:
        tree = tree.put(bytes.fromhex(vector["path"]), bytes.fromhex(vector["bytes"]))
    assert tree.count == len(RECORDS)
    assert tree.root.hex() == DOCUMENT["state_root"]


def test_every_record_has_a_place_and_every_kind_a_record() -> None:
    assert {vector["record"] for vector in RECORDS} == set(CODECS)
    assert {v["place"].get("of", v["record"]) for v in RECORDS} == set(KINDS)


def test_the_script_writes_this_file() -> None:
    assert write_records.document() == DOCUMENT
