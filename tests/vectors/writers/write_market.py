"""Write the golden vectors of the market: records, roots, slots, draws, splits.

    python -m tests.vectors.writers.write_market

Run it only to add vectors: values that change for an old vector break every market that exists.
Signing is hedged, so a signature that the file holds and that still fits is kept.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from esper.dao.benchmarks.answers import SHOWN_ANSWER, ShownAnswer
from esper.dao.promise import promise_digest
from esper.market.draws import Draw, drawn, picked
from esper.market.load import (
    LOAD_OPENING,
    TAG_LOADS,
    LoadOpening,
    load_answers,
    load_prompt,
    opened_load,
)
from esper.market.parameters import MARKETS, SettleShares
from esper.market.records.acks import acks_root
from esper.market.records.beat import BeatPath, beat_tree, claim_index
from esper.market.records.claim import SESSION_CLAIM, SessionClaim, ToldStatuses
from esper.market.records.digests import digest
from esper.market.records.double import TWO_RECORDS, TwoRecords
from esper.market.records.offer import MARKET_OFFER, MarketOffer, OfferAttribute, reply_cost
from esper.market.records.opening import DRAW_OPENING, SHOWN_CLAIM, DrawOpening, ShownClaim
from esper.market.records.record import MARKET_RECORD, Finish, MarketRecord
from esper.market.records.report import REPLAY_REPORT, ReplayReport
from esper.market.records.request import MARKET_REQUEST, MarketRequest, request_digest
from esper.market.records.statuses import DrawStatus, statuses_bytes
from esper.market.records.windows import (
    ANSWER_WINDOW,
    PROMPT_WINDOW,
    TRACE_WINDOW,
    AnswerWindow,
    PromptWindow,
    TraceWindow,
    answer_tree,
    prompt_tree,
    seal,
    trace_tree,
)
from esper.market.slots import is_drawn
from esper.market.split import split
from esper.primitives.codec import encode
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.ids import ModelId
from esper.primitives.merkle import MerkleTree
from esper.primitives.work_outputs import Candidate
from tests.support.market_world import KEY, SIGNER, ack_path, grown, party, pattern, roster_of
from tests.vectors.fields import encoding
from tests.vectors.writers.write_signatures import kept_signature

FILE = Path(__file__).parents[1] / "market.json"

WORD, LONG, PRICE = (1 << 32) - 1, (1 << 63) - 1, (1 << 40) - 1
IDS = (1, 565, 376, 602, *range(1000, 1066))
"""Tokens of three windows, the last one short."""
LISTED = tuple(
    tuple(Candidate(token + rank, 9000 - 700 * rank - token) for rank in range(4)) for token in IDS
)

RECORD = MarketRecord(
    pattern(64, 1), SIGNER, ModelId(pattern(64, 2)), pattern(64, 3), 128, pattern(64, 4),
    pattern(64, 5), 216_023, pattern(64, 6), 23, 900, 40, 60, Finish.ENDED, pattern(64, 7),
    1_288_000, 1_344_000, 1_800_000_000_000, 1_800_000_001_500,
)  # fmt: skip
RECORDS = (
    ("plain", RECORD),
    ("cut short", replace(RECORD, finish=Finish.CUT, answer_tokens=0)),
    ("zeros", MarketRecord(
        bytes(64), SIGNER, ModelId(bytes(64)), bytes(64), 0, bytes(64), bytes(64), 0, bytes(64), 0,
        0, 0, 0, Finish.ENDED, bytes(64), 0, 0, 0, 0,
    )),
    ("widest", MarketRecord(
        pattern(64, 8), SIGNER, ModelId(pattern(64, 9)), pattern(64, 10), 65_535, pattern(64, 11),
        pattern(64, 12), WORD, pattern(64, 13), WORD, WORD, 65_535, 65_535, Finish.LENGTH,
        pattern(64, 14), LONG, LONG, LONG, LONG,
    )),
)  # fmt: skip
REQUESTS = (
    ("plain", MarketRequest(
        pattern(64, 1), pattern(64, 6), 23, 1_288_000, pattern(64, 15), pattern(64, 3), 40, 128,
        216_060, 0,
    )),
    ("the last one", MarketRequest(
        pattern(64, 1), pattern(64, 6), 40, 2_240_000, pattern(64, 16), bytes(64), 0, 0, 0, 10,
    )),
    ("widest", MarketRequest(
        pattern(64, 17), pattern(64, 18), WORD, LONG, pattern(64, 19), pattern(64, 20), 65_535,
        65_535, WORD, 9,
    )),
)  # fmt: skip
CLAIM = SessionClaim(pattern(64, 6), 0, 40, 0, 2_240_000, pattern(64, 16))
CLAIMS = (
    ("plain", CLAIM),
    ("statuses alone", SessionClaim(
        pattern(64, 6), 40, 40, 2_240_000, 2_240_000, pattern(64, 16),
        (ToldStatuses(
            900, statuses_bytes((DrawStatus.FIRST, DrawStatus.FIRST, DrawStatus.SECOND))
        ),),
    )),
    ("widest", SessionClaim(
        pattern(64, 21), 1, WORD, 1, LONG, pattern(64, 22),
        tuple(ToldStatuses(WORD - 9 + at, b"\xff" * 4) for at in range(10)),
    )),
)  # fmt: skip
ONE_UNIT = SessionClaim(pattern(64, 7), 0, 9, LONG - 1, LONG, bytes(64))
REPORT = ReplayReport(pattern(64, 1), party(1), RECORD.digest, pattern(64, 23))
OFFERS = (
    ("plain", MarketOffer(200_000, 800_000, 60_000, 60_000, 5_600_000, 12, 276, (
        OfferAttribute(1, 16), OfferAttribute(7, WORD),
    ), b"/dns4/example.org/tcp/9433")),
    ("nothing", MarketOffer(0, 0, 0, 0, 0, 0, 0, (), b"")),
    ("widest", MarketOffer(PRICE, PRICE, PRICE, PRICE, PRICE, WORD, 65_535, tuple(
        OfferAttribute(240 + at, at) for at in range(16)
    ), pattern(256, 0))),
)  # fmt: skip
ROSTER = roster_of(
    (party(1), party(1), 5),
    (party(2), party(2), 1),
    (party(3), party(2), 7),
    (party(4), party(9), 3),
    (party(5), party(5), 4),
)
ALONE = roster_of((party(1), party(1), 5), (party(2), party(1), 9))


LOADS = ((0, 9), (1, 1 << 40), (3, 1 << 31), (WORD, 1 << 20), (7, 999_999_937))
"""Units of load, and multiply-accumulates of an answer."""


def signed(fields: dict[str, Any], message: bytes, old: str | None) -> dict[str, Any]:
    """A vector with what is signed, the key and the signature."""
    signature = kept_signature(KEY, message, old)
    return fields | {
        "signed": message.hex(),
        "key": KEY.public.hex(),
        "signature": signature.hex(),
    }


def windows() -> dict[str, Any]:
    """Windows, and the roots over the windows of tokens."""
    salt = pattern(32, 30)
    lengths = (0, 1, 32, 33, 70)
    roots = []
    for length in lengths:
        ids, best = IDS[:length], LISTED[:length]
        trace = trace_tree(ids, best).root
        roots.append(
            {
                "salt": salt.hex(),
                "ids": list(ids),
                "best": [[[one.token, one.logit] for one in listed] for listed in best],
                "prompt_root": prompt_tree(salt, ids).root.hex(),
                "answer_root": answer_tree(ids).root.hex(),
                "trace_root": trace.hex(),
                "seal": seal(salt, trace).hex(),
            }
        )
    return {
        "windows": [
            encoding(PROMPT_WINDOW, PromptWindow(salt, 2, IDS[64:]), "of a prompt"),
            encoding(ANSWER_WINDOW, AnswerWindow(0, IDS[:32]), "of an answer"),
            encoding(TRACE_WINDOW, TraceWindow(2, IDS[64:], LISTED[64:]), "of a trace"),
        ],
        "roots": roots,
    }


def acks() -> list[dict[str, Any]]:
    """Roots of acknowledged records by their number, and all paths."""
    found = []
    for count in (0, 1, 2, 3, 7, 8, 13):
        digests = [digest(bytes((at,))) for at in range(count)]
        found.append(
            {
                "digests": [one.hex() for one in digests],
                "root": acks_root(grown(digests)[0]).hex(),
                "paths": [[one.hex() for one in ack_path(digests, at)] for at in range(count)],
            }
        )
    return found


def beats() -> list[dict[str, Any]]:
    """Roots of Beats, and the paths of all leaves."""
    reports = [pattern(64, at) for at in range(3)]
    cases: tuple[tuple[dict[int, SessionClaim], list[bytes]], ...] = (
        ({}, []),
        ({0: CLAIMS[0][1]}, reports[:1]),
        ({1: CLAIMS[1][1], 4: CLAIMS[2][1]}, reports),
    )
    found = []
    for claims, listed in cases:
        tree = beat_tree(pattern(64, 24), claims, listed)
        found.append(
            {
                "load_root": pattern(64, 24).hex(),
                "claims": [[place, one.to_bytes().hex()] for place, one in claims.items()],
                "reports": [one.hex() for one in listed],
                "root": tree.root.hex(),
                "paths": [[one.hex() for one in tree.path(at)] for at in range(tree.count)],
            }
        )
    return found


def openings() -> dict[str, Any]:
    """What Settles and Beats show."""
    tree = beat_tree(pattern(64, 24), {3: CLAIM}, [REPORT.digest])
    path = BeatPath(tree.count, tree.path(claim_index(3)))
    shown = ShownClaim(CLAIM, 900, path)
    behind = BeatPath(tree.count, tree.path(5))
    opening = DrawOpening(
        RECORD, (pattern(64, 25), pattern(64, 26)), pattern(32, 27), pattern(64, 23), 901, 5, behind
    )
    answer = ShownAnswer((5, 2), (LISTED[0], LISTED[1]))
    load = LoadOpening(answer, (pattern(64, 28),), pattern(64, 24), path)
    return {
        "shown_claims": [encoding(SHOWN_CLAIM, shown, "plain")],
        "openings": [
            encoding(DRAW_OPENING, opening, "plain"),
            encoding(
                DRAW_OPENING,
                replace(opening, acked=(), beat=WORD, index=WORD, path=BeatPath(1, ())),
                "nothing on the way",
            ),
        ],
        "load_openings": [encoding(LOAD_OPENING, load, "plain")],
        "doubles": [
            encoding(
                TWO_RECORDS,
                TwoRecords(
                    *(RECORD, pattern(3309, 1), replace(RECORD, answer_root=pattern(64, 29))),
                    *(pattern(3309, 2), KEY.public),
                ),
                "plain",
            )
        ],
    }


def statuses() -> list[dict[str, Any]]:
    """Statuses as a claim packs them."""
    lists = (
        (),
        (3,),
        (1, 1, 2),
        (0, 1, 2, 3),
        (0, 0, 0, 0, 1),
        tuple(at % 4 for at in range(16)),
    )
    return [
        {"statuses": list(one), "bytes": statuses_bytes([DrawStatus(at) for at in one]).hex()}
        for one in lists
    ]


def slots() -> list[dict[str, Any]]:
    """The drawn height of a slot, on each network: beacons are H(esper/test/v1, u32 height)."""
    found = []
    for network, params in MARKETS.items():
        for slot in (1, 2, 900):
            first = slot * params.slot_blocks
            heights = range(first, first + params.slot_blocks)
            at = next(height for height in heights if is_drawn(beacon_of(height), height, params))
            found.append(
                {
                    "network": network,
                    "slot_blocks": params.slot_blocks,
                    "answer_blocks": params.answer_blocks,
                    "slot": slot,
                    "drawn": at,
                }
            )
    return found


def beacon_of(height: int) -> bytes:
    """A beacon that every reader of the file can make."""
    return tagged_hash(make_tag("esper/test/v1"), height.to_bytes(4, "big"))


def draws() -> list[dict[str, Any]]:
    """Draws of claims on rosters."""
    found = []
    for start, (roster, owner, count, claim) in enumerate(
        (
            (ROSTER, party(20), 3, CLAIM),
            (ROSTER, party(2), 16, CLAIM),
            (ROSTER, party(9), 4, ONE_UNIT),
            (ALONE, party(1), 2, CLAIM),
            (ALONE, party(8), 2, CLAIM),
            (roster_of(), party(1), 2, CLAIM),
        )
    ):
        beacon = pattern(64, 50 + start)
        listed = drawn(claim, 900 + start, beacon, count, roster, owner)
        found.append(
            {
                "session": claim.session.hex(),
                "slot": 900 + start,
                "from": str(claim.paid_from),
                "to": str(claim.paid_to),
                "beacon": beacon.hex(),
                "owner": owner.hex(),
                "roster": [
                    [one.provider.hex(), one.owner.hex(), one.cumulative] for one in roster.places
                ],
                "draws": [plain_draw(one) for one in listed],
            }
        )
    return found


def plain_draw(draw: Draw) -> dict[str, Any]:
    """A draw as JSON; an empty place is an empty text."""
    names = [b"" if one is None else one.provider for one in draw.verifiers]
    return {"amount": str(draw.amount), "verifiers": [one.hex() for one in names]}


def picks() -> list[dict[str, Any]]:
    """Which answered draws are shown."""
    found = []
    for at, said in enumerate(((), (0, 3), (2,), (1, 0, 2), (1,) * 16, (0, 1, 3, 2, 1, 0, 2, 2))):
        beacon, session = pattern(64, 60 + at), pattern(64, at)
        chosen = picked(session, 900, beacon, [DrawStatus(one) for one in said], 2)
        found.append(
            {
                "session": session.hex(),
                "slot": 900,
                "beacon": beacon.hex(),
                "statuses": list(said),
                "picked": list(chosen),
            }
        )
    return found


def loads() -> dict[str, Any]:
    """Load answers: how many, to what, their root, and which is opened."""
    params = MARKETS["devnet"]
    answers = [ShownAnswer((5 + at, 2), (LISTED[at], LISTED[at + 1])) for at in range(3)]
    tree = MerkleTree.build(TAG_LOADS, [encode(SHOWN_ANSWER, one) for one in answers])
    return {
        "counts": [
            {
                "load": load,
                "unit": params.load_unit,
                "reference": reference,
                "answers": load_answers(load, reference, params),
            }
            for load, reference in LOADS
        ],
        "prompts": [
            {
                "beacon": pattern(64, 70 + at).hex(),
                "provider": party(at).hex(),
                "index": at,
                "ordinary": ordinary,
                "places": list(load_prompt(pattern(64, 70 + at), party(at), at, ordinary, 48)),
            }
            for at, ordinary in enumerate((509, 49_152, 1))
        ],
        "answers": [encoding(SHOWN_ANSWER, one, "load answer") for one in answers],
        "root": tree.root.hex(),
        "opened": [
            {
                "beacon": pattern(64, 80 + at).hex(),
                "provider": party(at).hex(),
                "answers": count,
                "index": opened_load(pattern(64, 80 + at), party(at), count),
            }
            for at, count in enumerate((1, 3, 1000, WORD))
        ],
    }


def splits() -> list[dict[str, Any]]:
    """Splits, those of the page among them."""
    usual, made = SettleShares(50, 20, 70, 0), SettleShares(50, 20, 70, 13)
    cases = (
        (2_240_000, 60_000, 3, 0, usual, True, False),
        (2_240_000, 60_000, 3, 1, usual, True, False),
        (2_240_000, 60_000, 2, 0, usual, True, False),
        (2_240_000, 60_000, 3, 0, usual, False, False),
        (2_240_000, 60_000, 0, 0, usual, False, False),
        (2_240_000, 60_000, 0, 0, usual, True, True),
        (1, 0, 16, 15, usual, True, False),
        (999, 1, 7, 3, made, True, False),
        (999, 1, 7, 4, made, False, False),
        (5, 0, 1, 1, usual, True, False),
    )
    found = []
    for amount, price, among, silent, shares, routed, private in cases:
        parts = split(amount, price, among, silent, shares, routed=routed, private=private)
        found.append(
            {
                "amount": amount,
                "price": price,
                "draws": among,
                "unanswered": silent,
                "shares": [shares.burned, shares.router, shares.auditors, shares.maker],
                "routed": int(routed),
                "private": int(private),
                "payer": parts.payer,
                "burned": parts.burned,
                "router": parts.router,
                "maker": parts.maker,
                "auditor": parts.auditor,
                "provider": parts.provider,
            }
        )
    return found


def document(old: dict[str, Any]) -> dict[str, Any]:
    """The file's content; ``old`` is what it holds."""

    def kept(name: str, case: str) -> str | None:
        return next((one["signature"] for one in old.get(name, ()) if one["case"] == case), None)

    return {
        "requests": [
            signed(
                encoding(MARKET_REQUEST, one, case) | {"digest": digest(one.to_bytes()).hex()},
                request_digest(one.to_bytes()),
                kept("requests", case),
            )
            for case, one in REQUESTS
        ],
        "records": [
            signed(
                encoding(MARKET_RECORD, one, case) | {"digest": one.digest.hex()},
                promise_digest(one.to_bytes()),
                kept("records", case),
            )
            for case, one in RECORDS
        ],
        "claims": [encoding(SESSION_CLAIM, one, case) for case, one in CLAIMS],
        "reports": [encoding(REPLAY_REPORT, REPORT, "plain") | {"digest": REPORT.digest.hex()}],
        "offers": [
            encoding(MARKET_OFFER, one, case) | {"digest": one.digest.hex()} for case, one in OFFERS
        ],
        "costs": [
            {"prices": [given, made], "tokens": [p, a], "cost": reply_cost(given, made, p, a)}
            for given, made, p, a in ((200_000, 800_000, 40, 60), (1, 1, 999, 0), (999, 1, 1, 1))
        ],
        **windows(),
        "acks": acks(),
        "beats": beats(),
        **openings(),
        "statuses": statuses(),
        "slots": slots(),
        "draws": draws(),
        "picks": picks(),
        "loads": loads(),
        "splits": splits(),
    }


if __name__ == "__main__":
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(document(known), indent=1) + "\n")
