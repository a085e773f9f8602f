"""Every field that a request may have, and what becomes of it: the tables of the gateway's page.

Null passes everywhere. A field that no row names is refused as ``unknown_parameter``.
"""

from dataclasses import dataclass
from typing import Final

from esper.gateway.requests import readers
from esper.gateway.requests.asked import Endpoint
from esper.gateway.requests.draft import Draft
from esper.gateway.requests.rules import (
    DraftRule,
    Table,
    all_of,
    flag,
    inside,
    neutral,
    nothing,
    one_of,
    refused,
)


@dataclass(frozen=True, slots=True)
class Row:
    """Fields that share a rule."""

    fields: tuple[str, ...]
    rule: DraftRule
    says: str
    """What passes, for the page."""


_NO_TOOLS: Final = refused("the model's template knows no tools; leave it out")
_TEXT_ALONE: Final = refused("models here read and write text alone; leave it out")
_FORGETS: Final = refused("no conversation is kept; send all of its messages")
_NO_REASONING: Final = "models here do not reason apart from their answer"

_TEXT: Final[Table[Draft]] = {
    "format": readers.text_format,
    "verbosity": one_of(("medium",), "there is one greedy answer"),
}
_REASONING: Final[Table[Draft]] = {
    "effort": one_of(("none",), _NO_REASONING),
    "summary": refused(_NO_REASONING),
    "generate_summary": refused(_NO_REASONING),
}

SHARED: Final = (
    Row(("model",), readers.model, "1 to 128 characters"),
    Row(("temperature",), neutral(0), "0; another is replaced for keys made --greedy-anyway"),
    Row(("top_p", "best_of"), neutral(1), "1; another is replaced for keys made --greedy-anyway"),
    Row(
        ("presence_penalty", "frequency_penalty"),
        neutral(0),
        "0; another is replaced for keys made --greedy-anyway",
    ),
    Row(("n",), neutral(1, sampling=False), "1"),
    Row(("logit_bias",), refused("only greedy answers can be proven; leave it out"), "empty"),
    Row(("tools", "functions"), _NO_TOOLS, "empty"),
    Row(
        ("tool_choice", "function_call"),
        one_of(("auto", "none"), "there are no tools"),
        "auto, none",
    ),
    Row(("response_format",), readers.text_format, "type text"),
    Row(("text",), inside(_TEXT), "format of type text, verbosity medium"),
    Row(("modalities",), all_of(("text",), "models here write text alone"), "text alone"),
    Row(("images", "audio"), _TEXT_ALONE, "empty"),
    Row(("prediction",), refused("an answer is computed, not compared; leave it out"), "empty"),
    Row(("web_search_options",), refused("nothing is looked up; leave it out"), "empty"),
    Row(("moderation",), refused("nothing is judged; leave it out"), "empty"),
    Row(("echo",), refused("put the prompt before the answer yourself"), "false"),
    Row(("suffix",), refused("models here write what follows; leave it out"), "empty"),
    Row(("name",), refused("templates know roles, not names; leave it out"), "empty"),
    Row(("background",), refused("an answer is given on the connection that asks"), "false"),
    Row(("conversation", "previous_response_id"), _FORGETS, "empty"),
    Row(("store",), refused("answers are not kept for later requests; send false"), "false"),
    Row(
        ("truncation",),
        one_of(("disabled",), "a prompt is answered whole or not at all"),
        "disabled",
    ),
    Row(("verbosity",), one_of(("medium",), "there is one greedy answer"), "medium"),
    Row(("reasoning",), inside(_REASONING), "effort none"),
    Row(("reasoning_effort",), one_of(("none",), _NO_REASONING), "none"),
    Row(
        ("max_tokens", "max_completion_tokens", "max_output_tokens"),
        readers.ceiling,
        "an integer ≥ 1; the least of them is a ceiling",
    ),
    Row(("stop",), readers.stop, "a string, or at most 4, of 1 to 64 characters"),
    Row(("stream",), readers.stream, "true, false"),
    Row(
        ("stream_options",),
        readers.stream_options,
        "with stream alone: include_usage, include_obfuscation",
    ),
    Row(
        (
            "seed",
            "user",
            "metadata",
            "safety_identifier",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "client_metadata",
            "keep_alive",
        ),
        nothing,
        "changes nothing",
    ),
    Row(
        ("service_tier",),
        one_of(("auto", "default"), "there is one tier of service"),
        "auto, default: change nothing",
    ),
    Row(("parallel_tool_calls",), flag, "true, false: change nothing"),
    Row(
        ("esper",),
        readers.wishes,
        "prove auto, always, never; wait instant, proven; max_price an integer ≥ 0",
    ),
)
"""Of chat completions, completions and responses alike."""

