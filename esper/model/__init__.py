"""Language models on chain: checkpoint import, integer export, engines and tokenizer."""

from esper.model.errors import ModelError
from esper.model.loaded import LoadedModel, load_model

__all__ = ["LoadedModel", "ModelError", "load_model"]
