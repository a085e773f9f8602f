"""What a model, or somebody who asks one, may write to a page."""

from collections.abc import Sequence

from esper.node.calls.text_service import TextService
from esper.primitives.params import NetworkParameters
from tests.support.node.node_world import SpelledText

BIDI = "\u202egnp.exe\u202c \u2066left\u2069 \u200fmark\u061c"
LONG_LINE = "wide" * 16_384
"""64 KiB without a blank."""
HOSTILE = (
    "<script>globalThis.taken = 1</script><img src=x onerror='globalThis.taken = 2'>",
    "javascript:globalThis.taken=3 [link](javascript:alert(1)) <a href='javascript:alert(1)'>x</a>",
    BIDI,
    "a\x00b\x07c\x1b[31mred\x1b[0m\x7f\x9b",
    LONG_LINE,
    "</div></details></main></body></html><h1>Mine</h1>",
    "{{ 7 * 7 }} {% raw %} &lt;b&gt; \"' ' onmouseover=alert(1) x='",
    "line one\nline two\n\ndata: [DONE]\n\n\tcolumn\u2028next\ufeff",
    "Once upon a time, there was a little girl named Lily. She liked to play in the garden.",
)
"""Texts, the last of which is harmless."""


class HostileText(SpelledText):
    """Writes one of the hostile texts, by the first token of what is to be written."""

    def text(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        return HOSTILE[(answer[-1] if answer else 0) % len(HOSTILE)]


def hostile_texts(params: NetworkParameters) -> TextService:
    """Texts of the fake model."""
    return TextService({params.model.model_id: HostileText()})  # type: ignore[dict-item]
