"""Where the models of a node lie, for whoever starts one or looks at its disk."""

from __future__ import annotations

from esper.node.entries.places import EntryPlaces
from esper.node.settings import Settings
from esper.primitives.params import NetworkParameters


def model_places(settings: Settings, params: NetworkParameters) -> EntryPlaces:
    """The genesis model where the settings say; others do not lie anywhere yet."""
    return EntryPlaces(params.model, settings.model, settings.bank)
