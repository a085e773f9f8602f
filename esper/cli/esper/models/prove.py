"""`esper prove`, and `esper verify` of a proof: the check that needs no weights.

`verify` ends with 0 if the proof is valid, 1 if it is not, and 2 if there is nothing to judge: a
file that cannot be read is no forgery.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from esper.cli.esper.models.chat_input import input_tokens
from esper.cli.esper.models.max_tokens import DEFAULT_MAX_TOKENS, MaxTokens
from esper.cli.esper.models.model_argument import MODEL_ARGUMENT
from esper.cli.esper.models.out_file import Force, OutFileError, check_out, write_out
from esper.cli.esper.models.proving_progress import (
    Progress,
    TooLittleMemoryError,
    apart,
    check_memory,
    memory_line,
    shown,
    status,
)
from esper.cli.esper.models.segments import Segments, Wish, Workers, prove_segments, segment_lines
from esper.cli.esper.models.text_arguments import refuse, utf8_text, utf8_texts
from esper.cli.esper.session import printable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from esper.prover import ProofPlan, Sequence, Statement

_UNBOUND = "00" * 64
_ANY_VOCABULARY = 1 << 32
"""The verifier's side has no model whose vocabulary a tokenizer could exceed."""


def unreadable(file: Path, error: OSError, as_json: bool) -> NoReturn:
    """A file that nothing can be said of: neither valid nor forged."""
    message = f"{file} is unreadable: {error.strerror or error}"
    refuse(message, as_json=as_json, name="UnreadableFileError", status=2)


def identifier(text: str, option: str) -> bytes:
    """Decode 64 bytes of hexadecimal; a misuse (status 2) names the option."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        raise typer.BadParameter("not hexadecimal", param_hint=option) from None
    if len(value) != 64:
        raise typer.BadParameter(f"{len(value)} bytes, must be 64", param_hint=option)
    return value


def prove_command(
    directory: Annotated[Path, MODEL_ARGUMENT],
    prompt: Annotated[
        list[str], typer.Option(help="Text to continue; repeat for a batch.", callback=utf8_texts)
    ],
    out: Annotated[Path, typer.Option(help="File to write: statement and proof.")],
    chat: Annotated[
        bool, typer.Option("--chat", help="Prompts are messages: answer by the chat template.")
    ] = False,
    system: Annotated[
        str | None,
        typer.Option(help="With --chat: what the model is told beforehand.", callback=utf8_text),
    ] = None,
    max_tokens: MaxTokens = DEFAULT_MAX_TOKENS,
    binding: Annotated[
        str, typer.Option(help="64 bytes in hexadecimal that the proof is valid for alone.")
    ] = _UNBOUND,
    any_memory: Annotated[
        bool, typer.Option("--any-memory", help="Begin even if the memory seems too little.")
    ] = False,
    segments: Segments = None,
    workers: Workers = 1,
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Answer prompts greedily with exact integer inference, and prove every token of it.

    What it takes is said before it begins; ctrl-C ends it at any time and leaves no file. With
    --segments the model is proven as parts of a few layers each, which takes the memory of the
    largest part alone; the model is then known by another id.
    """
    from esper.prover import ProofError, planned, prepare_memory, proof_file, prove

    if segments is None and workers != 1:
        raise typer.BadParameter("is for --segments alone", param_hint="--workers")
    if segments is None:
        # Beside what this thread has yet to import and to read.
        prepare_memory()
    from esper.model import load_model
    from esper.model.errors import ModelError
    from esper.prover.free_memory import free_memory
    from esper.prover.parts import CutModel, PartsPlan

    bound_to = identifier(binding, "--binding")
    if system is not None and not chat:
        raise typer.BadParameter("is for --chat alone", param_hint="--system")
    try:
        check_out(out, force=force)
        with status("loading the model"):
            model = load_model(directory)
            prompts = [
                input_tokens(directory, model, text, system, chat=chat)[0] for text in prompt
            ]
            cut = None if segments is None else CutModel(directory, model.native, segments)
            plan: ProofPlan | PartsPlan
            if cut is None:
                plan = planned(model.native, prompts, max_tokens)
            else:
                plan = cut.planned(prompts, max_tokens, workers)
        if isinstance(plan, PartsPlan):
            for line in segment_lines(plan):
                typer.echo(line, err=True)
        elif sys.stderr.isatty():
            typer.echo(memory_line(plan), err=True)
        if not any_memory:
            check_memory(plan, free_memory())
        tokenizer = model.tokenizer
        started = time.perf_counter()
        progress = Progress(plan)
        with shown(progress):
            if cut is None:
                statement, proof = apart(
                    lambda: prove(
                        model, prompts, max_answer=max_tokens, binding=bound_to, done=progress.done
                    )
                )
            else:
                wish = Wish(prompts, max_tokens, bound_to, workers, progress.done)
                whole = [cut]
                # Nothing here holds the whole model while its parts are proven.
                del cut, model
                statement, proof = apart(lambda: prove_segments(whole, wish))
        seconds = time.perf_counter() - started
        in_parts = segments is not None
        write_out(out, proof_file.encode(statement, proof, in_parts=in_parts), force=force)
    except (
        *(ModelError, OutFileError, ProofError, TooLittleMemoryError),
        *(ImportError, OSError, ValueError),
    ) as error:
        refuse(error, as_json=as_json)
    fields = _described(statement, tokenizer) | {
        "file": str(out),
        "proof_bytes": len(proof),
        "seconds": round(seconds, 3),
        "memory_bytes": plan.memory_bytes,
    }
    if as_json:
        typer.echo(json.dumps(fields))
        return
    _print_sequences(fields["sequences"])
    typer.echo(f"model id   {fields['model_id']}")
    typer.echo(f"proof      {len(proof):,} bytes in {seconds:.2f} s, {statement.rows} rows each")
    typer.echo(f"written to {out}")


