"""Every votable parameter, its bounds on every network, and how far one vote moves it."""

import pytest

from esper.dao.settings import SETTINGS, Setting, calls_fit, steps_far, with_settings
from esper.primitives.networks import DEVNET, MAINNET, NETWORKS
from esper.primitives.params import NetworkParameters

EVERY = pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda one: one.name)
NETWORK = pytest.mark.parametrize("network", NETWORKS.values(), ids=lambda one: one.name)


@EVERY
@NETWORK
def test_what_a_network_began_with_is_allowed(setting: Setting, network: NetworkParameters) -> None:
    least, most = setting.bounds(network)
    assert least <= setting.of(network) <= most
    assert setting.takes(setting.of(network), network)
    assert not setting.takes(least - 1, network)
    assert not setting.takes(most + 1, network)


@EVERY
def test_a_value_is_in_force_and_nothing_else_changes(setting: Setting) -> None:
    least, most = setting.bounds(MAINNET)
    moved = with_settings(MAINNET, [(setting.key, most)])
    assert setting.of(moved) == most
    back = with_settings(moved, [(setting.key, setting.of(MAINNET))])
    assert back == MAINNET
    assert with_settings(MAINNET, []) is MAINNET
    assert setting.of(with_settings(MAINNET, [(setting.key, least)])) == least


def test_keys_that_are_unknown() -> None:
    with pytest.raises(KeyError):
        with_settings(MAINNET, [(19, 1)])


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [(7, 128, True), (7, 192, False), (7, 256, True), (8, 2048, True), (8, 3000, False)],
)
def test_rows_are_powers_of_two(key: int, value: int, allowed: bool) -> None:
    assert SETTINGS[key].takes(value, MAINNET) is allowed


def test_bounds_are_rounded_inwards() -> None:
    # A tenth of 2 units per byte is less than one unit.
    assert SETTINGS[12].bounds(MAINNET) == (1, 200)
    assert SETTINGS[9].bounds(DEVNET) == (1, 6)
    assert SETTINGS[16].bounds(DEVNET) == (0, 800)


@pytest.mark.parametrize(
    ("key", "old", "new", "far"),
    [
        (12, 2, 4, False),
        (12, 2, 5, True),
        (12, 4, 2, False),
        (12, 5, 2, True),
        (12, 2, 2, False),
        (16, 0, 100, False),
        (16, 0, 101, True),
        (16, 100, 200, False),
        (16, 100, 201, True),
        # A bonus that is off can be doubled to nothing but itself.
        (1, 0, 1, True),
    ],
)
def test_one_vote_doubles_or_halves(key: int, old: int, new: int, far: bool) -> None:
    assert steps_far(SETTINGS[key], old, new) is far


def test_a_call_has_room_in_a_group() -> None:
    assert calls_fit(MAINNET)
    assert not calls_fit(with_settings(MAINNET, [(7, 2048)]))
