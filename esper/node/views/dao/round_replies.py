"""Rounds of hidden sets as the RPC shows them: to come, open, over, and in words what they mean.

The state has the round that is open, the history what those came to that are over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from esper.dao.hidden.rounds import Unjudged, auto_rollback_id, lower_median, score
from esper.dao.records import Live, Proposal
from esper.dao.steps import Step, Subject
from esper.node.views.dao.proposal_replies import proposal_named
from esper.node.views.dao.set_replies import SetTraces, drawn_items, openings
from esper.node.views.dao.sight import Sight
from esper.node.views.id_names import ID_DIGITS
from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import Txid
from esper.rpc import schema as s
from esper.rpc.errors import NOT_FOUND, RpcError
from esper.vm.governance.hidden.releasing import sets_in_round
from esper.vm.governance.hidden.rounds import ROUNDS, round_sets, share_of_round
from esper.vm.governance.hidden.set_rules import has_rounds
from esper.vm.governance.proving.openings import IN_ROUND
from esper.vm.round_outcome import RoundOutcome, SetOutcome

PER_MILLE: Final = 1000
DRAWN_BY: Final = (Step.DRAW, Step.DRAW1)
"""The step that draws, by round."""


def rounds_reply(beginning: str, sight: Sight, history: SetTraces) -> s.Rounds:
    """The rounds of a model, live by the beginning of its id, ended by all of it.

    Raises RpcError for what is no model, and for one that is neither.
    """
    txid = Txid(bytes.fromhex(beginning)) if len(beginning) == ID_DIGITS else None
    if txid is not None and sight.records.live(txid) is None:
        return _ended(txid, sight, history)
    live = proposal_named(beginning, sight)
    if live.subject != Subject.MODEL:
        raise RpcError(
            NOT_FOUND, f"proposal {live.number} is of no model: rounds are about models alone"
        )
    proposal = sight.records.proposal(live.id)
    over = {one.number: (height, one) for height, one in history.rounds(live.id)}
    asked = _Asked(live, proposal, over, sight, history)
    # Of the fee that has_rounds goes by nothing is left behind the second.
    rounds = range(ROUNDS) if has_rounds(proposal) or over else range(0)
    return s.Rounds(
        id=live.id.hex(),
        number=live.number,
        pays=str(share_of_round(proposal)),
        rounds=[asked.round(number) for number in rounds],
        as_of=sight.as_of,
    )


def _ended(txid: Txid, sight: Sight, history: SetTraces) -> s.Rounds:
    found = history.rounds(txid)
    if not found:
        raise RpcError(
            NOT_FOUND,
            f"no proposal {txid.hex()[:16]}… is under way, and no round about it is over: it is no "
            "model, or ended before its first round",
        )
    return s.Rounds(
        id=txid.hex(),
        number=None,
        pays="0",
        rounds=[_over(height, one, sight, history) for height, one in found],
        as_of=sight.as_of,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A live model whose rounds are asked for."""

    live: Live
    proposal: Proposal
    over: Mapping[int, tuple[int, RoundOutcome]]
    """By number what rounds came to, and where."""
    sight: Sight
    history: SetTraces

    def round(self, number: int) -> s.RoundReply:
        """The round of this number, 0 or 1."""
        if number in self.over:
            height, outcome = self.over[number]
            return _over(height, outcome, self.sight, self.history)
        if self.live.step in IN_ROUND and number == int(self.live.step == Step.ROUND1):
            return self._open(number)
        if self.live.step <= DRAWN_BY[number]:
            return self._to_come(number)
        return self._reply(
            number, "passed-over", None, "it is over; this node's history lacks what it came to"
        )

    def _open(self, number: int) -> s.RoundReply:
        sets = sets_in_round(self.live.id, self.proposal, self.sight.records)
        missing = sum(len(found.drawn) - found.answered.bit_count() for _, found in sets)
        scores = [value for _, found in sets if (value := score(found)) is not None]
        so_far = (
            f"; the lower median of those that are open is {_text(lower_median(scores))}"
            if (scores)
            else ""
        )
        items = "1 drawn item is" if missing == 1 else f"{missing} drawn items are"
        words = f"{items} to be opened and proven before block {self.live.next}{so_far}"
        told = [SetOutcome.of(set_id, found, 0, 0) for set_id, found in sets]
        scored = [_score(one, self.sight, self.history) for one in told]
        return self._reply(number, "open", self.live.next, words, scored)

    def _to_come(self, number: int) -> s.RoundReply:
        found = round_sets(self.proposal, self.sight.records)
        if isinstance(found, Unjudged):
            words = f"with the sets that are there now it would be {found}"
        else:
            words = f"it would draw of {_counted(len(found))} that are there now"
        return self._reply(number, "to-come", self._draws_at(number), words)

    def _draws_at(self, number: int) -> int | None:
        if self.live.step == DRAWN_BY[number]:
            return self.live.next
        if number:
            # Known once the first draw has drawn it; a postponement moves it.
            active = self.proposal.active
            return active + self.sight.rules.draw_depth + 1 if active else None
        # The vote may still be extended.
        return None

    def _reply(
        self,
        number: int,
        state: str,
        height: int | None,
        words: str,
        sets: list[s.SetScore] | None = None,
    ) -> s.RoundReply:
        return s.RoundReply(
            round=number + 1,
            state=state,
            height=height,
            words=words,
            median=None,
            threshold=self.sight.in_force.hidden_threshold_per_mille,
            sets=sets or [],
            rollback=None,
        )


def _over(height: int, outcome: RoundOutcome, sight: Sight, history: SetTraces) -> s.RoundReply:
    unjudged, median = outcome.unjudged, outcome.median
    return s.RoundReply(
        round=outcome.number + 1,
        state="judged" if unjudged is None else "unjudged",
        height=height,
        words=_words(outcome),
        median=None if median is None else _text(median),
        threshold=outcome.threshold,
        sets=[_score(one, sight, history) for one in outcome.sets],
        rollback=outcome.rollback[0].hex() if outcome.rollback else None,
    )


def _words(outcome: RoundOutcome) -> str:
    silent = sum(not one.is_complete for one in outcome.sets)
    lost = f"; {_counted(silent)} did not open all in time, and the bond burned" if silent else ""
    if outcome.unjudged is not None:
        return f"{outcome.unjudged}; nothing follows for the model{lost}"
    assert outcome.median is not None
    said = f"judged: the lower median of {_counted(outcome.counted)} is {_text(outcome.median)}"
    theta = outcome.threshold
    if not theta:
        return f"{said}; no score opens a vote on this network{lost}"
    if outcome.median * PER_MILLE >= theta:
        return f"{said}, not below {theta} thousandths{lost}"
    below = f"{said}, below {theta} thousandths"
    if not outcome.rollback:
        return f"{below}; no vote on taking the model back could end in time{lost}"
    if outcome.rollback[0] != auto_rollback_id(outcome.proposal, outcome.number):
        return f"{below}: the vote on taking the model back that was open stays open longer{lost}"
    return f"{below}: a vote on taking the model back opened{lost}"


def _counted(sets: int) -> str:
    return "1 set" if sets == 1 else f"{sets} sets"


def _text(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _score(one: SetOutcome, sight: Sight, history: SetTraces) -> s.SetScore:
    opened = openings(one.set_id, history)
    return s.SetScore(
        set=one.set_id.hex(),
        curator=address_text(one.curator, sight.genesis),
        items=one.count,
        drawn=drawn_items(one.drawn, one.answered, one.proven, one.right, opened),
        complete=one.is_complete,
        earned=str(one.earned),
        burned=str(one.burned),
    )
