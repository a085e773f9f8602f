"""Text of a model that lies in a folder, without a chain that names it."""

from pathlib import Path

import trio

from esper.model.g16_parameters import read_parameters
from esper.model.prompts import TAG_TOKENIZER
from esper.model.templates.apart.template_process import TemplateProcess
from esper.model.tokenizer import read_tokenizer_file
from esper.node.calls.text_service import ModelText
from esper.node.gateway.texts import AT_ONCE, NodeText
from esper.primitives.hashing import HASH_BYTES, tagged_hash
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry, ModelShape


def folder_text(folder: Path, process: TemplateProcess) -> ModelText:
    """The tokenizer and template of a model's folder. Raises ModelError."""
    parameters = read_parameters(folder)
    content = read_tokenizer_file(folder)
    shape = parameters.shape
    nothing = bytes(HASH_BYTES)
    # Whatever lies there is what is meant: nobody has named another tokenizer.
    entry = ModelEntry(
        model_id=ModelId(nothing),
        tier=0,
        shape=ModelShape(**{name: getattr(shape, name) for name in shape.__slots__}),
        bos=parameters.bos,
        eos=parameters.eos,
        special_ids=tuple(sorted({parameters.bos, parameters.eos})),
        tokenizer_id=tagged_hash(TAG_TOKENIZER, content),
        bank_root=nothing,
        bank_size=0,
    )
    return ModelText(folder, entry, process)


class LocalTexts:
    """A ``TextsPort`` of one model, whatever its name turns out to be."""

    def __init__(self, text: ModelText) -> None:
        self._text = NodeText(text, trio.CapacityLimiter(AT_ONCE))

    def of(self, model_id: bytes) -> NodeText:
        """The text of the one model."""
        return self._text
