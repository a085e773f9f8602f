"""In what the parameters that votes may move are counted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ESP_UNITS: Final = "units of 0.00000001 ESP"

UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "per_block": "micro-credits a block",
        "rate_per_staked_unit": "/ 2^32 micro-credits an epoch and staked unit of 0.00000001 ESP",
        "bonus_credit_cap": "micro-credits a block",
        "starting_allowance": "micro-credits an epoch",
        "inline_answer_bytes": "bytes",
        "minimum_bid": "micro-credits a weighted token",
        "rows_per_call": "rows",
        "rows_per_group": "rows",
        "groups_per_block": "groups",
        "lane_expiry_blocks": "blocks",
        "base_fee": f"{ESP_UNITS} a transaction",
        "fee_per_byte": f"{ESP_UNITS} a byte",
        "dust": ESP_UNITS,
        "penalty": ESP_UNITS,
        "proving_cost_limit": "x 10 ns of two cores",
        "hidden_threshold_per_mille": "per mille",
        "report_samples": "items",
        "hidden_samples": "items",
    }
)
"""What follows the number, by the name of the setting; a newer node's may have others."""
