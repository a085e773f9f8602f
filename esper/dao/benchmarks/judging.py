"""What a judge reads of a judged item: question, the model's answer and the one given, both ways.

    J0 q J1 X J2 Y J3, then the same with X and Y exchanged

q is the item's prompt without BOS, X the answer without EOS, Y what is expected.
"""

from esper.dao.benchmarks.item import Item
from esper.dao.benchmarks.suite import Suite
from esper.primitives.model_entry import ModelEntry


def judge_prompts(
    suite: Suite, item: Item, text: tuple[int, ...], model: ModelEntry
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Token ids of both; ``text`` is the answer of ``model``, the one that is measured."""
    j0, j1, j2, j3 = suite.joints
    given = item.expected[0]
    asked = item.prompt[1:] if item.prompt[:1] == (model.bos,) else item.prompt
    head = (*j0, *asked, *j1)
    return (*head, *text, *j2, *given, *j3), (*head, *given, *j2, *text, *j3)
