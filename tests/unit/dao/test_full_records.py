"""Records of the DAO with every list full and every number the largest: they fit, and no more."""

from dataclasses import replace
from typing import Any

import pytest

from esper.dao import records as r
from esper.dao.benchmarks.report import MAX_BITS, MAX_SAMPLE, REPORT, Report
from esper.dao.bodies import MAX_SUITES, MODEL_BODY, NamedSuite
from esper.dao.entry_records import MAX_SPECIAL_IDS, TIER, TIER_LIMIT
from esper.dao.registry import MAX_TIERS, ONE, Tier
from esper.dao.snapshot import RING, Cast, Noted, Voter
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import decode, encode
from esper.primitives.ids import Txid
from esper.vm.records import RECORD_LIMIT
from tests.support.dao_proposals import proposal
from tests.support.dao_world import model_body

HEIGHT, AMOUNT = (1 << 32) - 1, (1 << 63) - 1
ID = Txid(bytes(64))
WHO = bytes(ADDRESS_BYTES)

GOVERNANCE = r.Governance(
    number=HEIGHT,
    epoch=HEIGHT,
    stake=AMOUNT,
    live=(r.Live(HEIGHT, ID, 255, 255, 255, HEIGHT),) * r.MAX_LIVE,
    schedule=(r.Due(HEIGHT, 255, ID),) * r.MAX_SCHEDULE,
    tiers=(255,) * MAX_TIERS,
)
SETTINGS = r.SettingValues(
    (r.SettingValue((1 << 16) - 1, AMOUNT, HEIGHT),) * r.MAX_KEYS, (bytes(64),) * r.MAX_TEXTS
)
VOTER = Voter(
    delegate=WHO,
    pot=AMOUNT,
    ring=(Noted(HEIGHT, AMOUNT, WHO, AMOUNT),) * RING,
    votes=(Cast(HEIGHT, 3, AMOUNT),) * r.MAX_VOTES,
    ready=(HEIGHT,) * r.MAX_READY,
)
HEIGHTS: Any = dict.fromkeys(("number", "opened", "epoch", "close", "final", "active"), HEIGHT)
AMOUNTS: Any = dict.fromkeys(
    ("bond", "fee", "base", "stake", "quorum", "yes", "no", "abstain"), AMOUNT
)
PROPOSAL = replace(
    proposal(body=bytes(r.MAX_BODY), seed=bytes(r.MAX_SEED)),
    **HEIGHTS,
    **AMOUNTS,
    seen=HEIGHT,
    ready=HEIGHT,
    reports=(r.ReportPlace(ID, 3, HEIGHT),) * r.MAX_REPORTS,
    standing=(255,) * r.MAX_TEXTS,
)
FULL_REPORT = Report(ID, WHO, 3, AMOUNT, bytes(MAX_BITS), ((1 << 16) - 1,) * MAX_SAMPLE, 255, 1)
FULL: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "governance": (r.GOVERNANCE, GOVERNANCE, ("live", "schedule", "tiers")),
    "settings": (r.SETTING_VALUES, SETTINGS, ("values", "texts")),
    "voter": (r.VOTER, VOTER, ("ring", "votes", "ready", "delegate")),
    "report": (REPORT, FULL_REPORT, ("sample",)),
    "proposal": (r.PROPOSAL, PROPOSAL, ("reports", "standing", "body", "seed")),
}


@pytest.mark.parametrize("name", FULL)
def test_a_full_record_fits_into_the_state(name: str) -> None:
    codec, full, _ = FULL[name]
    data = encode(codec, full)
    assert len(data) <= RECORD_LIMIT
    assert decode(codec, data, limit=RECORD_LIMIT, what=name) == full


@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for name, (_, _, parts) in FULL.items() for part in parts]
)
def test_no_list_takes_one_more(name: str, part: str) -> None:
    codec, full, _ = FULL[name]
    held: Any = getattr(full, part)
    with pytest.raises(ValueError, match=part):
        encode(codec, replace(full, **{part: held + held[:1]}))


def largest_body() -> Any:
    body = model_body(tier=255, share=ONE // 2, licence=b"l" * 64, link=b"i" * 128)
    ids = tuple(range(HEIGHT - MAX_SPECIAL_IDS, HEIGHT))
    shape = replace(body.entry.shape, vocab=HEIGHT, hidden=HEIGHT)
    entry = replace(
        body.entry, special_ids=ids, shape=shape, bos=ids[0], eos=ids[-1], bank_size=HEIGHT
    )
    suites = (NamedSuite(bytes(64), bytes(64), (1 << 16) - 1),) * MAX_SUITES
    return replace(body, entry=entry, omega=(1 << 64) - 1, suites=suites, name=b"n" * 64)


def test_the_largest_model_is_kept_and_active() -> None:
    """Its descriptor is not kept: proofs carry it."""
    body = largest_body()
    assert len(encode(MODEL_BODY, replace(body, descriptor=b""))) <= r.MAX_BODY
    tier = Tier(body.entry, body.omega, body.share, body.puzzle, since=HEIGHT)
    tier = replace(tier, previous=(tier.own,))
    assert len(encode(TIER, tier)) <= TIER_LIMIT <= RECORD_LIMIT
