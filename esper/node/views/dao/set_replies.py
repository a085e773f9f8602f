"""Hidden sets as the RPC shows them.

The state has those that have not ended; what opened which item, what was earned and what became of
a set that has ended, the history's traces say. A history that lags leaves that out.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from esper.dao.hidden.hidden_set import LEAST_COUNT, MAX_SETS, MAX_USED, HiddenSet
from esper.dao.records import Live
from esper.dao.steps import Subject
from esper.node.views.dao.sight import Sight
from esper.node.views.id_names import ID_DIGITS, only_one
from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import ModelId, Txid
from esper.rpc import schema as s
from esper.rpc.errors import NOT_FOUND, RpcError
from esper.storage.history.traces import Trace, Traced, indices_from
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.hidden.set_rules import is_awaited, needed_bond
from esper.vm.governance.planned import model_of
from esper.vm.governance.proving.openings import IN_ROUND
from esper.vm.round_outcome import RoundOutcome

MOST_COMMITTED: Final = 24
"""Claims of a tokenizer that are looked at, the newest: at most eight of them have not ended."""
MOST_TRACES: Final = 128
"""Of a set: at most 64 items are opened, and 33 rounds and ends settle something."""


class SetTraces(Protocol):
    """A history, as far as it is asked here."""

    def traces(self, about: Txid, limit: int) -> list[Trace]:
        """The newest things that blocks say about something, oldest first."""
        ...

    def rounds(self, proposal: Txid) -> list[tuple[int, RoundOutcome]]:
        """Heights and what the rounds of a model came to there, oldest first."""
        ...


def hidden_sets(tokenizer: str | None, sight: Sight, history: SetTraces) -> s.HiddenSets:
    """The sets for a tokenizer, of which nothing has to be known, or for all that are read."""
    models = tokenizers_in_use(sight.records)
    asked = list(models) if tokenizer is None else [bytes.fromhex(tokenizer)]
    return s.HiddenSets(
        least_items=LEAST_COUNT,
        most_draws=MAX_USED,
        samples=sight.in_force.hidden_samples,
        tokenizers=[_tokenizer(one, models.get(one, []), sight, history) for one in asked],
        as_of=sight.as_of,
    )


def set_named(beginning: str, sight: Sight, history: SetTraces) -> s.SetShown:
    """The set whose id begins so, or one of any tokenizer by its whole id. Raises RpcError."""
    records = sight.records
    known = {
        txid: tokenizer
        for tokenizer in tokenizers_in_use(records)
        for txid in (*_committed(tokenizer, history), *records.sets_of(tokenizer))
    }
    if len(beginning) == ID_DIGITS:
        # Of a tokenizer that no model reads.
        held = records.find_set(Txid(bytes.fromhex(beginning)))
        if held is not None:
            known[Txid(bytes.fromhex(beginning))] = held.tokenizer
    found = [txid for txid in known if txid.hex().startswith(beginning)]
    if not found:
        raise RpcError(
            NOT_FOUND,
            f"no hidden set {beginning[:16]}… for a model of a tier or of a proposal: it is in no "
            "block yet, or for another tokenizer; give all digits of its id then",
        )
    txid = only_one(beginning, found, "hidden sets", "id")
    claim = _committed(known[txid], history).get(txid)
    return s.SetShown(_reply(txid, claim, known[txid], sight, history), sight.as_of)


def drawn_items(
    drawn: Sequence[int], answered: int, proven: int, right: int, opened: Sequence[Trace]
) -> list[s.DrawnItem]:
    """What a round drew of a set; ``opened`` are the set's openings."""
    by = {item: one.txid for one in opened for item in indices_from(one.bits)}
    return [
        s.DrawnItem(
            item=item,
            opened=bool(answered >> at & 1),
            proven=bool(proven >> at & 1),
            right=bool(right >> at & 1),
            txid=by[item].hex() if answered >> at & 1 and item in by else None,
        )
        for at, item in enumerate(drawn)
    ]


def openings(set_id: Txid, history: SetTraces) -> list[Trace]:
    """What opened items of a set, oldest first."""
    return [one for one in history.traces(set_id, MOST_TRACES) if one.what is Traced.OPENED]


