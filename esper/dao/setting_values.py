"""What votes have moved of the parameters: from the record in the state to parameters in force."""

from collections.abc import Mapping

from esper.dao.bodies import ChangeBody
from esper.dao.records import SettingValue, SettingValues
from esper.dao.settings import with_settings
from esper.primitives.params import NetworkParameters


def in_force(genesis: NetworkParameters, values: SettingValues) -> NetworkParameters:
    """The parameters that hold, on a network that began with ``genesis``."""
    return with_settings(genesis, ((one.key, one.value) for one in values.values))


def moved_at(values: SettingValues) -> Mapping[int, int]:
    """Height at which each key last moved."""
    return {one.key: one.changed for one in values.values}


def after_change(values: SettingValues, body: ChangeBody, height: int) -> SettingValues:
    """The values once a change acts at ``height``."""
    by_key = {one.key: one for one in values.values}
    by_key |= {one.of: SettingValue(one.of, one.to, height) for one in body.settings}
    texts = body.texts[0] if body.texts else values.texts
    return SettingValues(tuple(by_key[key] for key in sorted(by_key)), texts)
