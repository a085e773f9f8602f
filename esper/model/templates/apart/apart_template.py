"""A model's chat template as others use it, run in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from esper.model.templates.apart.template_process import TemplateProcess, too_long
from esper.model.templates.chat_template import TemplateSource


class ApartTemplate:
    """Lays out messages as ``ChatTemplate`` does; nothing of the template runs here."""

    def __init__(self, template: TemplateSource, process: TemplateProcess) -> None:
        self._template = template
        self._process = process
        self._reason = too_long(template)

    @property
    def reason(self) -> str:
        """Why it cannot be used, as far as is known without running it; empty if nothing is."""
        return self._reason

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """As ``TemplateProcess.render``, with the same errors."""
        return self._process.render(self._template, messages)
