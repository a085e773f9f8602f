"""`esper dao curate list`: hidden sets, and what is kept here of them. No wallet is needed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from esper.cli.esper.curation.kept_sets import is_kept, kept_roots
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, session
from esper.rpc.methods import DAO_SETS
from esper.rpc.schema import SetReply, SetsParams, TokenizerReply
from esper.wallet.amounts import counted, esp_text


def list_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """Hidden sets: whose they are, what is to be opened until when, and what is kept here."""
    with session(datadir, None, as_json) as s:
        found = s.any_node.call(DAO_SETS, SetsParams())
        roots = {one.root for tokenizer in found.tokenizers for one in tokenizer.sets}
        kept = kept_roots(s.datadir)
        lines = []
        for tokenizer in found.tokenizers:
            lines += list(_tokenizer(tokenizer, kept))
        elsewhere = sorted(kept - roots)
        lines += [
            f"kept here  {root[:16]}…, of no set of these: it was not committed to, is for another "
            "tokenizer, or has ended"
            for root in elsewhere
        ]
        document = msgspec.to_builtins(found) | {
            "kept": sorted(root for root in roots if root and is_kept(s.datadir, root)),
            "kept_elsewhere": elsewhere,
        }
        s.answer(document, *lines)


def _tokenizer(one: TokenizerReply, kept: set[str]) -> Iterator[str]:
    place = (
        "no place: models wait for all of them"
        if one.least_bond is None
        else f"{counted(one.places, 'place')} free, the next set holds {esp_text(one.least_bond)}"
    )
    yield f"tokenizer  {one.tokenizer[:16]}…, of {counted(len(one.models), 'model')}; {place}"
    for held in one.sets:
        yield from _set(held, held.root in kept)


def _set(one: SetReply, is_here: bool) -> Iterator[str]:
    here = ", kept here" if is_here else ""
    yield (
        f"set        {one.id[:16]}…  {counted(one.items, 'item')}, {one.state}, by "
        f"{one.curator}{here}"
    )
    if one.state == "ended":
        yield f"           bond: {esp_text(one.returned)} back, {esp_text(one.burned)} burned"
        return
    yield f"           bond {esp_text(one.bond)}, {one.used} drawn so far"
    if one.judged is not None:
        missing = [str(item.item) for item in one.drawn if not item.opened]
        left = f"to be opened: {', '.join(missing)}" if missing else "all is open"
        yield f"           judged at {one.judged}; {left}"
