"""Records of the DAO that the genesis state begins with."""

from collections.abc import Iterator
from typing import Any

from esper.dao.entry_records import TIER
from esper.dao.records import GOVERNANCE, SETTING_VALUES, Governance, SettingValues
from esper.dao.registry import TierRegistry
from esper.primitives.codec import encode
from esper.primitives.mmr import Mmr
from esper.primitives.params import NetworkParameters
from esper.vm.records import (
    BLOCKS,
    BLOCKS_PATH,
    GOVERNANCE_PATH,
    SETTINGS_PATH,
    tier_path,
)


def genesis_records(
    params: NetworkParameters, tiers: TierRegistry
) -> Iterator[tuple[bytes, bytes]]:
    """Path and bytes of each."""
    ids = tuple(tier.id for tier in tiers.tiers)
    texts = params.governance.texts
    records: list[tuple[bytes, Any, Any]] = [
        (GOVERNANCE_PATH, GOVERNANCE, Governance(0, 0, 0, (), (), ids)),
        (SETTINGS_PATH, SETTING_VALUES, SettingValues((), texts)),
        (BLOCKS_PATH, BLOCKS, Mmr()),
        *((tier_path(tier.id), TIER, tier) for tier in tiers.tiers),
    ]
    for path, codec, value in records:
        yield path, encode(codec, value)
