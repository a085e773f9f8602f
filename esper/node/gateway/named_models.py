"""Models as the chain's record of a tier names them, with their tickets."""

from esper.consensus.registry import genesis_registry
from esper.node.chain.chain_view import ChainView
from esper.primitives.ids import ModelId
from esper.receipts.ports import NamedModel


def named_model(model_id: ModelId, view: ChainView) -> NamedModel:
    """A model of the next block, of one that is being replaced, or of the genesis.

    Raises KeyError for a model that the chain does not name any more.
    """
    tiers = (*view.context.registry.tiers, *genesis_registry(view.context.params).tiers)
    for tier in tiers:
        for entry in tier.entries:
            if entry.model.model_id == model_id:
                return NamedModel(entry.model, entry.puzzle)
    raise KeyError(f"the chain names model {model_id.hex()[:16]} no more")
