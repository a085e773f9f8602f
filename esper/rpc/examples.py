"""Replies of the worked examples that are too long for their rows of the table."""

from typing import Final

from msgspec.structs import replace

from esper.rpc import schema as s

BLOCK_ID: Final = "4b" * 64
PARENT_ID: Final = "3a" * 64
TXID: Final = "7c" * 64
MODEL_ID: Final = "e0" * 64
ALICE: Final = "esp1qz9alice0example0address"
BOB: Final = "esp1qz9bob0example0address"
CURSOR: Final = "0000000100000000"
PEER_ID: Final = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
MULTIADDR: Final = f"/ip4/192.0.2.7/tcp/9333/p2p/{PEER_ID}"
AS_OF: Final = s.AsOf(height=1, synced=True)

_CREDITS: Final = s.Credits(
    available="5000000",
    lapsing="1000000",
    lapse_height=8640,
    used="20000",
    rate_limit="900000",
    spendable="880000",
    per_block="1200",
)

STATUS: Final = s.Status(
    network="devnet",
    genesis_hash=PARENT_ID,
    version="0.1.0",
    height=1,
    tip=BLOCK_ID,
    tip_time_ms=1_790_000_060_000,
    median_time_ms=1_790_000_000_000,
    synced=True,
    why_not_synced="",
    weight="67108863",
    issued="5000000000",
    usefulness_per_mille=250,
    mempool_transactions=1,
    mempool_calls=0,
    mempool_bytes=5432,
    mining=True,
    paused=False,
    answers_calls=True,
    warnings=[],
    uptime_ms=61_000,
    inbound=1,
    outbound=2,
    best_height=1,
)
PARAMETERS: Final = s.Parameters(
    network="devnet",
    genesis_hash=PARENT_ID,
    address_prefix="desp",
    spacing_ms=60_000,
    base_fee="1000",
    fee_per_byte="1",
    dust="10000",
    transaction_bytes=65_536,
    maturity=100,
    unbonding=1440,
    epoch_blocks=4320,
    minimum_stake="100000000",
    minimum_bid=10,
    rows_per_call=512,
    max_answer_tokens=128,
    inline_answer_bytes=4096,
    lane_expiry_blocks=100,
)
MODEL: Final = s.Model(
    model_id=MODEL_ID,
    tier=0,
    vocab=512,
    max_seq=512,
    bos=1,
    eos=2,
    chat_template=False,
    answered_here=True,
)
TOKENS: Final = s.Tokens(model_id=MODEL_ID, tokens=[1, 403, 407, 261, 378], count=5)
BLOCK: Final = s.BlockReply(
    height=1,
    hash=BLOCK_ID,
    parent=PARENT_ID,
    time_ms=1_790_000_060_000,
    payee=ALICE,
    reward="5000001000",
    target="00ff",
    model_id=MODEL_ID,
    tier=0,
    state_root="5d" * 64,
    size=6000,
    proof_bytes=220_000,
    confirmations=1,
    usefulness_per_mille=250,
    transactions=[
        s.TransactionSummary(txid=TXID, kind="transfer", sender=ALICE, fee="1000", size=5432)
    ],
    work=[s.WorkAnswer(7, "What is rain?", " Water that falls.", 5)],
)
TRANSACTION: Final = s.TransactionReply(
    txid=TXID,
    status="confirmed",
    kind="transfer",
    sender=ALICE,
    nonce=0,
    fee="1000",
    not_before=0,
    expiry=1000,
    size=5432,
    outputs=[s.Output(BOB, "250000000")],
    hex="00ff",
    as_of=AS_OF,
    height=1,
    block=BLOCK_ID,
    index=0,
    time_ms=1_790_000_060_000,
    confirmations=1,
)
BLOCKS: Final = s.BlockRows(
    [
        s.BlockRow(
            height=1,
            hash=BLOCK_ID,
            time_ms=1_790_000_060_000,
            payee=ALICE,
            tier=0,
            model_id=MODEL_ID,
            size=6000,
            transactions=1,
            call_groups=0,
        )
    ],
    AS_OF,
)
STATISTICS: Final = s.Statistics(
    step=1,
    spacing_ms=60_000,
    points=[
        s.StatisticsPoint(
            height=1,
            time_ms=1_790_000_060_000,
            tier=0,
            target="00ff",
            weight="67108863",
            omega="65536",
            paid_tokens=11,
            proven_tokens=44,
        )
    ],
    as_of=AS_OF,
)
MINERS: Final = s.Miners(1, [s.MinerRow(ALICE, 1, 1, [0])], AS_OF)
ACCOUNT: Final = s.AccountReply(
    address=ALICE,
    balance="750000000",
    pending_out="0",
    pending_in="0",
    immature=[s.Release(101, "5000001000")],
    stake="100000000",
    unbonding=[],
    nonce=1,
    next_nonce=1,
    key_known=True,
    credits=_CREDITS,
    as_of=AS_OF,
)
HISTORY: Final = s.History(
    [s.Event(1, 1_790_000_060_000, TXID, "sent", "250000000", "1000", BOB, cursor=CURSOR)],
    CURSOR,
    AS_OF,
)
PENDING: Final = s.Pending([s.PendingEvent(TXID, "sent", "250000000", "1000", BOB, 1, 201)], AS_OF)
ESTIMATE: Final = s.Estimate(MODEL_ID, [1, 403, 407, 261, 378], 12, "828", 3, 1, "yes")
CALL: Final = s.CallReply(
    txid=TXID,
    status="answered",
    position=0,
    prompt_tokens=5,
    max_tokens=16,
    price=12,
    answer=", there was a little girl",
    answer_tokens=6,
    cost="348",
    height=1,
    block=BLOCK_ID,
    proof_id="9f" * 64,
    reason="",
    as_of=AS_OF,
    prompt="Once upon a time",
)
PROOF: Final = s.ProofReply(
    txid=TXID,
    kind="group",
    file="4553505250524f46",
    binding="b1" * 64,
    genesis_hash=PARENT_ID,
    model_id=MODEL_ID,
    payee=ALICE,
    call_ids=[TXID],
    height=1,
    block=BLOCK_ID,
    confirmations=1,
    proof_id="9f" * 64,
    as_of=AS_OF,
)
RECEIPT: Final = s.ReceiptReply(
    txid=TXID,
    receipt='{"format":"esper-receipt","version":1,"kind":"proof",…}',
    height=1201,
    block=BLOCK_ID,
    confirmations=14,
    anchor=1208,
    anchored_at=1213,
    lacking="",
    as_of=s.AsOf(1214, True),
)
MEMPOOL: Final = s.MempoolReply(1, 0, 5432, 0, 50_000_000, "1.000", [TXID])
MINED_TIER: Final = s.MinedTier(
    tier=0,
    model_id=MODEL_ID,
    previous=False,
    readiness="ready",
    mined=True,
    measured=True,
    attempts_per_second=4.5,
    proof_ms=21_000,
    expected_block_ms=81_000,
    reward_per_hour="20000000000",
)
MINING: Final = s.Mining(
    running=True,
    paused=False,
    payee=ALICE,
    threads=2,
    prove_threads=2,
    attempts_per_second=4.5,
    tokens_per_second=900.0,
    expected_block_ms=60_000,
    proof_ms=21_000,
    blocks_found=1,
    blocks_stale=0,
    stale_per_mille=0,
    calls_answered=0,
    usefulness_per_mille=250,
    doing="searching at height 2",
    wanted_tier="best",
    tier=0,
    model_id=MODEL_ID,
    tiers=[MINED_TIER],
)
FARM_WORKER: Final = s.Worker(
    where="farm",
    kind="prove",
    slot=1,
    worker=7,
    host="rack-2",
    pid=4711,
    tier=0,
    model_id=MODEL_ID,
    state="busy",
    in_hand="proof of a ticket",
    in_hand_s=2,
    up_s=610,
    attempts=0,
    tokens=0,
    proofs=31,
    busy_ms=305_000,
    restarts=1,
    lost=s.LostWorker(worker=1, host="rack-3", lost_s=613, why="its process died"),
)
OWN_WORKER: Final = s.Worker(
    where="here",
    kind="prove",
    slot=1,
    worker=0,
    host="",
    pid=912,
    tier=0,
    model_id=MODEL_ID,
    state="idle",
    in_hand="",
    in_hand_s=0,
    up_s=4000,
    attempts=0,
    tokens=0,
    proofs=1,
    busy_ms=9_000,
    restarts=0,
    lost=None,
)
WORKERS: Final = s.WorkersReply(
    farm=s.FarmReply(
        address="head.example:6379",
        up=True,
        why_down="",
        since_s=3990,
        searches=True,
        proves=True,
        starts=1,
        lost=1,
        replaced=0,
        recovery_ms=[3100],
    ),
    workers=[FARM_WORKER, OWN_WORKER],
)
LOCAL_MODEL: Final = s.LocalModel(
    model_id=MODEL_ID,
    tier=0,
    standing="own",
    first=2,
    until=None,
    here=True,
    loaded="ready",
)
PEER: Final = s.ConnectedPeer(
    number=7,
    address="192.0.2.7:9333",
    peer_id=PEER_ID,
    direction="out",
    height=1,
    ping_ms=41,
    bytes_in=812_345,
    bytes_out=9_876,
    services=["archive", "transactions"],
    connected_s=3_601,
    agent="esper/0.1.0",
    blocks_only=False,
    static=True,
)
PEERS: Final = s.Peers(
    [PEER], [s.LeftPeer("198.51.100.9:41022", PEER_ID, 12, "late: no pong in 20 s")]
)
NETWORK: Final = s.NetworkReply(
    synced=True,
    why_not_synced="",
    near=True,
    busy=False,
    state="synced",
    height=1,
    best_height=1,
    blocks_per_second=0.0,
    seconds_left=None,
    inbound=1,
    outbound=2,
    listening="0.0.0.0:9333",
    multiaddr=MULTIADDR,
    peer_id=PEER_ID,
    counters={"blocks_relayed": 1},
    warnings=[],
)
BAN: Final = s.Ban("192.0.2.7", 3600, "a person asked for it")

