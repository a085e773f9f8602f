"""The chat template of a model directory: where it stands, and messages laid out by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

from jinja2 import Template, TemplateError

from esper.model.errors import MalformedFileError, TemplateRefusedError
from esper.model.files.json_file import read_bytes, read_object
from esper.model.templates.environment import TemplateEnvironment
from esper.model.templates.limits import LONGEST_SOURCE, Budget
from esper.model.templates.own_text import OwnText

CONFIG_FILE: Final = "tokenizer_config.json"
TEMPLATE_FILE: Final = "chat_template.jinja"
_REMEDY: Final = "a model directory holds it beside the tokenizer"
_NAMED_TOKENS: Final = tuple(
    f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
)
"""Special tokens that a template finds as texts."""
_DEFAULT: Final = "default"
_FAILURES: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TemplateError,
    TypeError,
    ValueError,
)
"""What a program of Jinja raises by what it does. A broken one is no fault of this node."""


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template as a model directory holds it, not looked at."""

    source: str
    """The program."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Special tokens by their names in templates."""


class ChatTemplate:
    """Lays out messages as a model was taught to read them; for one thread after another."""

    def __init__(self, source: str, tokens: Mapping[str, str] | None = None) -> None:
        """Compile ``source``; ``tokens`` are special tokens by their names in templates.

        A template that cannot be compiled is kept with the reason: ``render`` gives it.
        """
        self._environment = TemplateEnvironment()
        self._known = {name: OwnText.literal(text) for name, text in (tokens or {}).items()}
        self._lock = Lock()
        self._template: Template | None = None
        self._reason = ""
        if len(source) > LONGEST_SOURCE:
            self._reason = f"it has {len(source):,} characters, at most {LONGEST_SOURCE:,}"
            return
        try:
            self._template = self._environment.from_string(source)
        except _FAILURES as error:
            self._reason = _said(error)

    @property
    def reason(self) -> str:
        """Why it cannot be used; empty if it can."""
        return self._reason

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the laid out messages, with what begins the answer.

        The result says of each character whether it is the template's own
        (``own_text.mask_of``). Roles count as the template's: callers take none but known ones.

        Raises:
            TemplateRefusedError: the template refuses them, fails, or takes too long.
        """
        if self._template is None:
            raise TemplateRefusedError(f"the model's chat template cannot be used: {self._reason}")
        chat = [{**one, "role": OwnText.literal(one["role"])} for one in messages]
        longest = max((len(one["content"]) for one in messages), default=0)
        with self._lock:
            self._environment.budget = Budget(longest)
            try:
                return self._template.render(
                    {
                        **self._known,
                        "messages": chat,
                        "tools": None,
                        "documents": None,
                        "add_generation_prompt": True,
                        "strftime_now": self._environment.clock(),
                    }
                )
            except _FAILURES as error:
                raise TemplateRefusedError(
                    f"the model's chat template refuses them: {_said(error)}"
                ) from error


def read_chat_template(folder: Path) -> ChatTemplate | None:
    """Read and compile the template of a model directory; None if it has none.

    Raises as :func:`template_source`.
    """
    found = template_source(folder)
    return None if found is None else ChatTemplate(found.source, found.tokens)


def template_source(folder: Path) -> TemplateSource | None:
    """Read the template of a model directory, and run nothing of it; None if it has none.

    ``chat_template.jinja`` goes before the field of ``tokenizer_config.json``; of several there,
    the default one is taken.

    Raises:
        MissingFileError, MalformedFileError: a file cannot be read, or not as what it is.
    """
    path = folder / CONFIG_FILE
    fields = read_object(path, _REMEDY) if _exists(path) else {}
    source = _source(folder, path, fields.get("chat_template"))
    if source is None:
        return None
    return TemplateSource(source, _named_tokens(path, fields))


def _source(folder: Path, config: Path, value: Any) -> str | None:
    path = folder / TEMPLATE_FILE
    if _exists(path):
        try:
            return read_bytes(path, _REMEDY).decode()
        except UnicodeDecodeError as error:
            reason = f"not UTF-8 at byte {error.start}; save it as UTF-8"
            raise MalformedFileError(path, reason) from error
    if value is None or isinstance(value, str):
        return value
    named = value
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        named = {str(one.get("name")): one.get("template") for one in value}
    if isinstance(named, dict) and isinstance(named.get(_DEFAULT), str):
        return str(named[_DEFAULT])
    raise MalformedFileError(
        config,
        "field 'chat_template' is neither a text nor a list of objects with 'name' and "
        "'template', one of them named 'default'; write one of these, or remove the field",
    )


def _named_tokens(path: Path, fields: Mapping[str, Any]) -> dict[str, str]:
    """Special tokens as texts: each a text, or an object with its ``content``."""
    tokens = {}
    for name in _NAMED_TOKENS:
        value = fields.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        if value is None:
            continue
        if not isinstance(value, str):
            raise MalformedFileError(path, f"field '{name}' is no text; write the token's text")
        tokens[name] = value
    return tokens


def _exists(path: Path) -> bool:
    """Whether there is anything by that name, be it a link that leads nowhere."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # reading it gives the reason
    return True


def _said(error: BaseException) -> str:
    """An error in a sentence: many of Python's are a bare word."""
    # Half a surrogate pair can be told to nobody.
    text = (str(error) or type(error).__name__)[:1000].encode(errors="backslashreplace").decode()
    plain = isinstance(error, TemplateError)
    return text if plain else f"{type(error).__name__}: {text}"
