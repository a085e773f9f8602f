"""Where the models of a node lie, for whoever starts one or looks at its disk."""

from __future__ import annotations

from pathlib import Path

from esper.model.package.disk_rules import DiskRules
from esper.model.package.held_chunks import FILES
from esper.model.package.store import FOLDER
from esper.node.entries.places import EntryPlaces
from esper.node.models.kept_models import KeptModels
from esper.node.models.model_store import GIB, ModelsPlan
from esper.node.models.notebook import Notebook
from esper.node.models.wanted import Verdict
from esper.node.settings import Settings
from esper.primitives.params import NetworkParameters


def model_places(
    settings: Settings, params: NetworkParameters, kept: KeptModels | None = None
) -> EntryPlaces:
    """The genesis model where the settings say, others as they are ``kept``."""
    kept = kept or KeptModels()
    return EntryPlaces(params.model, settings.model, settings.bank, kept, kept.listed, kept.bank_of)


def kept_on_disk(datadir: Path) -> KeptModels:
    """What a node of this data directory would find, whoever holds its store. Raises OSError."""
    kept, folder = KeptModels(), datadir / FOLDER
    for note in Notebook(folder).read().values():
        files = folder / note.root.hex() / FILES
        if note.verdict is Verdict.VERIFIED and files.is_dir():
            kept.put(note.mined, files)
    return kept


def models_plan(settings: Settings, kept: KeptModels, *, mines: bool) -> ModelsPlan:
    """A miner fetches what it will mine with, and every other node what it is told to."""
    rules = DiskRules(budget=settings.models_gib * GIB)
    wants = mines or settings.keep_models
    return ModelsPlan(kept, wants and settings.models_gib > 0, rules)