_CHANGE: Final = s.LiveProposal(
    number=2,
    id=TXID,
    subject="change",
    tier=None,
    about="minimum_bid to 20",
    step="tail",
    open=True,
    next=226,
    then="the outcome so far is noted; the vote closes at 230",
    yes="3000000000000",
    no="0",
    abstain="0",
    quorum="10000000000000",
    quorum_reached=True,
    passing=True,
    bond="1000000000000",
    proposer=ALICE,
)
_MODEL: Final = replace(
    _CHANGE,
    number=1,
    id="7d" * 64,
    subject="model",
    tier=0,
    about="model Another model for tier 0",
)
DAO_LIST: Final = s.DaoList(
    proposals=[_MODEL, _CHANGE],
    schedule=[s.DueAct(height=537, act="settle", id=BLOCK_ID)],
    stake="10000000000000",
    bond_unit="10000000000",
    as_of=AS_OF,
)
PROPOSAL: Final = s.ProposalReply(
    live=_CHANGE,
    fee="0",
    base="10000000000",
    opened=200,
    epoch=3,
    stake="10000000000000",
    closes=230,
    extensions=0,
    ahead=False,
    seed="",
    final=None,
    check=None,
    active=None,
    trial_ends=None,
    postponed=False,
    seen=0,
    ready=0,
    burns="0",
    rollback="",
    rollback_until=None,
    as_of=AS_OF,
    change=s.ProposedChange(
        settings=[s.KeyValue("minimum_bid", "20")],
        shares=[],
        omegas=[],
        retire=None,
        texts=None,
        link="",
    ),
)
VOTER: Final = s.VoterReply(
    address=ALICE,
    stake="3000000000000",
    delegate="",
    pot="0",
    votes=[s.VoterWeight(number=2, id=TXID, weight="3000000000000", vote="yes", delegate="")],
    ready=[],
    as_of=AS_OF,
)
DAO_SETTINGS: Final = s.DaoSettings(
    settings=[
        s.SettingReply(
            key=6,
            name="minimum_bid",
            genesis="10",
            in_force="10",
            least="1",
            most="10000",
            power_of_two=False,
            changed=None,
            rests_until=None,
            pending=[s.PendingValue(number=2, value="20", height=None, confirmed=False)],
        )
    ],
    tiers=[
        s.TierReply(
            tier=0,
            model_id=MODEL_ID,
            share=65_536,
            omega="65536",
            since=0,
            previous_model_id="",
            record="98" + "00" * 40,
        )
    ],
    texts=[],
    as_of=AS_OF,
)
DAO_READINESS: Final = s.DaoReadiness(
    proposals=[
        s.ReadinessReply(
            number=1,
            id=BLOCK_ID,
            subject="model",
            tier=0,
            phase="check",
            begins=257,
            ends=277,
            seen=12,
            ready=7,
            needed=6,
            postponed=False,
        )
    ],
    as_of=AS_OF,
)
DAO_REHEARSAL: Final = s.RehearsalReply(
    number=1,
    id=BLOCK_ID,
    room=98_560,
    body="00" * 40,
    nonce=4,
    reward_height=255,
    last_height=264,
    signed=None,
    lapsed="",
    as_of=AS_OF,
)
DAO_CHECK: Final = s.CheckReply(
    holds=False,
    rule="RollbackViolation",
    message="rollback: it names no model that is under way",
    bond="10000000000",
    least_bond="10000000000",
    about="rollback of 7c7c7c7c7c7c7c7c…",
    as_of=AS_OF,
)
MODEL_PACKAGE: Final = s.ModelPackage(
    root="5c" * 64,
    proposal="d7" * 64,
    number=3,
    model_id=MODEL_ID,
    state="fetching",
    done=120,
    total=481,
    bytes_per_second=7_340_032,
    peers=5,
    checking=False,
    verdict="none",
    words="",
    trouble="",
    until=None,
)

