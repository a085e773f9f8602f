"""Headers, bodies and genesis: vectors, ids, and that every field counts."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.block import decode_body
from esper.consensus.chain import BlockBytes, ProvenChain, extend, read_block
from esper.consensus.genesis import genesis_hash, genesis_header, parameter_bytes
from esper.consensus.header import PreHeader, decode_header, work_id
from esper.consensus.reward import block_reward, subsidy
from esper.primitives.networks import (
    DEVNET,
    MAINNET,
    NETWORKS,
    REGTEST,
    TESTNET,
    UnknownNetworkError,
    network,
)
from esper.primitives.params import TierParameters
from esper.primitives.units import UNITS_PER_ESP, format_esp
from tests.support.fake_work import FakeVerifier, fake_network

VECTOR = json.loads((Path(__file__).parents[2] / "vectors" / "blocks.json").read_text())
PARAMS = fake_network()


def blocks() -> list[BlockBytes]:
    return [
        BlockBytes(*(bytes.fromhex(block[part]) for part in ("header", "body", "proof")))
        for block in VECTOR["blocks"]
    ]


def test_golden_vectors() -> None:
    assert parameter_bytes(PARAMS).hex() == VECTOR["parameters"]
    assert genesis_hash(PARAMS).hex() == VECTOR["genesis_hash"]
    assert genesis_header(PARAMS).block_id.hex() == VECTOR["genesis_block_id"]
    chain, verifier = ProvenChain.genesis(PARAMS), FakeVerifier(PARAMS.model)
    for data, vector in zip(blocks(), VECTOR["blocks"], strict=True):
        block = read_block(data, PARAMS.limits)
        assert BlockBytes.of(block) == data
        assert block.header.work_id.hex() == vector["work_id"]
        assert block.header.block_id.hex() == vector["block_id"]
        chain = extend(chain, block, verifier, now_ms=block.header.pre.time_ms)
        assert chain.context.tip_id.hex() == vector["block_id"]
        assert chain.state.root.hex() == vector["state_root"]
    assert verifier.verified == 3


def changed(value: Any) -> Any:
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    return value + 1


@pytest.mark.parametrize("name", [field.name for field in fields(PreHeader)])
def test_every_pre_header_field_changes_the_work(name: str) -> None:
    header = decode_header(blocks()[0].header, PARAMS.limits.header_bytes)
    pre = replace(header.pre, **{name: changed(getattr(header.pre, name))})
    assert work_id(pre) != header.work_id
    assert replace(header, pre=pre).block_id != header.block_id


@pytest.mark.parametrize("name", ["result", "outputs_hash", "proof_hash", "vrf_proof"])
def test_every_result_of_the_work_changes_the_block_but_not_the_work(name: str) -> None:
    header = decode_header(blocks()[0].header, PARAMS.limits.header_bytes)
    value = getattr(header, name)
    other = replace(value, output=changed(value.output)) if name == "vrf_proof" else changed(value)
    assert replace(header, **{name: other}).block_id != header.block_id
    assert replace(header, **{name: other}).work_id == header.work_id


def test_any_changed_byte_of_header_or_body_is_noticed() -> None:
    data = blocks()[0]
    header = decode_header(data.header, PARAMS.limits.header_bytes)
    body = decode_body(data.body, PARAMS.limits.body_bytes)
    for place in range(len(data.header)):
        other = data.header[:place] + bytes([data.header[place] ^ 1]) + data.header[place + 1 :]
        try:
            assert decode_header(other, PARAMS.limits.header_bytes).block_id != header.block_id
        except ValueError:
            continue
    for place in range(len(data.body)):
        other = data.body[:place] + bytes([data.body[place] ^ 1]) + data.body[place + 1 :]
        try:
            read = decode_body(other, PARAMS.limits.body_bytes)
        except ValueError:
            continue
        assert read != body


def test_networks_are_distinct() -> None:
    assert len({genesis_hash(params) for params in NETWORKS.values()}) == 4
    assert network("testnet") is TESTNET
    with pytest.raises(UnknownNetworkError, match="'moonnet' is unknown, must be one of mainnet"):
        network("moonnet")


def test_any_parameter_changes_the_genesis_hash() -> None:
    hashes = {genesis_hash(DEVNET)}
    for group in fields(DEVNET):
        value = getattr(DEVNET, group.name)
        change: dict[str, Any] = {}
        if isinstance(value, int):
            change = {group.name: value + 1}
        elif isinstance(value, str):
            change = {group.name: value + "x"}
        elif isinstance(value, tuple):
            change = {group.name: (*value, TierParameters(DEVNET.model, 1))}
        if change:
            hashes.add(genesis_hash(replace(DEVNET, **change)))
            continue
        for field in fields(value):
            inner = getattr(value, field.name)
            if isinstance(inner, int) and not isinstance(inner, bool):
                other = replace(value, **{field.name: inner + 1}) if field.name not in (
                    "bos", "eos") else value  # fmt: skip
                if other is not value:
                    hashes.add(genesis_hash(replace(DEVNET, **{group.name: other})))
    assert len(hashes) > 50


def test_parameters_hold_no_floats() -> None:
    with pytest.raises(TypeError, match="cannot be a float"):
        parameter_bytes((1, 2.0))


@pytest.mark.parametrize("params", [MAINNET, TESTNET, DEVNET, REGTEST])
def test_puzzle_fills_its_rows(params: Any) -> None:
    puzzle = params.puzzle
    assert puzzle.input_tokens + puzzle.max_answer - 1 == puzzle.rows == 64
    assert puzzle.sequences <= 4


def test_subsidy_halves() -> None:
    rules = MAINNET.reward
    assert subsidy(1, rules) == subsidy(1_147_680, rules) == 50 * UNITS_PER_ESP
    assert subsidy(1_147_681, rules) == 25 * UNITS_PER_ESP
    assert subsidy(10**12, rules) == 0
    with pytest.raises(ValueError, match="from 1 on"):
        subsidy(0, rules)


def test_supply_is_what_the_design_says() -> None:
    rules = MAINNET.reward
    total = sum((rules.subsidy >> era) * rules.halving_blocks for era in range(64))
    assert 114_700_000 * UNITS_PER_ESP < total < 114_800_000 * UNITS_PER_ESP


def test_bonus_is_carved_out_of_the_subsidy() -> None:
    rules = MAINNET.reward
    cap = rules.bonus_credit_cap
    assert block_reward(1, 0, 0, rules) == 45 * UNITS_PER_ESP
    assert block_reward(1, cap // 2, 0, rules) == 47 * UNITS_PER_ESP + UNITS_PER_ESP // 2
    assert block_reward(1, cap, 7, rules) == 50 * UNITS_PER_ESP + 7
    assert block_reward(1, 100 * cap, 0, rules) == 50 * UNITS_PER_ESP


def test_amounts_for_people() -> None:
    assert format_esp(45 * UNITS_PER_ESP) == "45 ESP"
    assert format_esp(1) == "0.00000001 ESP"
    assert format_esp(10 * UNITS_PER_ESP + 50_000_000) == "10.5 ESP"
