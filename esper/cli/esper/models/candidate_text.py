"""What is told of a folder as a package: for programs, and as lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esper.cli.esper.models.text_arguments import shown_path
from esper.cli.esper.session import printable
from esper.wallet.amounts import counted

if TYPE_CHECKING:
    from esper.cli.esper.models.candidate import Candidate
    from esper.cli.esper.models.terms import Terms


def candidate_fields(folder: Path, found: Candidate, terms: Terms) -> dict[str, Any]:
    """One object. What a proposal would say is in it where the files are a model with a bank."""
    manifest, body = found.package.manifest, found.body
    fields: dict[str, Any] = {
        "folder": shown_path(folder),
        "package": found.package.root.hex(),
        "size": manifest.size,
        "chunks": manifest.chunks,
        "files": [
            {"name": one.text, "size": one.size, "chunks": one.chunks} for one in manifest.files
        ],
        "terms": terms.described(),
        "refused": found.report.refused,
        "findings": [asdict(one) for one in found.report.findings],
    }
    if body is not None:
        fields |= {
            "model_id": body.entry.model_id.hex(),
            "tokenizer_id": body.entry.tokenizer_id.hex(),
            "bank": {
                "prompts": body.entry.bank_size,
                "root": body.entry.bank_root.hex(),
                "text": body.bank_text.hex(),
            },
            "omega": body.omega,
            "ticket": asdict(body.puzzle),
        }
    return fields


def candidate_lines(fields: dict[str, Any], *, files: bool) -> Iterator[str]:
    """Those fields for people; ``files``: each file with its size."""
    yield f"package    {fields['package']}"
    yield f"size       {fields['size']:,} bytes, {fields['chunks']} chunks"
    if files:
        for one in fields["files"]:
            yield f"  {one['name']:<24} {one['size']:>14,} bytes"
    if "model_id" in fields:
        ticket = fields["ticket"]
        yield f"model id   {fields['model_id']}"
        yield f"bank       {fields['bank']['prompts']:,} prompts, {fields['bank']['root']}"
        yield (
            f"ticket     {counted(ticket['sequences'], 'sequence')} of {ticket['rows']} rows, "
            f"{ticket['input_tokens']} tokens in, {ticket['max_answer']} out"
        )
    yield f"terms      {printable(fields['terms']['words'])}"
    for one in fields["findings"]:
        yield f"{one['weight']:<8} {one['subject']}: {one['words']}"
