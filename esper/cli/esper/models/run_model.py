"""`esper model run`: continue a text or answer a chat, word by word as they are known."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from esper.cli.esper.models.chat_input import input_tokens
from esper.cli.esper.models.max_tokens import DEFAULT_MAX_TOKENS, MaxTokens
from esper.cli.esper.models.model_argument import MODEL_ARGUMENT
from esper.cli.esper.models.text_arguments import refuse, utf8_text

if TYPE_CHECKING:
    from esper.model.answers.answer_text import AnswerText

_CHAT_TOKENS: Final = 256
"""Longest answer in a chat where nothing is said: it ends by itself before."""
_errors = Console(stderr=True)


def run_command(
    context: typer.Context,
    directory: Annotated[Path, MODEL_ARGUMENT],
    prompt: Annotated[
        str, typer.Option(help="Text to continue; with --chat, message.", callback=utf8_text)
    ],
    chat: Annotated[
        bool,
        typer.Option(
            "--chat",
            help="Answer by the model's chat template, to the end of the answer: "
            f"{_CHAT_TOKENS} tokens at most, unless --max-tokens says so.",
        ),
    ] = False,
    system: Annotated[
        str | None,
        typer.Option(help="With --chat: what the model is told beforehand.", callback=utf8_text),
    ] = None,
    max_tokens: MaxTokens = DEFAULT_MAX_TOKENS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Continue a text, or answer a chat, greedily with exact integer inference."""
    from esper.model import ModelError, load_model
    from esper.model.answers.answer_pieces import AnswerDecoder
    from esper.model.answers.answer_text import AnswerText

    if system is not None and not chat:
        raise typer.BadParameter("is for --chat alone", param_hint="--system")
    try:
        with _errors.status("loading the model"):
            model = load_model(directory)
            tokens, ends = input_tokens(directory, model, prompt, system, chat=chat)
        started = time.perf_counter()
        answer, write = AnswerText(AnswerDecoder(model.tokenizer), tokens), _writer(as_json)
        if not chat and not as_json:
            _write(prompt)
        source = context.get_parameter_source("max_tokens")
        if chat and source is not None and source.name == "DEFAULT":
            max_tokens = max(1, min(_CHAT_TOKENS, model.shape.max_seq - len(tokens) + 1))
        model.answer(tokens, max_tokens, _taking(answer, ends, write))
        write(answer.end())
        seconds = time.perf_counter() - started
    except (ModelError, OSError) as error:
        refuse(error, as_json=as_json)
    if not as_json:
        typer.echo("")
        return
    typer.echo(
        json.dumps(
            {
                "integers_hash": model.integers_hash.hex(),
                "prompt_tokens": tokens,
                "answer_tokens": answer.tokens,
                "text": model.decode(tokens, answer.tokens),
                "seconds": round(seconds, 6),
            }
        )
    )


def _taking(
    answer: AnswerText, ends: frozenset[int], write: Callable[[str], None]
) -> Callable[[int], bool]:
    def take(token: int) -> bool:
        write(answer.add(token))
        return token not in ends

    return take


def _writer(as_json: bool) -> Callable[[str], None]:
    return (lambda text: None) if as_json else _write


def _write(text: str) -> None:
    typer.echo(text, nl=False)
    sys.stdout.flush()
