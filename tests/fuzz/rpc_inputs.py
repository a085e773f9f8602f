"""Inputs for the RPC server: honest requests, and those in which a value or a byte is wrong."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from esper.rpc.methods import METHODS

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1 << 64,
    1e308,
    0.1,
    "",
    "a" * 200,
    "\u0000",
    "\ud800",
    "\U0001f600",
    "ab" * 64,
    [],
    {},
    [[[[]]]],
    {"": {}},
)
"""Values that some reader will not expect."""


def odd_value(chooser: random.Random) -> Any:
    """One of them, perhaps within a list or an object."""
    value = copy.deepcopy(chooser.choice(ODD))
    for _ in range(chooser.choice((0, 0, 0, 1, 40))):
        value = [value] if chooser.random() < 0.5 else {"a": value}
    return value


def request(chooser: random.Random) -> Any:
    """A request in which something may be odd."""
    name = chooser.choice([*METHODS, "unknown"])
    found: dict[str, Any] = {"jsonrpc": "2.0", "method": name, "id": chooser.randrange(100)}
    if name in METHODS and METHODS[name].example.params:
        found["params"] = METHODS[name].example.params
    for _ in range(chooser.choice((0, 1, 1, 2))):
        place = chooser.choice(["jsonrpc", "method", "id", "params", "params", "more"])
        if place == "params" and isinstance(found.get("params"), dict) and chooser.random() < 0.7:
            found["params"][chooser.choice([*found["params"], "more"])] = odd_value(chooser)
        else:
            found[place] = odd_value(chooser)
    return found


def body(chooser: random.Random) -> bytes:
    """A body: a request, a batch, or either with its bytes disturbed."""
    value = request(chooser)
    if chooser.random() < 0.3:
        value = [request(chooser) for _ in range(chooser.choice((0, 1, 3, 51)))]
    data = bytearray(json.dumps(value).encode())
    for _ in range(chooser.choice((0, 0, 0, 1, 5))):
        place = chooser.randrange(len(data) + 1)
        match chooser.randrange(3):
            case 0:
                data[place:place] = chooser.randbytes(chooser.choice((1, 4)))
            case 1:
                del data[place : place + chooser.choice((1, 20))]
            case _:
                data[place:place] = data[: chooser.choice((5, 500))]
    return bytes(data)
