"""The genesis model's tokenizer on this machine: then a prompt's tokens are nobody's word."""

from esper.model.errors import ModelError
from esper.node.calls.text_service import ChatMessage, ModelText, NoTextError
from esper.node.settings import Settings
from esper.primitives.params import NetworkParameters
from esper.wallet.errors import MisuseError


def local_text(params: NetworkParameters) -> ModelText | None:
    """The tokenizer that the network names, None where this machine has no such file."""
    try:
        return ModelText(Settings(network=params.name).model, params.model)
    except (ModelError, OSError):
        return None


def tokens_of(text: ModelText, prompt: str, *, chat: bool) -> list[int] | None:
    """A prompt as the tokenizer here reads it, None where its template is not here.

    Raises MisuseError for what the tokenizer or the template refuses.
    """
    if chat and not text.has_template:
        return None
    try:
        return text.of_messages([ChatMessage("user", prompt)]) if chat else text.of_text(prompt)
    except NoTextError as error:
        raise MisuseError(str(error)) from error
