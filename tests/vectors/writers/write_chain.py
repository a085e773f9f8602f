"""Write the golden vectors of what blocks are made of, field by field, and of the chain's draws.

    python -m tests.vectors.writers.write_chain

Run it only to add vectors: bytes that change for an old vector break every chain that exists.
The parameters are of no network: the numbers of the networks may change, these vectors may not.
"""

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from esper.consensus.block import (
    BODY,
    COINBASE,
    KIND_COINBASE,
    Body,
    Coinbase,
    calls_root,
    proof_hash,
    result_root,
    transaction_root,
)
from esper.consensus.execution import ParentWork, genesis_beacon, next_beacon
from esper.consensus.fork_choice import TAG_DRAW
from esper.consensus.genesis import genesis_hash, genesis_header, parameter_bytes
from esper.consensus.header import HEADER, Header, PreHeader, work_seed
from esper.consensus.tier_records import TIER_STATE
from esper.consensus.tiers import TierState, TierTally
from esper.crypto.vrf import VrfProof
from esper.dao.entry_records import TIER
from esper.dao.registry import Entry, Puzzle, Tier
from esper.primitives import params as kinds
from esper.primitives.hashing import tagged_hash
from esper.primitives.ids import BlockId, ModelId
from esper.primitives.model_entry import ModelEntry, ModelShape
from esper.primitives.prompt import BankPrompt
from esper.primitives.work_outputs import (
    WORK_OUTPUTS,
    Candidate,
    Opening,
    ProvenAnswer,
    WorkOutputs,
)
from esper.vm.transaction import TAG_TXID, TAG_WTXID
from tests.vectors.fields import encoding, number
from tests.vectors.writers.write_records import COINS, LONG, WORD, address, pattern

FILE = Path(__file__).parents[1] / "chain.json"

COINBASES = (
    ("first", Coinbase(KIND_COINBASE, 1, address(1), 45 * 10**8)),
    ("widest", Coinbase(KIND_COINBASE, WORD, address(2), COINS)),
)
OUTPUTS = WorkOutputs(
    (
        Opening(
            4095,
            BankPrompt(pattern(64, 3), (5, 300, 70_000), ((0, 1), (2, 1)), pattern(64, 4)),
            (pattern(64, 5), pattern(64, 6)),
        ),
        Opening(0, BankPrompt(pattern(64, 3), (7,), (), pattern(64, 7)), ()),
    ),
    (
        ProvenAnswer(
            (9, 2), ((Candidate(9, 500), Candidate(8, 500)), (Candidate(2, 1), Candidate(3, -1)))
        ),
        ProvenAnswer((WORD,), ((Candidate(WORD, (1 << 62) - 1), Candidate(0, 1 - (1 << 62))),)),
    ),
)
BODY_OF_MANY = Body(
    (pattern(256, 8), pattern(3, 9), COINBASES[0][1].to_bytes()),
    (b"\x90", b"\x91\x02"),
    (pattern(40, 10),),
    OUTPUTS,
)
BODIES = (
    ("three transactions, a result and a group", BODY_OF_MANY),
    ("coinbase alone", Body((COINBASES[1][1].to_bytes(),), (), (), WorkOutputs((), ()))),
)
PROOF = b"a proof"


def header(body: Body, *, height: int, widest: bool) -> Header:
    """A header that commits to ``body``; every other field differs from its neighbours."""
    pre = PreHeader(
        version=1,
        genesis_hash=pattern(64, 20),
        parent=BlockId(pattern(64, 21)),
        height=height,
        time_ms=COINS if widest else 1_700_000_000_000,
        tx_root=transaction_root(body.transactions),
        result_root=result_root(body.results),
        calls_root=calls_root(body.call_groups),
        state_root=pattern(32, 22),
        payee=address(23),
        model_id=ModelId(pattern(64, 24)),
        tier=255 if widest else 1,
        target=pattern(64, 25),
        omega=LONG if widest else 1 << 16,
        bank_root=pattern(64, 26),
        vrf_root=pattern(64, 27),
        vrf_index=WORD if widest else 200,
        nonce=LONG - 1 if widest else 300,
    )
    path = tuple(pattern(32, 30 + level) for level in range(17 if widest else 2))
    vrf_proof = VrfProof(pattern(32, 28), path, pattern(64, 29))
    return Header(pre, pattern(64, 50), vrf_proof, body.outputs.hash, proof_hash(PROOF))


def headers() -> list[dict[str, Any]]:
    """One for each body."""
    made = (
        ("common numbers", header(BODIES[0][1], height=70_000, widest=False)),
        ("widest numbers", header(BODIES[1][1], height=WORD, widest=True)),
    )
    return [
        encoding(HEADER, found, name)
        | {
            "work_id": found.work_id.hex(),
            "seed": work_seed(found.work_id).hex(),
            "block_id": found.block_id.hex(),
        }
        for name, found in made
    ]


SHAPE = ModelShape(1024, 64, 172, 5, 8, 4, 200, 70_000)
MODEL = ModelEntry(
    ModelId(pattern(64, 60)), 0, SHAPE, 1, 2, (0, 1, 2, 300), pattern(64, 61), pattern(64, 62), 5120
)
SECOND = ModelEntry(
    ModelId(pattern(64, 63)), 255, SHAPE, 0, 5, (0, 5), pattern(64, 64), pattern(64, 65), WORD
)
TICKET = Puzzle(2, 64, 49, 16)
OTHER = Puzzle(255, 65535, 65534, 254)
TIERS = (
    ("first", TIER, Tier(MODEL, 1 << 16, 1 << 16, TICKET)),
    ("last", TIER, Tier(SECOND, LONG, 1, TICKET, (Entry(SECOND, 3, OTHER),), WORD)),
    ("none", TIER_STATE, TierState(())),
    ("two", TIER_STATE, TierState((TierTally(0, 1 << 16, 0), TierTally(255, 1 << 18, WORD)))),
)

