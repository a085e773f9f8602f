"""The models as Ollama's clients list them: version, tags, show, ps."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from esper.gateway.engine_port import EngineModel
from esper.gateway.keys import Account
from esper.gateway.one_line import one_line
from esper.gateway.refusals import Refused
from esper.gateway.requests.rules import Table, a_flag, a_text, an_object, invalid, walk
from esper.gateway.service.desks.model_list import ModelList, model_name
from esper.http.routes import JSON
from esper.rpc.strict_json import StrictJsonError, read_json

FOR_EVER = "9999-12-31T23:59:59Z"
"""When a model is unloaded."""


@dataclass(frozen=True, slots=True)
class OllamaModels:
    """Answers about models. Raises Refused."""

    models: ModelList
    version_told: str
    since: int
    """Seconds since 1970 at which the server began."""

    async def version(self, http: HttpRequest, account: Account) -> Response:
        """The program's."""
        return _json({"version": self.version_told})

    async def tags(self, http: HttpRequest, account: Account) -> Response:
        """All models."""
        since = datetime.fromtimestamp(self.since, UTC).isoformat().replace("+00:00", "Z")
        return _json({"models": [{**_row(one), "modified_at": since} for one in self.models.all()]})

    async def running(self, http: HttpRequest, account: Account) -> Response:
        """All models: those that answer are loaded."""
        loaded = {"expires_at": FOR_EVER, "size_vram": 0}
        return _json({"models": [{**_row(one), **loaded} for one in self.models.all()]})

    async def show(self, http: HttpRequest, account: Account) -> Response:
        """One model."""
        model, _ = self.models.find(read_name(await http.body()))
        return _json(
            {
                "modelfile": "",
                "parameters": "temperature 0",
                "template": "",
                "details": _details(),
                "model_info": {
                    "general.architecture": "llama",
                    "llama.context_length": model.rows,
                    "llama.vocab_size": model.vocabulary,
                    "esper.model_id": model.model_id.hex(),
                },
                "capabilities": ["completion"],
            }
        )


@dataclass(slots=True)
class _Shown:
    name: str = ""


def _name(shown: _Shown, where: str, value: Any) -> None:
    shown.name = a_text(where, value)


def _verbose(shown: _Shown, where: str, value: Any) -> None:
    a_flag(where, value)


_SHOW: Table[_Shown] = {"model": _name, "name": _name, "verbose": _verbose}


def read_name(body: bytes) -> str:
    """Whose model a body of ``/api/show`` asks for. Raises Refused."""
    try:
        found = read_json(body)
    except StrictJsonError as error:
        raise Refused("invalid_json", str(error)) from None
    shown = _Shown()
    walk(an_object("the body", found), "", _SHOW, shown)
    if not shown.name:
        raise invalid("model", "is missing")
    return shown.name.removesuffix(":latest")


def _row(model: EngineModel) -> dict[str, Any]:
    name = f"{model_name(model)}:latest"
    digest = model.model_id.hex()[:64]
    return {"name": name, "model": name, "size": 0, "digest": digest, "details": _details()}


def _details() -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "esper",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "",
        "quantization_level": "",
    }


def _json(value: Any) -> Response:
    return Response(one_line(value), media_type=JSON)