def verify_proof_file(
    file: Path,
    wanted_model: bytes,
    binding: str | None,
    tokenizer: Path | None,
    as_json: bool,
) -> None:
    """Check a proof against the 64 bytes of a model's id; ends the process with the status."""
    from esper.model.errors import ModelError
    from esper.model.tokenizer import load_tokenizer
    from esper.primitives.ids import ModelId
    from esper.prover import ProofError, Report, proof_file, verify
    from esper.prover.parts import PartsReport, verify_parts

    wanted_binding = None if binding is None else identifier(binding, "--binding")
    try:
        words = None if tokenizer is None else load_tokenizer(tokenizer, _ANY_VOCABULARY)
    except (ModelError, ImportError, OSError) as error:
        refuse(error, as_json=as_json, status=2)
    try:
        statement, proof, in_parts = proof_file.read_any(file)
    except ValueError as error:
        _forged(error, as_json)
    except OSError as error:
        unreadable(file, error, as_json)
    try:
        if statement.model_id != wanted_model:
            raise ValueError(f"the proof is about another model: {statement.model_id.hex()}")
        if wanted_binding is not None and statement.binding != wanted_binding:
            raise ValueError(f"the proof is bound to {statement.binding.hex()}")
        report: Report | PartsReport
        if in_parts:
            report = verify_parts(statement, ModelId(wanted_model), proof)
        else:
            report = verify(statement, proof)
    except ImportError as error:
        refuse(error, as_json=as_json, status=2)
    except (ProofError, ValueError) as error:
        _forged(error, as_json)
    fields = _described(statement, words) | {
        "valid": True,
        "security_bits": report.security_bits,
        "proof_bytes": report.proof_bytes,
        "milliseconds": report.milliseconds,
    }
    segments = ""
    if isinstance(report, PartsReport):
        fields["segments"] = count = len(report.parts)
        segments = f"{count} segment{'' if count == 1 else 's'}, "
    if as_json:
        typer.echo(json.dumps(fields))
        return
    _print_sequences(fields["sequences"])
    typer.echo(
        f"valid: {segments}{report.security_bits:.1f} bits of security, "
        f"{report.proof_bytes:,} bytes, "
        f"verified in {report.milliseconds:.1f} ms without the weights"
    )
    if in_parts:
        count, known = fields["segments"], segments.removesuffix(", ")
        typer.echo(
            f"of the model that is known in {known} by {statement.model_id.hex()}: "
            f"`esper model show DIR --segments {count}` says it of a folder"
        )
    if wanted_binding is None and statement.binding != bytes.fromhex(_UNBOUND):
        bound = statement.binding.hex()
        typer.echo(f"bound to {bound}: not compared, --binding HEX does that")


def _forged(error: ValueError, as_json: bool) -> NoReturn:
    """The file was read, and shows nothing: status 1."""
    if not as_json:
        refuse(f"invalid: {error}", as_json=as_json, name="Refused")
    typer.echo(json.dumps({"valid": False, "error": type(error).__name__, "reason": str(error)}))
    raise typer.Exit(1) from error


def _described(statement: Statement, tokenizer: Tokenizer | None) -> dict[str, Any]:
    """Return the statement as JSON values, with texts where a tokenizer is at hand."""
    return {
        "model_id": statement.model_id.hex(),
        "binding": statement.binding.hex(),
        "rows": statement.rows,
        "top_k": statement.top_k,
        "sequences": [_described_sequence(s, tokenizer) for s in statement.sequences],
    }


def _described_sequence(sequence: Sequence, tokenizer: Tokenizer | None) -> dict[str, Any]:
    from esper.model.tokenizer import decode_answer

    fields: dict[str, Any] = {
        "prompt": list(sequence.prompt),
        "answer": list(sequence.answer),
        "max_answer": sequence.max_answer,
        "top": [[list(pair) for pair in pairs] for pairs in sequence.top],
    }
    if tokenizer is not None:
        prompt, answer = list(sequence.prompt), list(sequence.answer)
        fields["prompt_text"] = tokenizer.decode(prompt)
        fields["answer_text"] = decode_answer(tokenizer, prompt, answer)
    return fields


def _print_sequences(sequences: list[dict[str, Any]]) -> None:
    for number, sequence in enumerate(sequences, start=1):
        if "answer_text" in sequence:
            typer.echo(f"[{number}] prompt  {printable(sequence['prompt_text'])}")
            typer.echo(f"[{number}] answer  {printable(sequence['answer_text'])}")
        # Beside the words as well: many lists of tokens read alike, and what is proven are these.
        typer.echo(f"[{number}] prompt tokens  {' '.join(map(str, sequence['prompt']))}")
        typer.echo(f"[{number}] answer tokens  {' '.join(map(str, sequence['answer']))}")