PARAMETERS = kinds.NetworkParameters(
    name="vectors",
    address_prefix="vesp",
    genesis_time_ms=1_700_000_000_000,
    model=MODEL,
    further_tiers=(kinds.TierParameters(SECOND, 1 << 14),),
    puzzle=kinds.PuzzleParameters(2, 64, 49, 16, 4, 128),
    difficulty=kinds.DifficultyParameters(
        10_000, 1_000, True, 30, 31, (1 << 512) - 1, 1 << 63, 11, 60_000
    ),
    reward=kinds.RewardParameters(
        50 * 10**8, 10_001, 10, 512, 12, 120, ((address(66), 10**12), (address(67), 1))
    ),
    credits=kinds.CreditParameters(60, 1024, 10**10, (1 << 63) - 1, 5, 13),
    calls=kinds.CallParameters(256, 130, 2, 65, 121, 66),
    governance=kinds.GovernanceParameters(
        vote_window=32,
        vote_tail=3,
        rollback_window=4,
        draw_depth=2,
        round_window=5,
        horizon=202,
        count_window=6,
        postponement=7,
        grace=301,
        jitter=14,
        trial=302,
        least_bond=10**8,
        penalty=10**9,
        audits_per_block=1,
        audit_rows=1024,
        report_samples=8,
        hidden_samples=9,
        hidden_threshold_per_mille=10,
        texts=(pattern(64, 68), pattern(64, 69)),
        proving_cost_limit=22 * 10**8,
        rotation_reminder=11,
        counts_issue=True,
        proposal_stake_per_mille=1,
        quorum_per_mille=200,
        parameter_majority_per_mille=600,
        rollback_per_mille=667,
    ),
    limits=kinds.LimitParameters(2048, 1 << 20, 1 << 19, 1 << 16, 1000, 15, 10**5, 201, 1440, 17),
)

FURTHER = ModelEntry(
    ModelId(pattern(64, 80)),
    3,
    ModelShape(32_000, 288, 768, 6, 6, 6, 48, 256),
    1,
    2,
    (1, 2),
    pattern(64, 81),
    pattern(64, 82),
    100_000,
)
NETWORKS = (
    PARAMETERS,
    # Further tiers of other work than the first, and nobody with coins.
    replace(
        PARAMETERS,
        further_tiers=(
            kinds.TierParameters(FURTHER, 20_000),
            kinds.TierParameters(replace(SECOND, shape=ModelShape(64, 8, 8, 1, 1, 1, 8, 9)), 1),
        ),
        reward=replace(PARAMETERS.reward, genesis_allocation=()),
        governance=replace(PARAMETERS.governance, texts=()),
    ),
)


def nested(value: Any) -> Any:
    """A parameter as JSON that says its type: the rule for its bytes asks for no schema."""
    match value:
        case bool() | str():
            return value
        case int() if value < 1 << 63:
            return number(value) if value < 1 << 53 else {"number": str(value)}
        case int():
            return {"wide": str(value)}
        case bytes():
            return {"bytes": value.hex()}
        case tuple():
            return [nested(part) for part in value]
    assert is_dataclass(value)
    return {"record": [[field.name, nested(getattr(value, field.name))] for field in fields(value)]}


def beacons() -> dict[str, Any]:
    """The beacon of a genesis hash, and with three parents folded in."""
    beacon = genesis_beacon(pattern(64, 70))
    steps, first = [], beacon
    for start in (71, 72, 73):
        parent = ParentWork(pattern(64, start), pattern(64, start + 10), 1, 2)
        beacon = next_beacon(beacon, parent)
        steps.append(
            {
                "result": parent.result.hex(),
                "vrf_output": parent.vrf_output.hex(),
                "beacon": beacon.hex(),
            }
        )
    return {"genesis_hash": pattern(64, 70).hex(), "beacon": first.hex(), "steps": steps}


def draws() -> dict[str, Any]:
    """Lots that rivals draw; the least wins."""
    secret, rivals = pattern(32, 90), [pattern(64, 91 + rival) for rival in range(4)]
    lots = [tagged_hash(TAG_DRAW, secret, work_id) for work_id in rivals]
    return {
        "secret": secret.hex(),
        "work_ids": [work_id.hex() for work_id in rivals],
        "lots": [lot.hex() for lot in lots],
        "winner": lots.index(min(lots)),
    }


def document() -> dict[str, Any]:
    """The file's content."""
    return {
        "networks": [
            {
                "parameters": nested(params),
                "parameter_bytes": parameter_bytes(params).hex(),
                "genesis_hash": genesis_hash(params).hex(),
                "genesis_state_root": genesis_header(params).pre.state_root.hex(),
            }
            for params in NETWORKS
        ],
        "coinbases": [
            encoding(COINBASE, coinbase, name)
            | {
                "txid": tagged_hash(TAG_TXID, coinbase.to_bytes()).hex(),
                "wtxid": tagged_hash(TAG_WTXID, coinbase.to_bytes()).hex(),
            }
            for name, coinbase in COINBASES
        ],
        "outputs": encoding(WORK_OUTPUTS, OUTPUTS, "two answers") | {"hash": OUTPUTS.hash.hex()},
        "bodies": [encoding(BODY, body, name) for name, body in BODIES],
        "proof": PROOF.hex(),
        "headers": headers(),
        "tiers": [encoding(codec, value, name) for name, codec, value in TIERS],
        "beacons": beacons(),
        "draws": draws(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
