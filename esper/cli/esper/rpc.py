"""`esper rpc`: any method of the node, its answer as JSON."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from difflib import get_close_matches
from typing import Annotated, Any, Final

import msgspec
import typer

from esper.cli.esper import environment
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, Session, session
from esper.cli.esper.typed_ids import check_utf8
from esper.rpc.client import NodeError, NodeUnreachableError
from esper.rpc.errors import METHOD_NOT_FOUND
from esper.rpc.method import Method
from esper.rpc.methods import METHODS
from esper.rpc.strict_json import StrictJsonError, read_json
from esper.wallet.errors import MisuseError

MAX_INPUT_BYTES: Final = 1 << 20
ANSWER_S: Final = 30
BLOCKS_S: Final = 3600
"""For methods that take as long as blocks take."""

_NAMED: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL | re.ASCII)

Params = dict[str, Any] | list[Any]


def rpc_command(
    method: Annotated[
        str | None, typer.Argument(help="Name of a method; lists all without it.")
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Argument(help="NAME=VALUE…, or a JSON object or array, or - to read it from stdin."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds; 30, and an hour where blocks are mined.")
    ] = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Ask the node by method; values are JSON, or text where they are none."""
    with session(datadir, None, as_json) as s:
        if method is None:
            _list(s)
            return
        known = METHODS.get(method)
        given = _params(known, params or [])
        awaits = known is not None and known.awaits_blocks
        limit = timeout or (BLOCKS_S if awaits else ANSWER_S)
        answer = _asked(s, method, given, limit)
        # As it came: numbers keep their digits, and nothing in a text steers the terminal.
        shown = _formatted(answer, as_json)
        typer.echo("".join(map(_escaped, shown)))


def _list(s: Session) -> None:
    """All methods and what they take."""
    rows = list(METHODS.values())
    width = max(len(row.name) for row in rows) + 2
    lines = [f"{row.name:{width}}{row.about}{_taken(row)}" for row in rows]
    document = [
        {"name": row.name, "params": list(row.fields), "about": row.about, "token": row.needs_token}
        for row in rows
    ]
    s.answer({"methods": document}, *lines)


def _taken(row: Method[Any, Any]) -> str:
    """The parameters of a method, those that may be left out in brackets."""
    parts = msgspec.structs.fields(row.request)
    names = [f"{one.name}=" if one.required else f"[{one.name}=]" for one in parts]
    return f" {' '.join(names)}" if names else ""


def _asked(s: Session, method: str, params: Params, timeout_s: float) -> bytes:
    """The node's answer. Raises MisuseError for a method that neither node nor program knows."""
    try:
        with environment.rpc_client(s.datadir, timeout_s) as client:
            return client.ask(method, params)
    except NodeUnreachableError:
        if method in METHODS:
            raise
    except NodeError as error:
        if error.code != METHOD_NOT_FOUND:
            raise
    near = get_close_matches(method, METHODS, n=3, cutoff=0.5)
    named = f"did you mean {' or '.join(near)}? " if near else ""
    raise MisuseError(f"there is no method {method[:40]!r}: {named}{s.command('rpc')} lists all")


def _params(known: Method[Any, Any] | None, words: list[str]) -> Params:
    """Parameters as they are sent. Raises MisuseError."""
    for word in words:
        check_utf8(word, "parameter")
    if len(words) == 1 and (words[0] == "-" or words[0].lstrip()[:1] in ("{", "[")):
        return _whole(words[0])
    found: dict[str, Any] = {}
    for word in words:
        named = _NAMED.fullmatch(word)
        if named is None:
            raise MisuseError(
                f"parameter {word[:40]!r}: write NAME=VALUE, or all of them as one JSON object or "
                "array"
            )
        if named[1] in found:
            raise MisuseError(f"parameter {named[1]} is given twice")
        found[named[1]] = _value(known, named[1], named[2])
    return found


def _whole(text: str) -> Params:
    data = environment.standard_input(MAX_INPUT_BYTES) if text == "-" else text.encode()
    if len(data) > MAX_INPUT_BYTES:
        raise MisuseError("the parameters are more than 1 MiB: no method takes so much")
    try:
        found = read_json(data)
    except StrictJsonError as error:
        raise MisuseError(f"parameters: {str(error).removeprefix('body ')}") from None
    if not isinstance(found, dict | list):
        raise MisuseError("the parameters must be a JSON object or array")
    return found


def _value(known: Method[Any, Any] | None, name: str, text: str) -> Any:
    """JSON, or the text itself where it is none or the method wants a text."""
    candidates: list[Any] = []
    with suppress(StrictJsonError):
        candidates.append(read_json(text.encode()))
    candidates.append(text)
    parts = msgspec.structs.fields(known.request) if known is not None else ()
    wanted = next((part.type for part in parts if part.name == name), Any)
    for candidate in candidates:
        try:
            msgspec.convert(candidate, wanted)
        except msgspec.ValidationError:
            continue
        return candidate
    return candidates[0]


def _formatted(answer: bytes, compact: bool) -> str:
    with suppress(msgspec.DecodeError, RecursionError):
        answer = msgspec.json.format(answer, indent=0 if compact else 2)
    return answer.decode("utf-8", "replace")


def _escaped(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    return json.dumps(character)[1:-1]
