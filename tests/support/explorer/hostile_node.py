"""A node each of whose texts was written by somebody who wants to break its pages."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from esper.rpc.port import Answer, answers
from tests.support.node.fake_node import FakeNode

MARKUP: Final = (
    "</title></dl></table></section></main></body></html><h1>Mine</h1>"
    "<script>globalThis.taken = 1</script><img src='//evil.example/x' onerror='globalThis.taken=2'>"
    "<svg onload='globalThis.taken=3'><iframe src='javascript:alert(4)'></iframe>"
    "<a href='javascript:alert(5)'>x</a>\" ' onmouseover=alert(6) x='<style>*{display:none}</style>"
    "<meta http-equiv=refresh content='0;url=//evil.example'><base href='//evil.example/'>"
    "{{ 7 * 7 }} {% raw %} ${7 * 7} <!-- <form action='//evil.example'><input name=q>"
)
UNSEEN: Final = (
    "\u202egnp.exe\u202c \u2066left\u2069 \u200fmark\u061c \ufeffz\u200bero\u2060w\u00ad "
    "\u2028next\u2029 \x1b[31mred\x1b[0m\x07 \x1b]8;;http://evil.example\x07link\x9b "
    "\x00nul\x7f \U000e0041tag"
)
ENDLESS: Final = "endless" * 15_000
"""100 kB without a blank."""
HOSTILE_TEXTS: Final = {"markup": f"{MARKUP}\n{UNSEEN}\n" * 3, "long": ENDLESS}
"""What strangers write, by what is wrong with it."""

_PLAIN: Final = re.compile(r"[0-9a-f]*|-?[0-9.]+|[a-z]+1[a-z0-9]{20,}|/.*|[A-Za-z0-9+/=]{80,}")
_STRANGERS: Final = frozenset(
    {"prompt", "answer", "about", "reason", "agent", "then", "why_not_synced", "dao_next"}
)
"""Fields that hold what others wrote; the rest are words of the node's own."""


class HostileNode(FakeNode):
    """Answers the examples with other texts: ids, numbers and addresses stay what they are."""

    text: str = ""
    """Of strangers; empty: the examples as they are."""

    def _noted(self, answer: Answer) -> Answer:
        plain = super()._noted(answer)

        async def hostile(request: Any) -> Any:
            reply = await plain.function(request)
            return reply if not self.text else _broken(reply, self.text)

        return answers(answer.method, hostile)


def _broken(reply: Any, text: str) -> Any:
    if isinstance(reply, list):
        return [_broken(one, text) for one in reply]
    return msgspec.convert(_changed(msgspec.to_builtins(reply), text), type(reply))


def _changed(value: Any, text: str, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _changed(one, text, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_changed(one, text, name) for one in value]
    if name in _STRANGERS and (value is None or isinstance(value, str)):
        return text
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return MARKUP
    return value
