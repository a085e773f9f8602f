"""The models that answer, as clients name and see them."""

from collections.abc import Callable, Sequence
from typing import Any

from esper.gateway.engine_port import EngineModel, EnginePort
from esper.gateway.ports import TextPort, TextsPort
from esper.gateway.refusals import Refused, jittered

NAME_PREFIX = "esper-t"
LOADING_MS = 2_000
"""Least wait of those that ask before a model is loaded."""


def model_name(model: EngineModel) -> str:
    """Its name of this chain: ``esper-t0`` for the model of tier 0."""
    return f"{NAME_PREFIX}{model.tier}"


class ModelList:
    """Models of an engine whose tokenizers are here too."""

    def __init__(self, engine: EnginePort, texts: TextsPort, chance: Callable[[], float]) -> None:
        """``chance``: from 0 to 1, so that those who all ask too early come back apart."""
        self._engine = engine
        self._texts = texts
        self._chance = chance

    def all(self) -> Sequence[EngineModel]:
        """Those that answer now."""
        return [one for one in self._engine.models if self._texts.of(one.model_id) is not None]

    def find(self, name: str) -> tuple[EngineModel, TextPort]:
        """The model of a name or of 128 hexadecimal digits. Raises Refused."""
        for model in self._engine.models:
            if name in (model_name(model), model.model_id.hex()):
                text = self._texts.of(model.model_id)
                if text is not None:
                    return model, text
        if not self._engine.models:
            raise Refused(
                "not_ready",
                "no model is loaded yet: try again",
                retry_ms=jittered(LOADING_MS, self._chance()),
            )
        raise Refused(
            "model_not_found",
            "there is no such model: GET /v1/models lists those that answer",
            "model",
        )


def model_object(
    model: EngineModel, *, created: int, longest: int, price: int, gateway: str, bond: int
) -> dict[str, Any]:
    """A model as OpenAI's clients list it. ``price``: micro-credits a token."""
    return {
        "id": model_name(model),
        "object": "model",
        "created": created,
        "owned_by": "esper",
        "esper": {
            "model_id": model.model_id.hex(),
            "context": model.rows,
            "max_tokens": min(longest, model.rows),
            "price": price,
            "gateway": gateway,
            "bond": bond,
        },
    }
