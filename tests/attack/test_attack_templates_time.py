"""Templates of strangers that would keep a node's thread, and with it all others, for minutes."""

import pytest

from esper.model.errors import TemplateRefusedError
from esper.model.templates.chat_template import ChatTemplate

CHAT = [{"role": "user", "content": "  Hi  "}]
# Long enough to cost far more than the limit, short enough that a failure is seen in seconds.
TEXT = "{% set a = 'a' * 80000 %}{% set b = 'ab' ~ 'a' * 40000 %}{% set c = 'b' * 80000 ~ 'a' %}"
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


def test_what_templates_do_is_still_offered() -> None:
    """A long message, cut as templates cut it."""
    template = ChatTemplate(
        "{{ messages[0].content.strip() }}{{ messages[0].content|trim }}"
        "{{ messages[0].content.rsplit('</think>')[-1].rstrip(' \\n\\t')|length }}"
        "{{ messages|selectattr('role', 'equalto', 'user')|list|length }}"
    )
    assert template.render(CHAT) == "HiHi41"
    assert len(template.render([{"role": "user", "content": "x" * 500_000}])) == 1_000_007