def tokenizers_in_use(records: DaoLedger) -> dict[bytes, list[ModelId]]:
    """The tokenizers of all models that are mined or under way, with these models."""
    found: dict[bytes, list[ModelId]] = {}
    entries = [tier.model for tier in records.tiers.tiers]
    entries += [one.model for tier in records.tiers.tiers for one in tier.previous]
    entries += [
        model_of(records.proposal(live.id)).entry
        for live in records.governance.live
        if live.subject == Subject.MODEL
    ]
    for entry in entries:
        models = found.setdefault(entry.tokenizer_id, [])
        if entry.model_id not in models:
            models.append(entry.model_id)
    return found


def _tokenizer(
    tokenizer: bytes, models: Sequence[ModelId], sight: Sight, history: SetTraces
) -> s.TokenizerReply:
    records = sight.records
    held = records.sets_of(tokenizer)
    claims = _committed(tokenizer, history)
    ended = [txid for txid in claims if txid not in held]
    needed = needed_bond(tokenizer, records, sight.rules)
    return s.TokenizerReply(
        tokenizer=tokenizer.hex(),
        models=[one.hex() for one in models],
        places=MAX_SETS - len(held),
        least_bond=None if needed is None else str(needed),
        sets=[
            _reply(txid, claims.get(txid), tokenizer, sight, history) for txid in (*ended, *held)
        ],
    )


def _committed(tokenizer: bytes, history: SetTraces) -> dict[Txid, Trace]:
    """The newest claims of sets for a tokenizer, oldest first."""
    traces = history.traces(Txid(tokenizer), MOST_COMMITTED)
    return {one.txid: one for one in traces if one.what is Traced.COMMITTED}


def _reply(
    txid: Txid, claim: Trace | None, tokenizer: bytes, sight: Sight, history: SetTraces
) -> s.SetReply:
    traces = history.traces(txid, MOST_TRACES)
    settled = [one for one in traces if one.what is Traced.SETTLED]
    found = sight.records.find_set(txid)
    if found is None:
        assert claim is not None, "the state has every set without a trace"
        return _ended(txid, claim, tokenizer, settled, sight)
    live = sight.records.live(found.round[0]) if found.round else None
    asked = live is not None and live.step in IN_ROUND
    opened = [one for one in traces if one.what is Traced.OPENED]
    return s.SetReply(
        id=txid.hex(),
        tokenizer=tokenizer.hex(),
        curator=address_text(found.curator, sight.genesis),
        root=found.root.hex(),
        items=found.count,
        state=_state(found, live, sight.records),
        made=found.since,
        used=len(found.used),
        bond=str(found.bond),
        earned=str(sum(one.returned for one in settled)),
        returned="0",
        burned="0",
        proposal=live.id.hex() if live is not None else None,
        model_id=None if live is None else _model_id(live, sight.records).hex(),
        judged=live.next if live is not None and asked else None,
        drawn=drawn_items(found.drawn, found.answered, found.proven, found.right, opened),
    )


def _ended(
    txid: Txid, claim: Trace, tokenizer: bytes, settled: Sequence[Trace], sight: Sight
) -> s.SetReply:
    # What became of the bond is settled last, behind what the round paid.
    earned = sum(one.returned for one in settled[:-1])
    return s.SetReply(
        id=txid.hex(),
        tokenizer=tokenizer.hex(),
        curator=address_text(claim.address, sight.genesis),
        root="",
        items=claim.number,
        state="ended",
        made=claim.height,
        used=0,
        bond="0",
        earned=str(earned),
        returned=str(settled[-1].returned if settled else 0),
        burned=str(settled[-1].burned if settled else 0),
        proposal=None,
        model_id=None,
        judged=None,
        drawn=[],
    )


def _state(found: HiddenSet, live: Live | None, records: DaoLedger) -> str:
    if live is not None:
        return "drawn" if live.step in IN_ROUND else "held"
    return "awaited" if is_awaited(found, records) else "idle"


def _model_id(live: Live, records: DaoLedger) -> ModelId:
    return model_of(records.proposal(live.id)).entry.model_id
