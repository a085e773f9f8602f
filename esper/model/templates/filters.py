"""Filters and calls of chat templates, each counted before it makes anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, TemplateError, pass_environment
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.runtime import LoopContext, Macro
from jinja2.utils import Cycler, Joiner, Namespace
from markupsafe import escape

from esper.model.templates.limits import LONGEST_LIST, Budget, TemplateLimitError
from esper.model.templates.own_text import joined

if TYPE_CHECKING:
    from esper.model.templates.environment import TemplateEnvironment

_PLAIN: Final = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "first"),
    *("float", "int", "items", "last", "length", "list", "lower"),
    *("map", "max", "min", "reject", "rejectattr", "reverse", "select"),
    *("selectattr", "sort", "title", "upper"),
)
"""Filters of Jinja whose result is not much longer than what they are given."""
_SEARCHES: Final = frozenset(
    ("strip", "lstrip", "rstrip", "rfind", "rindex", "rpartition", "rsplit")
)
"""Methods of texts that compare each character with the whole of what they look for."""
_WIDEST_INDENT: Final = 64
_CALL: Final = 4
"""Operations that a call weighs."""
_NO_VALUES: Final = (Cycler, Joiner, LoopContext, Macro, Namespace)
"""Things of the language: their text would be Python's."""


def admitted_filters(environment: TemplateEnvironment) -> dict[str, Callable[..., Any]]:
    """The filters of chat templates, counted in the budget of ``environment``."""

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def filtered(*arguments: Any, **named: Any) -> Any:
            environment.budget.handle(*arguments, *named.values())
            if any(isinstance(one, _NO_VALUES) for one in arguments):
                raise TypeError(f"'{function.__name__}' is for texts, numbers, lists and objects")
            value = function(*arguments, **named)
            if isinstance(value, Iterator):
                value = list(islice(value, LONGEST_LIST + 1))
            if isinstance(value, list | tuple | dict):
                environment.budget.hold(value)
            elif isinstance(value, str):
                environment.budget.make(len(value))
            return value

        return filtered

    def replaced(value: Any, old: str, new: str, count: int | None = None) -> str:
        text = environment.written(value)
        _check_replacing(environment.budget, text, str(old), str(new))
        return text.replace(str(old), str(new), -1 if count is None else count)

    def join(value: Any, between: str = "", attribute: str | int | None = None) -> str:
        parts = value
        if attribute is not None:
            parts = map(make_attrgetter(environment, attribute), value)
        texts = [environment.written(part) for part in islice(parts, LONGEST_LIST + 1)]
        return _joined(environment.budget, environment.written(between), texts)

    def indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
        return _indented(environment.budget, text, width, first, blank)

    def to_json(
        value: Any,
        ensure_ascii: bool = False,
        indent: int | str | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        _check_json(environment.budget, value, indent, separators)
        return json.dumps(
            value,
            ensure_ascii=ensure_ascii,
            indent=indent,
            separators=separators,
            sort_keys=sort_keys,
        )

    def trim(value: Any, chars: str | None = None) -> str:
        text = environment.written(value)
        if chars is not None:
            environment.budget.search(text, str(chars))
        return text.strip(chars)

    @pass_environment
    def unique(used: Environment, value: Any, *rest: Any, **named: Any) -> Any:
        # Numbers can be chosen so that their hashes are equal.
        environment.budget.pairs(len(value))
        return FILTERS["unique"](used, value, *rest, **named)

    def escaped(value: Any) -> str:
        return str(escape(environment.written(value)))

    own: dict[str, Callable[..., Any]] = {
        "replace": replaced,
        "join": join,
        "indent": indent,
        "tojson": to_json,
        "string": environment.written,
        "safe": environment.written,  # nothing is escaped here
        "trim": trim,
        "unique": unique,
        "escape": escaped,
        "e": escaped,
    }
    plain = {name: FILTERS[name] for name in _PLAIN}
    return {name: counted(function) for name, function in (plain | own).items()}


def checked_call(
    budget: Budget,
    called: Any,
    call: Callable[..., Any],
    all_arguments: tuple[Any, ...],
    arguments: tuple[Any, ...],
    named: Mapping[str, Any],
) -> Any:
    """Call ``call`` where ``called`` is no method of a text that would make too much."""
    owner = getattr(called, "__self__", None)
    budget.spend(_CALL)
    if called is dict or called is Namespace:
        _check_pairs(budget, arguments)
    budget.handle(owner, *arguments, *named.values())
    if isinstance(owner, str):
        name = called.__name__
        if name == "replace" and len(arguments) >= 2:
            _check_replacing(budget, owner, str(arguments[0]), str(arguments[1]))
        elif name in _SEARCHES:
            for sought in (*arguments, *named.values()):
                if isinstance(sought, str):
                    budget.search(owner, sought)
        elif name == "join" and len(arguments) == 1:
            return _joined(budget, owner, list(islice(arguments[0], LONGEST_LIST + 1)))
    return call(*all_arguments, **named)


def _check_pairs(budget: Budget, arguments: tuple[Any, ...]) -> None:
    """What an object is made of, before it is: its keys may be chosen to hash alike."""
    for one in arguments:
        if isinstance(one, list | tuple):
            budget.alike(pair[0] for pair in one if isinstance(pair, list | tuple) and pair)
        elif not isinstance(one, dict):
            raise TemplateError(f"an object is made of pairs, not of a {type(one).__name__}")


def _check_replacing(budget: Budget, text: str, old: str, new: str) -> None:
    budget.make(len(text) + text.count(old) * max(len(new) - len(old), 0))


def _joined(budget: Budget, between: str, parts: list[Any]) -> str:
    budget.hold(parts)
    wrong = next((part for part in parts if not isinstance(part, str)), None)
    if wrong is not None:
        raise TypeError(f"a {type(wrong).__name__} cannot be joined to a text")
    budget.make(sum(map(len, parts)) + len(between) * len(parts))
    pieces: list[str] = []
    for part in parts:
        pieces += (between, part) if pieces else (part,)
    return joined(pieces)


def _indented(budget: Budget, text: str, width: int | str, first: bool, blank: bool) -> str:
    if isinstance(width, int):
        if width > _WIDEST_INDENT:
            raise TemplateLimitError("the template indents too far")
        width = " " * width
    lines = (str(text) + "\n").splitlines()
    budget.make(len(text) + len(lines) * len(width))
    between = "\n" + width
    if blank:
        result = between.join(lines)
    else:
        head, *rest = lines or [""]
        result = "\n".join([head, *(width + line if line else line for line in rest)])
    return width + result if first else result


def _check_json(
    budget: Budget, value: Any, indent: int | str | None, separators: tuple[str, str] | None
) -> None:
    budget.hold(value)
    widths = [len(indent) if isinstance(indent, str) else indent or 0]
    widths += [len(one) for one in separators or ()]
    if max(widths) > _WIDEST_INDENT:
        raise TemplateLimitError("the template indents too far")
