"""Templates of strangers that would keep a node's thread, and with it all others, for minutes."""

import pytest

from esper.model.errors import TemplateRefusedError
from esper.model.templates.chat_template import ChatTemplate

CHAT = [{"role": "user", "content": "  Hi  "}]
# Long enough to cost far more than the limit, short enough that a failure is seen in seconds.
TEXT = "{% set a = 'a' * 80000 %}{% set b = 'ab' ~ 'a' * 40000 %}{% set c = 'b' * 80000 ~ 'a' %}"
RANGE = "{% set r = range(10000) %}"
AGAIN = "{% for i in range(500) %}{% set x = WHAT %}{% endfor %}"
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


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (f"{{% set l = [{ALIKE}] %}}{AGAIN.replace('WHAT', 'l|unique|list')}", "too many steps"),
        (f"{{% set d = {OBJECT} %}}", "keys that hash alike"),
        (f"{{% set d = dict({PAIRS}) %}}", "keys that hash alike"),
        (RANGE + AGAIN.replace("WHAT", "0.5 in r"), "too many steps"),
        (RANGE + AGAIN.replace("WHAT", "'a' not in r"), "too many steps"),
        (RANGE + AGAIN.replace("WHAT", "0.5 is in r"), "too many steps"),
        (RANGE + "{% set l = [0.5] * 6000 %}{{ l|select('in', r)|list|length }}", "too many steps"),
    ],
)
def test_what_is_compared_with_many_is_counted_so(source: str, reason: str) -> None:
    template = ChatTemplate(source)
    with pytest.raises(TemplateRefusedError, match=reason):
        template.render(CHAT)


def test_what_templates_do_is_still_offered() -> None:
    """A long message, cut as templates cut it."""
    template = ChatTemplate(
        "{{ messages[0].content.strip() }}{{ messages[0].content|trim }}"
        "{{ messages[0].content.rsplit('</think>')[-1].rstrip(' \\n\\t')|length }}"
        "{{ messages|selectattr('role', 'equalto', 'user')|list|length }}"
        "{% if 0 in range(9) and 9 not in range(9) and 1 is in [1] and 'H' is in 'Hi' %}"
        "{{ ([1, 2, 1] * 300)|unique|list|length }}{% endif %}"
    )
    assert template.render(CHAT) == "HiHi412"
    assert len(template.render([{"role": "user", "content": "x" * 500_000}])) == 1_000_008
