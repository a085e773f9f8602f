"""The genesis model's tokenizer on this machine: then a prompt's tokens are nobody's word."""

from esper.model.errors import ModelError
from esper.node.calls.text_service import ModelText
from esper.node.settings import Settings
from esper.primitives.params import NetworkParameters


def local_text(params: NetworkParameters) -> ModelText | None:
    """The tokenizer that the network names, None where this machine has no such file."""
    try:
        return ModelText(Settings(network=params.name).model, params.model)
    except (ModelError, OSError):
        return None