CHAT: Final = (
    Row(("messages",), readers.messages, "1 to 256, of text"),
    Row(("logprobs",), readers.logprobs, "true, false"),
    Row(("top_logprobs",), readers.top_logprobs, "0 to 20, with logprobs true"),
)
COMPLETIONS: Final = (
    Row(("prompt",), readers.completion_prompt, "one text, or one list of token ids"),
    Row(("logprobs",), readers.completion_logprobs, "0 to 5"),
)
RESPONSES: Final = (
    Row(("input",), readers.responses_input, "text, or 1 to 256 messages of text"),
    Row(("instructions",), readers.instructions, "text: a system message before all others"),
    Row(("prompt",), refused("no prompts are kept; send input"), "empty"),
    Row(
        ("include",),
        readers.include,
        "message.output_text.logprobs; reasoning.encrypted_content changes nothing",
    ),
    Row(("top_logprobs",), readers.top_logprobs, "0 to 20, with logprobs included"),
)

OPTIONS: Final = (
    Row(("temperature",), neutral(0), "0; another is replaced for keys made --greedy-anyway"),
    Row(
        ("top_p", "typical_p", "tfs_z", "repeat_penalty"),
        neutral(1),
        "1; another is replaced for keys made --greedy-anyway",
    ),
    Row(("top_k",), neutral(1, 0), "1, 0; another is replaced for keys made --greedy-anyway"),
    Row(
        ("min_p", "presence_penalty", "frequency_penalty", "mirostat"),
        neutral(0),
        "0; another is replaced for keys made --greedy-anyway",
    ),
    Row(("num_predict",), readers.num_predict, "an integer ≥ 1: a ceiling; -1, -2: none"),
    Row(("stop",), readers.stop, "a string, or at most 4, of 1 to 64 characters"),
    Row(
        (
            "seed",
            "num_ctx",
            "num_keep",
            "num_batch",
            "num_gpu",
            "main_gpu",
            "num_thread",
            "numa",
            "low_vram",
            "f16_kv",
            "vocab_only",
            "use_mmap",
            "use_mlock",
            "repeat_last_n",
            "penalize_newline",
            "mirostat_tau",
            "mirostat_eta",
        ),
        nothing,
        "changes nothing",
    ),
)
"""Of Ollama's ``options``."""


def table_of(*parts: tuple[Row, ...]) -> Table[Draft]:
    """Each field's rule by its name. Raises ValueError for a field with two."""
    found: dict[str, DraftRule] = {}
    for part in parts:
        for row in part:
            for name in row.fields:
                if name in found:
                    raise ValueError(f"{name} has two rules")
                found[name] = row.rule
    return found


OLLAMA: Final = (
    Row(("model",), readers.model, "1 to 128 characters, `:latest` is left out"),
    Row(("options",), inside(table_of(OPTIONS)), "an object, see below"),
    Row(("format",), refused("an answer is not forced into a form; leave it out"), "empty"),
    Row(("think",), refused(_NO_REASONING), "false"),
    Row(("stream",), readers.stream, "true, false; true where it is not there"),
    Row(("keep_alive",), nothing, "changes nothing"),
    Row(("logprobs",), readers.logprobs, "true, false"),
    Row(("top_logprobs",), readers.top_logprobs, "0 to 20, with logprobs true"),
    Row(("esper",), readers.wishes, "as above"),
)
"""Of Ollama's chat and generate alike."""
OLLAMA_CHAT: Final = (
    Row(("messages",), readers.messages, "1 to 256, of text"),
    Row(("tools",), _NO_TOOLS, "empty"),
)
OLLAMA_GENERATE: Final = (
    Row(("prompt",), readers.generate_prompt, "text, not empty: models are always loaded"),
    Row(("system",), readers.instructions, "text: a system message before the prompt"),
    Row(("raw",), readers.raw, "true: text as it is, without template"),
    Row(("suffix",), refused("models here write what follows; leave it out"), "empty"),
    Row(("images",), _TEXT_ALONE, "empty"),
    Row(("template",), refused("a model's template is part of it; use raw"), "empty"),
    Row(("context",), _FORGETS, "empty"),
)

TABLES: Final[dict[Endpoint, Table[Draft]]] = {
    Endpoint.CHAT: table_of(SHARED, CHAT),
    Endpoint.COMPLETIONS: table_of(SHARED, COMPLETIONS),
    Endpoint.RESPONSES: table_of(SHARED, RESPONSES),
    Endpoint.OLLAMA_CHAT: table_of(OLLAMA, OLLAMA_CHAT),
    Endpoint.OLLAMA_GENERATE: table_of(OLLAMA, OLLAMA_GENERATE),
}