EVENTS: Final = s.EventsReply(
    boot="5f3c9a0e7d21b846",
    oldest=1,
    next=18,
    events=[
        s.Happened(
            17,
            "block",
            {
                "hash": BLOCK_ID,
                "height": 1,
                "parent": PARENT_ID,
                "time_ms": 1_790_000_060_000,
                "payee": ALICE,
                "model_id": MODEL_ID,
                "tier": 0,
                "transactions": 2,
                "answers": 1,
            },
        )
    ],
)
_SUITE: Final = s.SuiteReply(
    place=0, suite="5a" * 64, text="6b" * 64, items=120, required=True, standing=False
)
_REPORT: Final = s.ReportReply(
    id=TXID,
    proposal="7d" * 64,
    number=1,
    suite=0,
    reporter=ALICE,
    state="sampled",
    right=37,
    items=120,
    made=201,
    next=218,
    bond="2500000000",
    returned="0",
    burned="0",
    sample=[
        s.SampledItem(17, right=True, proven=True, by=s.ProverReply(BOB, "7e" * 64, 209)),
        s.SampledItem(94, right=False, proven=False),
    ],
    refuted=None,
    bits="",
)
REPORTS: Final = s.Reports(
    number=1,
    id="7d" * 64,
    open=True,
    least_bond="2500000000",
    latest=213,
    suites=[_SUITE],
    gate=False,
    reports=[_REPORT],
    as_of=AS_OF,
)
REPORT: Final = s.ReportShown(report=replace(_REPORT, bits="ff" * 15), suite=_SUITE, as_of=AS_OF)
_DRAWN: Final = [
    s.DrawnItem(31, opened=True, proven=True, right=True, txid="7e" * 64),
    s.DrawnItem(118, opened=False, proven=False, right=False),
]
_SET: Final = s.SetReply(
    id=TXID,
    tokenizer="3c" * 64,
    curator=BOB,
    root="4d" * 64,
    items=200,
    state="drawn",
    made=150,
    used=2,
    bond="5000000000",
    earned="0",
    returned="0",
    burned="0",
    proposal="7d" * 64,
    model_id=MODEL_ID,
    judged=247,
    drawn=_DRAWN,
)
HIDDEN_SETS: Final = s.HiddenSets(
    least_items=128,
    most_draws=64,
    samples=2,
    tokenizers=[
        s.TokenizerReply(
            tokenizer="3c" * 64, models=[MODEL_ID], places=7, least_bond="5000000000", sets=[_SET]
        )
    ],
    as_of=AS_OF,
)
HIDDEN_SET: Final = s.SetShown(set=_SET, as_of=AS_OF)
ROUNDS: Final = s.Rounds(
    id="7d" * 64,
    number=1,
    pays="1250000000",
    rounds=[
        s.RoundReply(
            round=1,
            state="open",
            height=247,
            words="1 drawn item is to be opened and proven before block 247",
            median=None,
            threshold=0,
            sets=[
                s.SetScore(
                    set=TXID,
                    curator=BOB,
                    items=200,
                    drawn=_DRAWN,
                    complete=False,
                    earned="0",
                    burned="0",
                )
            ],
            rollback=None,
        ),
        s.RoundReply(
            round=2,
            state="to-come",
            height=344,
            words="with the sets that are there now it would be unjudged: 1 hidden set, a round "
            "needs 3",
            median=None,
            threshold=0,
            sets=[],
            rollback=None,
        ),
    ],
    as_of=AS_OF,
)
