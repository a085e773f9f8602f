"""Tokenizers of models that come: read in a thread before anybody asks for their texts."""

import logging
from collections.abc import Callable
from typing import Final

import trio

from esper.consensus.header_chain import HeaderChain
from esper.dao.schedule import Activation
from esper.model.errors import ModelError
from esper.node.calls.text_service import ModelText, TextService
from esper.node.chain.chain_service import ChainService
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry
from esper.saying import warn

LOG: Final = logging.getLogger("esper.node")

TextReader = Callable[[ModelEntry], ModelText | None]
"""Reads the tokenizer of a model, None if it does not lie here. Raises ModelError."""


class TextKeeper:
    """Keeps the texts of every model that may be mined, now or by what is confirmed."""

    def __init__(self, texts: TextService, chain: ChainService, read: TextReader) -> None:
        self._texts = texts
        self._chain = chain
        self._read = read
        self._refused: set[ModelId] = set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look at every tip, until cancelled."""
        task_status.started()
        while True:
            changed = self._chain.next_change
            for model in models_ahead(self._chain.view.context):
                if model.model_id not in self._refused and not self._texts.knows(model.model_id):
                    await self._take(model)
            await changed.wait()

    async def _take(self, model: ModelEntry) -> None:
        try:
            text = await trio.to_thread.run_sync(self._read, model)
        except ModelError as error:
            self._refused.add(model.model_id)
            warn(
                LOG,
                "tokenizer_refused",
                "texts of model {short}… cannot be read or written here: {reason}",
                short=model.model_id.hex()[:16],
                model=model.model_id.hex(),
                reason=str(error),
            )
            return
        if text is not None:
            self._texts.learn(model.model_id, text)


def models_ahead(chain: HeaderChain) -> tuple[ModelEntry, ...]:
    """Every model of the next block, and all that are to be activated."""
    now = [entry.model for tier in chain.registry.tiers for entry in tier.entries]
    later = [one.act.entry.model for one in chain.schedule if isinstance(one.act, Activation)]
    return (*now, *later)
