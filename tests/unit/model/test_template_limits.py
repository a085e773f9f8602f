"""A chat template is a stranger's program: none holds the node, fills its memory or leaves it."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from esper.model.errors import TemplateRefusedError
from esper.model.templates.chat_template import ChatTemplate
from tests.unit.model.test_chat_template import HI, TOKENS, VECTORS

LONG = "{% set a = 'ab' * 500000 %}"
GROWING = (
    "{% set ns = namespace(x=START) %}{% for i in range(99) %}{% set ns.x = NEXT %}{% endfor %}"
)


def growing(start: str, following: str) -> str:
    return GROWING.replace("START", start).replace("NEXT", following)


HOSTILE = {
    "nested loops": "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
    "filtered loops": "{% for i in range(9999) %}{% for j in range(9999) if false %}{% endfor %}"
    "{% endfor %}",
    "recursion": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "branching": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}"
    "{{ f(60) }}",
    "recursive loops": "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "doubled texts": growing("'ab'", "ns.x + ns.x") + "{{ ns.x }}",
    "joined texts": growing("'ab'", "ns.x ~ ns.x") + "{{ ns.x }}",
    "written texts": growing("'ab'", "[ns.x, ns.x] | join") + "{{ ns.x }}",
    "squares": growing("9", "ns.x * ns.x"),
    "powers": "{{ 10 ** 10 ** 10 }}{% set n = 10 ** 1000 %}{{ n ** n }}",
    "times": "{{ 'a' * 1000000000 }}",
    "times of a list": "{{ [1] * 1000000000 }}",
    "shared lists": growing("[1]", "[ns.x, ns.x]"),
    "shared objects": growing("{}", "dict(a=ns.x, b=ns.x)"),
    "shared names": growing("namespace()", "namespace(a=ns.x, b=ns.x)") + "{{ ns.x }}",
    "shared names as text": growing("namespace()", "namespace(a=ns.x, b=ns.x)")
    + "{{ ns.x | string }}",
    "shared names in a list": growing("namespace()", "namespace(a=ns.x, b=ns.x)") + "{{ [ns.x] }}",
    "kept texts": LONG
    + "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = ns.l + [a ~ i] %}"
    "{% endfor %}",
    "replaced": LONG + "{{ a | replace('a', a) }}",
    "replaced by a method": LONG + "{{ a.replace('a', a) }}",
    "joined with": LONG + "{{ range(9999) | join(a) }}",
    "joined by a method": LONG + "{{ a.join(['x'] * 60000) }}",
    "searched": LONG + "{% for i in range(9999) %}{% if 'b' * 999 in a %}{% endif %}{% endfor %}",
    "cut": LONG + "{% for i in range(9999) %}{% set z = a[1:] %}{% endfor %}",
    "split": LONG + "{% for i in range(9999) %}{% set z = a.split('b') %}{% endfor %}",
    "sorted": "{% set l = range(9999) | list %}{% for i in range(9999) %}{% set z = l | sort %}"
    "{% endfor %}",
    "looked through": "{% set l = range(9999) | list %}{% for i in range(9999) %}"
    "{% if -1 in l %}{% endif %}{% endfor %}",
    "mapped": "{% for i in range(9999) %}{% set z = range(9999) | map('string') | list %}"
    "{% endfor %}",
    "a long range": "{{ range(1000000) | list }}",
    "padded": "{{ 'a' | center(1000000000) }}",
    "padded by a method": "{{ 'a'.ljust(1000000000) }}{{ 'a'.zfill(1000000000) }}",
    "tabs": "{{ '\t'.expandtabs(1000000000) }}",
    "formatted": "{{ '%1000000000d' % 1 }}",
    "formatted by a method": "{{ '{:1000000000}'.format(1) }}",
    "indented": "{{ 'a\nb' | indent(1000000000) }}",
    "indented JSON": "{{ [1, 2] | tojson(indent=1000000000) }}",
    "rounded": "{{ 1.5 | round(100000000, 'floor') }}",
    "bytes": "{{ (1).to_bytes(1000000000) }}",
    "translated": "{{ ('a' * 99999).translate({97: 'b' * 99999}) }}",
    "prose": "{{ lipsum(n=1000000) }}",
    "other files": "{% include 'x' %}",
    "changed messages": "{{ messages.append(1) }}",
    "a wrong number": "{{ 1 / 0 }}",
    "nothing": "{{ x.y.z }}",
    "an address": "{{ range }}",
}


HUNGRY = (
    *("doubled texts", "joined texts", "written texts", "times", "times of a list", "kept texts"),
    *("replaced", "replaced by a method", "joined with", "joined by a method", "tabs", "padded"),
    *("padded by a method", "formatted", "formatted by a method", "bytes", "translated"),
)


@pytest.mark.serial
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_refused_soon(name: str) -> None:
    started = time.process_time()
    with pytest.raises(TemplateRefusedError) as refused:
        ChatTemplate(HOSTILE[name], TOKENS).render(HI)
    assert time.process_time() - started < 5, "half a second on an idle machine"
    assert "\n" not in str(refused.value)


@pytest.mark.serial
@pytest.mark.parametrize("name", HUNGRY)
def test_a_hungry_template_gets_little_memory(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TemplateRefusedError):
            ChatTemplate(HOSTILE[name], TOKENS).render(HI)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 128 << 20


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ raise_exception.__globals__ }}",
        "{{ namespace.__init__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ ('' | attr('__class__')) if false }}",
        "{{ 'a'.mask }}",
        "{{ 'a'.literal }}",
        "{{ self._TemplateReference__context }}",
        "{{ loop.__class__ }}",
    ],
)
def test_nothing_of_python_is_reached(source: str) -> None:
    try:
        text = ChatTemplate(source).render(HI)
    except TemplateRefusedError:
        return
    assert text == "", "undefined"


def test_refusals_do_not_wear_a_template_out() -> None:
    template = ChatTemplate("{% for i in range(messages[0].content | int) %}{% endfor %}ok")
    slow = [{"role": "user", "content": "9999"}]
    for _ in range(40):
        assert template.render(slow) == "ok"


@pytest.mark.parametrize(
    "name", [n for n in VECTORS["templates"] if n not in ("json", "mistral", "cohere")]
)
def test_long_chats_are_within_the_limits(name: str) -> None:
    """As long as the longest model reads, in as many messages as the RPC takes."""
    roles = ("user", "assistant")
    words = "once upon a time there was a child. " * 140
    chat = [{"role": roles[i % 2], "content": words} for i in range(64)]
    text = ChatTemplate(VECTORS["templates"][name], TOKENS).render(chat)
    assert len(text) > 64 * len(words) - 200


def test_one_message_of_the_longest_kind_is_within_the_limits() -> None:
    for name, source in VECTORS["templates"].items():
        content = "x y\n" * 16_384
        text = ChatTemplate(source, TOKENS).render([{"role": "user", "content": content}])
        assert len(text) > 65_000 or name == "json"
