"""What a scrape of a node answers, read as Prometheus does."""

from __future__ import annotations

from dataclasses import fields, replace

from prometheus_client.parser import text_string_to_metric_families

from esper.metrics.families import exposition
from esper.metrics.gateway_sample import GatewaySample, Steps
from esper.metrics.sample import (
    EventsSample,
    HttpSample,
    MiningSample,
    NodeSample,
    PeersSample,
    TierSample,
)
from esper.metrics.worker_sample import FarmSample, WorkerSample

SAMPLE = NodeSample(
    version="1.2.3",
    network="regtest",
    height=7,
    tip_age_s=1.5,
    usefulness=0.25,
    issued_units=900,
    reorganisations=2,
    blocks_imported=8,
    import_seconds=0.5,
    tiers=(TierSample(0, 500.25, 1.0), TierSample(3, 480.0, 2.5)),
    mempool_transactions=4,
    mempool_calls=1,
    mempool_bytes=2048,
    loop_lag_s=0.01,
    store_bytes={"blocks": 100, "models": 5},
    mining=MiningSample(1000, 3, 1, 2, 12.5, 800.0, 4.5, running=True),
    peers=PeersSample(1, 8, 10, 20, 9),
    events=EventsSample({"block": 7, "tx_in": 30}, 3, 1),
    http=HttpSample(5, {"host": 2, "busy": 0}),
    gateway=GatewaySample(
        requests={("chat.completions", "ok"): 5, ("responses", "scope"): 1},
        queue=Steps((0.1, 1.0), (2, 1, 1), 3.5),
        first=Steps((0.1, 1.0), (0, 4, 0), 2.0),
        tokens={"prompt": 40, "answer": 60},
        streams=3,
        slots_used=2,
        waiting=6,
        backlog_calls=4,
        receipts={"queued": 4, "final": 9},
        disagreements=1,
        credits_burned=700,
    ),
    workers=(
        WorkerSample("farm", "search", 1, True, 50, 900, 0, 61.5, 2),
        WorkerSample("farm", "prove", 1, False, 0, 0, 12, 30.0, 0),
        WorkerSample("here", "calls", 1, True, 0, 0, 3, 4.0, 1),
    ),
    farm=FarmSample(True, 3, 5, 1),
)


