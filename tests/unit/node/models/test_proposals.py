"""What the state says of models, step by step of a real vote."""

from __future__ import annotations

from esper.node.models.wanted import mined_as
from esper.primitives.networks import REGTEST

OLD = mined_as(REGTEST.model)
