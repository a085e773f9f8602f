"""Proofs of a model in parts: consecutive layers each, for what one machine's memory cannot prove.

What such a proof shows, and why it is sound, is in ``docs/parts.md``.
"""

from esper.prover.parts.planning import PartPlan, PartsPlan
from esper.prover.parts.proving import ReadyParts, prove_ready
from esper.prover.parts.readying import CutModel, committed_id
from esper.prover.parts.verification import PartsReport, verify_parts

__all__ = [
    "CutModel",
    "PartPlan",
    "PartsPlan",
    "PartsReport",
    "ReadyParts",
    "committed_id",
    "prove_ready",
    "verify_parts",
]