def read(sample: NodeSample) -> dict[tuple[str, str], float]:
    """Values by name and label values."""
    text = exposition(sample).decode()
    return {
        (one.name, ",".join(one.labels[name] for name in sorted(one.labels))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_every_number_of_a_sample_is_told() -> None:
    assert read(SAMPLE) == {
        ("esper_build_info", "regtest,1.2.3"): 1.0,
        ("esper_chain_height", ""): 7.0,
        ("esper_chain_tip_age_seconds", ""): 1.5,
        ("esper_chain_usefulness_ratio", ""): 0.25,
        ("esper_chain_issued_units", ""): 900.0,
        ("esper_chain_reorganisations_total", ""): 2.0,
        ("esper_chain_block_import_seconds_count", ""): 8.0,
        ("esper_chain_block_import_seconds_sum", ""): 0.5,
        ("esper_tier_target_log2", "0"): 500.25,
        ("esper_tier_target_log2", "3"): 480.0,
        ("esper_tier_multiplier_ratio", "0"): 1.0,
        ("esper_tier_multiplier_ratio", "3"): 2.5,
        ("esper_mempool_transactions", ""): 4.0,
        ("esper_mempool_calls", ""): 1.0,
        ("esper_mempool_bytes", ""): 2048.0,
        ("esper_loop_lag_seconds", ""): 0.01,
        ("esper_store_bytes", "blocks"): 100.0,
        ("esper_store_bytes", "models"): 5.0,
        ("esper_mining_attempts_total", ""): 1000.0,
        ("esper_mining_blocks", "found"): 3.0,
        ("esper_mining_blocks", "stale"): 1.0,
        ("esper_mining_calls_answered", ""): 2.0,
        ("esper_mining_attempts_per_second", ""): 12.5,
        ("esper_mining_tokens_per_second", ""): 800.0,
        ("esper_mining_proof_seconds", ""): 4.5,
        ("esper_gateway_requests_total", "ok,chat.completions"): 5.0,
        ("esper_gateway_requests_total", "scope,responses"): 1.0,
        ("esper_gateway_queue_seconds_bucket", "0.1"): 2.0,
        ("esper_gateway_queue_seconds_bucket", "1.0"): 3.0,
        ("esper_gateway_queue_seconds_bucket", "+Inf"): 4.0,
        ("esper_gateway_queue_seconds_count", ""): 4.0,
        ("esper_gateway_queue_seconds_sum", ""): 3.5,
        ("esper_gateway_first_token_seconds_bucket", "0.1"): 0.0,
        ("esper_gateway_first_token_seconds_bucket", "1.0"): 4.0,
        ("esper_gateway_first_token_seconds_bucket", "+Inf"): 4.0,
        ("esper_gateway_first_token_seconds_count", ""): 4.0,
        ("esper_gateway_first_token_seconds_sum", ""): 2.0,
        ("esper_gateway_tokens_total", "prompt"): 40.0,
        ("esper_gateway_tokens_total", "answer"): 60.0,
        ("esper_gateway_streams", ""): 3.0,
        ("esper_gateway_slots_used", ""): 2.0,
        ("esper_gateway_waiting", ""): 6.0,
        ("esper_gateway_proof_backlog_calls", ""): 4.0,
        ("esper_gateway_receipts", "queued"): 4.0,
        ("esper_gateway_receipts", "final"): 9.0,
        ("esper_gateway_disagreements_total", ""): 1.0,
        ("esper_gateway_credits_burned_total", ""): 700.0,
        ("esper_mining_running", ""): 1.0,
        ("esper_worker_ready", "search,1,farm"): 1.0,
        ("esper_worker_ready", "prove,1,farm"): 0.0,
        ("esper_worker_ready", "calls,1,here"): 1.0,
        ("esper_worker_busy_seconds_total", "search,1,farm"): 61.5,
        ("esper_worker_busy_seconds_total", "prove,1,farm"): 30.0,
        ("esper_worker_busy_seconds_total", "calls,1,here"): 4.0,
        ("esper_worker_restarts_total", "search,1,farm"): 2.0,
        ("esper_worker_restarts_total", "prove,1,farm"): 0.0,
        ("esper_worker_restarts_total", "calls,1,here"): 1.0,
        ("esper_worker_attempts_total", "search,1,farm"): 50.0,
        ("esper_worker_tokens_total", "search,1,farm"): 900.0,
        ("esper_worker_proofs_total", "prove,1,farm"): 12.0,
        ("esper_worker_proofs_total", "calls,1,here"): 3.0,
        ("esper_farm_up", ""): 1.0,
        ("esper_farm_starts_total", ""): 3.0,
        ("esper_farm_workers_lost_total", "died"): 5.0,
        ("esper_farm_workers_lost_total", "replaced"): 1.0,
        ("esper_p2p_peers", "inbound"): 1.0,
        ("esper_p2p_peers", "outbound"): 8.0,
        ("esper_p2p_connected_bytes", "in"): 10.0,
        ("esper_p2p_connected_bytes", "out"): 20.0,
        ("esper_p2p_best_height", ""): 9.0,
        ("esper_events_sequence", "block"): 7.0,
        ("esper_events_sequence", "tx_in"): 30.0,
        ("esper_events_subscribers", ""): 3.0,
        ("esper_events_dropped_total", ""): 1.0,
        ("esper_http_connections", ""): 5.0,
        ("esper_http_refused_total", "host"): 2.0,
        ("esper_http_refused_total", "busy"): 0.0,
    }


def test_a_node_alone_that_does_not_mine_has_neither_family() -> None:
    alone = replace(SAMPLE, mining=None, peers=None, workers=(), farm=None)
    names = {name for name, _ in read(alone)}
    rooms = ("mining", "p2p", "worker", "farm")
    assert not any(f"esper_{room}_" in name for room in rooms for name in names)
    whole = {name for name, _ in read(SAMPLE)}
    assert names == {name for name in whole if name.split("_")[1] not in rooms}


def test_numbers_beyond_floats_are_told_as_near_as_can_be() -> None:
    """Units are 63 bits, a float has 53."""
    told = read(replace(SAMPLE, issued_units=(1 << 63) - 1))
    assert told["esper_chain_issued_units", ""] == float(1 << 63)


def test_no_field_is_forgotten() -> None:
    """A new number of a sample needs a line in the table above."""
    assert len(fields(NodeSample)) == 22
    assert len(fields(WorkerSample)) == 9
    assert len(fields(FarmSample)) == 4
    assert len(fields(MiningSample)) == 8
    assert len(fields(PeersSample)) == 5
    assert len(fields(EventsSample)) == 3
    assert len(fields(HttpSample)) == 2
