"""`esper dao curate list`: hidden sets, and what is kept here of them. No wallet is needed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from esper.cli.esper.curation.kept_sets import kept_roots, kept_tokenizers
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, session
from esper.rpc.methods import DAO_SETS
from esper.rpc.schema import HiddenSets, SetReply, SetsParams, TokenizerReply
from esper.wallet.amounts import counted, esp_text


def list_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """Hidden sets: whose they are, what is to be opened until when, and what is kept here."""
    with session(datadir, None, as_json) as s:
        found = s.any_node.call(DAO_SETS, SetsParams())
        kept = kept_roots(s.datadir)
        # A set may wait for a model that nobody has proposed yet: only its file says for which.
        asked = {one.tokenizer for one in found.tokenizers}
        others = sorted(kept_tokenizers(s.datadir, kept - _roots(found)) - asked)
        more = [s.any_node.call(DAO_SETS, SetsParams(one)) for one in others]
        found = replace(found, tokenizers=[row for one in (found, *more) for row in one.tokenizers])
        roots = _roots(found)
        lines = []
        for tokenizer in found.tokenizers:
            lines += list(_tokenizer(tokenizer, kept))
        elsewhere = sorted(kept - roots)
        lines += [
            f"kept here  {root[:16]}…, of no set of these: it was not committed to, or has ended"
            for root in elsewhere
        ]
        document = msgspec.to_builtins(found) | {
            "kept": sorted(kept & roots),
            "kept_elsewhere": elsewhere,
        }
        s.answer(document, *lines)


def _roots(found: HiddenSets) -> set[str]:
    return {one.root for tokenizer in found.tokenizers for one in tokenizer.sets}


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
