"""The language of chat templates as transformers has it, in a sandbox that counts.

Jinja's sandbox keeps a template from the machine; it does not keep it from running for ever or from
filling the memory. Here every operation is counted (``limits``), methods and filters are those that
chat templates use, and literals are known as the template's own (``own_text``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from jinja2 import TemplateError, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.ext import Extension
from jinja2.ext import loopcontrols as loop_controls
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace

from esper.model.templates.filters import admitted_filters, checked_call
from esper.model.templates.limits import LONGEST_LIST, LONGEST_RANGE, Budget, TemplateLimitError
from esper.model.templates.own_text import OwnText, joined

_TEXT_METHODS: Final = frozenset(
    (
        *("strip", "lstrip", "rstrip", "split", "rsplit", "splitlines"),
        *("partition", "rpartition", "startswith", "endswith", "upper", "lower"),
        *("title", "capitalize", "casefold", "swapcase", "find", "rfind"),
        *("index", "rindex", "count", "replace", "join", "removeprefix"),
        *("removesuffix", "isdigit", "isalpha", "isalnum", "isspace", "isupper"),
        *("islower", "isnumeric", "isdecimal", "istitle", "isidentifier", "isascii"),
    )
)
_METHODS: Final[dict[type, frozenset[str]]] = {
    str: _TEXT_METHODS,
    dict: frozenset(("get", "items", "keys", "values", "copy")),
    list: frozenset(("count", "index", "copy")),
    tuple: frozenset(("count", "index")),
}
_OF_THE_LANGUAGE: Final = (LoopContext, Macro, Namespace, Cycler, Joiner, Undefined)


class _Generation(Extension):
    """``{% generation %}``, with which training marks what the model is to write: no text."""

    tags: Final = {"generation"}  # type: ignore[misc]

    def parse(self, parser: Parser) -> nodes.Node:
        """Take what stands between as it stands."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class _Counting(CodeGenerator):
    """Writes Python that counts, and says which texts are literals."""

    def blockvisit(self, nodes_: Iterable[nodes.Node], frame: Frame) -> None:
        body = list(nodes_)
        size = sum(1 for node in body for _ in node.find_all(nodes.Node))
        self.writeline(f"environment.budget.spend({1 + size // 16})")
        super().blockvisit(body, frame)

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802
        if node.test is not None:  # what is filtered out runs through no block
            node.test = nodes.And(nodes.EnvironmentAttribute("passes"), node.test)
        super().visit_For(node, frame)

    def visit_Const(self, node: nodes.Const, frame: Frame) -> None:  # noqa: N802
        if isinstance(node.value, str):
            self.write(f"environment.literal({node.value!r})")
        else:
            super().visit_Const(node, frame)

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        self._counted(lambda: super(_Counting, self).visit_Compare(node, frame))

    def visit_Operand(self, node: nodes.Operand, frame: Frame) -> None:  # noqa: N802
        if node.op not in ("in", "notin"):
            super().visit_Operand(node, frame)
            return
        self.write(" in " if node.op == "in" else " not in ")
        self.write("environment.searched(")
        self.visit(node.expr, frame)
        self.write(")")

    def visit_Test(self, node: nodes.Test, frame: Frame) -> None:  # noqa: N802
        self._counted(lambda: super(_Counting, self).visit_Test(node, frame))

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        self._counted(lambda: super(_Counting, self).visit_Getitem(node, frame))

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        self._held(lambda: super(_Counting, self).visit_List(node, frame))

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self.write("environment.made((")
        for pair in node.items:
            self.write("(")
            self.visit(pair.key, frame)
            self.write(", ")
            self.visit(pair.value, frame)
            self.write("), ")
        self.write("))")

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx == "load":
            self._held(lambda: super(_Counting, self).visit_Tuple(node, frame))
        else:
            super().visit_Tuple(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.concat((")
        for part in node.nodes:
            self.write("environment.written(")
            self.visit(part, frame)
            self.write("), ")
        self.write("))")

    def _counted(self, write: Any) -> None:
        self.write("environment.counted(")
        write()
        self.write(")")

    def _held(self, write: Any) -> None:
        self.write("environment.held(")
        write()
        self.write(")")

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        return f"environment.literal({''.join(group)!r})"

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write("environment.written(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write(")")


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Compiles and runs templates; one run at a time, each within its ``budget``."""

    code_generator_class = _Counting
    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self) -> None:
        # Block handling and extensions as in transformers, whose templates count on them.
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, loop_controls],
            optimized=False,  # a list worked out beforehand would not know its literals
        )
        self.budget = Budget()
        """Of the run that goes on."""
        self.filters = admitted_filters(self)
        self.tests = self.tests | {"in": lambda value, values: value in self.searched(values)}
        self.globals = {
            "range": _range,
            "namespace": Namespace,
            "cycler": Cycler,
            "joiner": Joiner,
            "dict": dict,
            "raise_exception": _raise_exception,
        }

    # --- what compiled templates call ---------------------------------------------------------

    def literal(self, text: str) -> OwnText:
        """A text that stands in the template."""
        self.budget.spend()
        return OwnText.literal(text)

    def counted(self, value: Any) -> Any:
        """Count one operation."""
        self.budget.spend()
        return value

    def held(self, value: Any) -> Any:
        """Count a list or object."""
        self.budget.hold(value)
        return value

    def made(self, pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
        """The object of keys and values that stand in the template."""
        self.budget.alike(key for key, _ in pairs)
        value = dict(pairs)
        self.budget.hold(value)
        return value

    def searched(self, values: Any) -> Any:
        """What a value is looked for in."""
        return _Numbers(self.budget, values) if isinstance(values, range) else values

    @property
    def passes(self) -> bool:
        """True; counts one value that a loop looks at."""
        self.budget.spend()
        return True

    def concat(self, parts: Iterable[str]) -> str:
        """Join texts that were written."""
        pieces = list(parts)
        self.budget.make(sum(map(len, pieces)))
        return joined(pieces)

    def written(self, value: Any) -> str:
        """The text of a value. Raises TemplateError for what has none that is the same always."""
        if isinstance(value, str):
            return value
        if value is None or isinstance(value, bool | int | float | Undefined):
            self.budget.spend()
            return str(value)
        if isinstance(value, list | tuple | dict):
            self.budget.hold(value)
            return str(value)
        raise TemplateError(f"the template writes a {type(value).__name__}, which is no text")

    # --- the sandbox --------------------------------------------------------------------------

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Count an operation before it is done."""
        budget = self.budget
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * right if operator == "**" else left.bit_length()
            budget.integer(max(bits, left.bit_length() + right.bit_length()))
        elif operator == "+" and isinstance(left, str) and isinstance(right, str):
            return self.concat((left, right))
        elif operator == "*" and isinstance(left, int) != isinstance(right, int):
            times, many = (left, right) if isinstance(left, int) else (right, left)
            if isinstance(many, str):
                budget.make(len(many) * max(times, 0))
            elif isinstance(many, list | tuple) and len(many) * times > LONGEST_LIST:
                raise TemplateLimitError("the template makes too long a list")
        elif operator == "%" and isinstance(left, str):
            raise TemplateError("'%' of a text is not offered here; join texts with '~'")
        value = super().call_binop(context, operator, left, right)
        return self.held(value) if isinstance(value, list | tuple) else self.counted(value)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Call a function, macro or method, counted."""
        value = checked_call(
            __self.budget, __obj, super().call, (__context, __obj, *args), args, kwargs
        )
        return __self.held(value) if isinstance(value, list | tuple | dict) else value

    def call_test(self, *arguments: Any, **named: Any) -> Any:
        """A test that a filter makes of each of its values, counted."""
        self.budget.spend()
        return super().call_test(*arguments, **named)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An attribute or item, counted."""
        self.budget.spend()
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item or attribute, counted."""
        self.budget.spend()
        return super().getitem(obj, argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may have it: methods that chat templates use, and no other."""
        if isinstance(obj, _OF_THE_LANGUAGE):
            return super().is_safe_attribute(obj, attr, value)
        for kind, names in _METHODS.items():
            if isinstance(obj, kind):
                return attr in names
        return False

    def wrap_str_format(self, value: Any) -> Any:
        """Nothing: formatting is not offered."""
        return None

    def clock(self) -> Undefined:
        """``strftime_now``: not defined, so that templates that ask take the date they bring."""
        return self.undefined(
            "'strftime_now' is not offered: a prompt of the chain must not depend on a clock",
            name="strftime_now",
            exc=UndefinedError,
        )


class _Numbers:
    """A range in which a value is looked for: with all of it is compared what is no integer."""

    def __init__(self, budget: Budget, numbers: range) -> None:
        self._budget = budget
        self._numbers = numbers

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, int):
            self._budget.handle(self._numbers)
        return value in self._numbers


def _range(*arguments: int) -> range:
    found = range(*arguments)
    if len(found) > LONGEST_RANGE:
        raise TemplateLimitError(f"a range of more than {LONGEST_RANGE:,} numbers")
    return found


def _raise_exception(message: object) -> None:
    raise TemplateError(str(message)[:1000])


__all__ = ["SecurityError", "TemplateEnvironment", "TemplateError"]
