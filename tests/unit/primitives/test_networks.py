"""What nodes do differently by network, and that it is in no hash."""

from dataclasses import fields, replace

import pytest

from esper.consensus.genesis import genesis_hash
from esper.primitives.address import Address, AddressError
from esper.primitives.networks import (
    DEVNET,
    MAINNET,
    NETWORKS,
    REGTEST,
    TESTNET,
    network_of_prefix,
)
from esper.primitives.params import NetworkParameters


def test_local_networks_are_those_whose_key_everyone_holds() -> None:
    assert [one for one in NETWORKS.values() if one.is_local] == [DEVNET, REGTEST]
    assert not MAINNET.is_local
    assert not TESTNET.is_local


def test_blocks_on_demand_are_regtests_alone() -> None:
    assert [one for one in NETWORKS.values() if one.mines_on_demand] == [REGTEST]


@pytest.mark.parametrize("network", NETWORKS.values(), ids=lambda network: network.name)
def test_coins_from_nothing_are_on_local_networks_alone(network: NetworkParameters) -> None:
    assert network.is_local or not network.reward.genesis_allocation


def test_how_nodes_treat_a_network_is_no_parameter() -> None:
    names = {field.name for field in fields(NetworkParameters)}
    assert not names & {"is_local", "mines_on_demand"}
    # A network made for a test keeps the treatment of the one that it comes from.
    other = replace(REGTEST, genesis_time_ms=REGTEST.genesis_time_ms + 1)
    assert genesis_hash(other) != genesis_hash(REGTEST)
    assert (other.is_local, other.mines_on_demand) == (True, True)


def test_no_two_networks_share_an_address_prefix() -> None:
    prefixes = {one.address_prefix: name for name, one in NETWORKS.items()}
    assert len(prefixes) == len(NETWORKS)
    assert {prefix: network_of_prefix(prefix) for prefix in prefixes} == prefixes
    assert network_of_prefix("bc") is None


@pytest.mark.parametrize("other", NETWORKS.values(), ids=lambda network: network.name)
@pytest.mark.parametrize("network", NETWORKS.values(), ids=lambda network: network.name)
def test_an_address_of_another_network_is_refused_by_both_names(
    network: NetworkParameters, other: NetworkParameters
) -> None:
    text = Address(1, bytes(32)).to_text(other.address_prefix)
    if network is other:
        assert Address.from_text(text, network.address_prefix) == Address(1, bytes(32))
        return
    own = rf"begin with '{network.address_prefix}' \({network.name}\)"
    says = rf"\({other.name}\); this network's {own}"
    with pytest.raises(AddressError, match=says):
        Address.from_text(text, network.address_prefix)
