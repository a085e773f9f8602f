"""Templates of strangers that would keep a node's thread, and with it all others, for minutes."""

import time

import pytest

from esper.model.errors import TemplateRefusedError
from esper.model.templates.chat_template import ChatTemplate

CHAT = [{"role": "user", "content": "  Hi  "}]
# Long enough to cost far more than the limit, short enough that a failure is seen in seconds.
TEXT = "{% set a = 'a' * 80000 %}{% set b = 'ab' ~ 'a' * 40000 %}{% set c = 'b' * 80000 ~ 'a' %}"
RANGE = "{% set r = range(10000) %}"
AGAIN = "{% for i in range(500) %}{% set x = WHAT %}{% endfor %}"
SECONDS = 2
"""Of a processor, for all of it; what is counted too late takes three and more."""
LISTS = "{% set l = [0] * 6000 %}{% set m = [1] * 6000 %}{% set t = ['bc'] * 3000 %}"


@pytest.mark.parametrize(
    "written",
    [
        "a.rfind(b)",
        "a.rsplit(b)|length",
        "a.rsplit(sep=b)|length",
        "a.rpartition(b)|length",
        "a.strip(c)",
        "a.rstrip(c)",
        "a|trim(c)",
        "a|trim(chars=c)",
    ],
)
def test_a_search_from_the_end_costs_the_product_of_both_lengths(written: str) -> None:
    template = ChatTemplate(f"{TEXT}{{{{ {written} }}}}")
    with pytest.raises(TemplateRefusedError, match="too many steps"):
        template.render(CHAT)


@pytest.mark.parametrize("written", ["l|select('in', m)", "t|reject('in', 'ab' * 100000)"])
def test_a_test_that_a_filter_makes_is_counted_for_each_value(written: str) -> None:
    template = ChatTemplate(f"{LISTS}{{{{ {written}|list|length }}}}")
    with pytest.raises(TemplateRefusedError, match="too many steps"):
        template.render(CHAT)


ALIKE = ", ".join(str(number * (2**61 - 1)) for number in range(1, 4500))
"""Numbers of one hash."""
OBJECT = "{" + ALIKE.replace(",", ": 1,") + ": 1}"
PAIRS = "[" + ", ".join(f"({number * (2**61 - 1)}, 1)" for number in range(1, 4000)) + "]"


MADE = ", ".join(f"m*{number}:0" for number in range(1, 8000))
"""Keys of one hash that are no literals."""


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (f"{{% set l = [{ALIKE}] %}}{AGAIN.replace('WHAT', 'l|unique|list')}", "too many steps"),
        (f"{{% set d = {OBJECT} %}}", "keys that hash alike"),
        (f"{{% set d = dict({PAIRS}) %}}", "keys that hash alike"),
        (f"{{% set n = namespace({PAIRS}) %}}", "keys that hash alike"),
        ("{% set m = 2305843009213693951 %}{% set d = {MADE} %}", "keys that hash alike"),
        ("{% set n = namespace(range(3)) %}", "an object is made of pairs"),
        (RANGE + AGAIN.replace("WHAT", "0.5 in r"), "too many steps"),
        (RANGE + AGAIN.replace("WHAT", "'a' not in r"), "too many steps"),
        (RANGE + AGAIN.replace("WHAT", "0.5 is in r"), "too many steps"),
        (RANGE + "{% set l = [0.5] * 6000 %}{{ l|select('in', r)|list|length }}", "too many steps"),
    ],
)
def test_what_is_compared_with_many_is_counted_so(source: str, reason: str) -> None:
    template = ChatTemplate(source.replace("MADE", MADE))
    began = time.process_time()
    with pytest.raises(TemplateRefusedError, match=reason):
        template.render(CHAT)
    assert time.process_time() - began < SECONDS


def test_what_templates_do_is_still_offered() -> None:
    """A long message, cut as templates cut it."""
    template = ChatTemplate(
        "{{ messages[0].content.strip() }}{{ messages[0].content|trim }}"
        "{{ messages[0].content.rsplit('</think>')[-1].rstrip(' \\n\\t')|length }}"
        "{{ messages|selectattr('role', 'equalto', 'user')|list|length }}"
        "{% if 0 in range(9) and 9 not in range(9) and 1 is in [1] and 'H' is in 'Hi' %}"
        "{{ ([1, 2, 1] * 300)|unique|list|length }}{% endif %}"
        "{% set n = namespace(a=1, b={'c': 2, 1 + 1: 3}) %}{% set n.a = n.b.c %}{{ n.a + n.b[2] }}"
        "{{ dict([('a', 4)], b=5).b }}{{ dict({'a': 6}).a }}"
        "{% set r = range(10000) %}{% for i in range(200) if i not in r %}x{% endfor %}"
    )
    assert template.render(CHAT) == "HiHi412556"
    assert len(template.render([{"role": "user", "content": "x" * 500_000}])) == 1_000_011
