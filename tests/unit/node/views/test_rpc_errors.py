"""A row of the table lists the errors that the source of its function can raise."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import get_type_hints

import pytest

from esper.node.views import rpc_formats
from esper.node.views.rpc_node import rpc_node
from esper.rpc import errors as e
from esper.rpc import methods as m

CODES = {name: code for code, (name, _) in e.ERRORS.items()}


def functions(module: ModuleType) -> dict[str, ast.AST]:
    """The functions and methods of a module by their names, and those of the shared formats."""
    found: dict[str, ast.AST] = {}
    for source in (rpc_formats, module):
        for node in ast.walk(ast.parse(inspect.getsource(source))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[node.name] = node
    return found


def reached(name: str, known: dict[str, ast.AST], seen: set[str]) -> Iterator[ast.AST]:
    """A function, and those of its module that it names, however it comes to call them."""
    if name in seen:
        return
    seen.add(name)
    yield known[name]
    for node in ast.walk(known[name]):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=called) if called in known:
                yield from reached(called, known, seen)
            case ast.Name(id=called) if called in known:
                yield from reached(called, known, seen)


def raised(name: str, module: ModuleType) -> set[int]:
    """Numbers of the errors that are made on the way."""
    found = set()
    for function in reached(name, functions(module), set()):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RpcError":
                [code] = [part.id for part in node.args[:1] if isinstance(part, ast.Name)]
                found.add(CODES[code])
    return found


def answered() -> dict[str, set[int]]:
    """What each method's function can raise, by the wiring of the node."""
    parts = get_type_hints(rpc_node)
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(rpc_node))):
        match node:
            case ast.Call(func=ast.Name(id="answers"), args=[ast.Attribute(attr=row), function]):
                name = getattr(m, row).name
                found[name] = set[int]()
                match function:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="names"), attr=way)):
                        # A wrapper raises what it does, and what it is around.
                        module = inspect.getmodule(parts["names"])
                        assert module is not None
                        found[name] = raised(way, module)
                        [function] = function.args
                match function:
                    case ast.Attribute(value=ast.Name(id=part), attr=called):
                        module = inspect.getmodule(parts[part])
                        assert module is not None
                        found[name] |= raised(called, module)
                    case ast.Name(id=called):
                        module = inspect.getmodule(rpc_node)
                        assert module is not None
                        found[name] |= raised(called, module)
    return found


def test_the_wiring_is_read_whole() -> None:
    found = answered()
    assert found.keys() == m.METHODS.keys() - {m.DISCOVER.name}
    assert e.NOT_FOUND in found["get_block"]
    assert found["submit_transaction"] == {e.REFUSED, e.MEMPOOL_FULL}


@pytest.mark.parametrize("name", [name for name in m.METHODS if name != m.DISCOVER.name])
def test_a_row_lists_what_its_function_can_raise(name: str) -> None:
    # That what is listed is raised, too, is shown by `test_node_rpc.py`, case by case.
    assert answered()[name] <= set(m.METHODS[name].errors)
