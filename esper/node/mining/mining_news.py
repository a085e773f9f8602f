"""What a miner tells people: a line for each block, and how it goes in between."""

import logging
from math import inf
from typing import Final

import trio

from esper.node.calls.text_service import NoTextError, TextService
from esper.node.chain.chain_service import ChainService
from esper.node.chain.recent_usefulness import usefulness_per_mille
from esper.node.entries.prospects import Prospect
from esper.node.mining.mining_control import MiningControl, MiningStanding
from esper.node.mining.mining_service import SEARCHES, MinedNews
from esper.node.workers.threads import processors
from esper.primitives.ids import ModelId
from esper.primitives.units import UNITS_PER_ESP
from esper.saying import say, warn
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult

LOG: Final = logging.getLogger("esper.mining")
FIRST_TOLD_S: Final = 5.0
"""From the start on: who starts a miner wants to see that something happens."""
TELL_EVERY_S: Final = 30.0


class BlockTeller:
    """Tells of mined blocks: what was answered, what was proven, how long it took."""

    def __init__(self, texts: TextService) -> None:
        self._texts = texts

    def heard(self, news: MinedNews) -> None:
        """One line for the block, one more for each transaction."""
        outputs, model_id = news.ticket.outputs, news.ticket.pre.model_id
        answers = " | ".join(
            repr(self._text(model_id, opening.prompt.tokens, answer.tokens))
            for opening, answer in zip(outputs.openings, outputs.answers, strict=True)
        )
        say(
            LOG,
            "block_mined",
            "block {height} {short}  proof {proof_kib} KiB in {proof_s:.2f} s  answered {answers}",
            height=news.height,
            short=news.block_id.hex()[:16],
            block=news.block_id.hex(),
            proof_kib=news.proof_bytes // 1024,
            proof_s=news.proof_ms / 1000,
            calls_answered=news.calls_answered,
            answers=answers,
        )
        said = iter(news.assembled.plan.answers)
        for transaction in news.assembled.plan.transactions:
            payload, told = transaction.payload, ""
            if isinstance(payload, LlmCall):
                answer = next(said)
                told = "  left open, its answer is long"
                if answer is not None:
                    told = f"  answered {self._text(payload.model_id, payload.prompt, answer)!r}"
            elif isinstance(payload, LlmResult):
                told = f"  answers {payload.call_id.hex()[:16]}"
            say(
                LOG,
                "transaction_mined",
                "  {kind} {short}{outcome}",
                kind=payload.NAME,
                short=transaction.txid.hex()[:16],
                outcome=told,
                txid=transaction.txid.hex(),
                height=news.height,
            )

    def _text(self, model_id: ModelId, prompt: tuple[int, ...], answer: tuple[int, ...]) -> str:
        try:
            return self._texts.of(model_id).text(prompt, answer)
        except NoTextError:
            return f"{len(answer)} tokens"


async def tell_progress(control: MiningControl, chain: ChainService) -> None:
    """A line soon, then from time to time while it searches, until cancelled."""
    before = control.standing()
    waited_s = FIRST_TOLD_S
    while True:
        await trio.sleep(waited_s)
        now = control.standing()
        idle = now.rates.attempts_ever == before.rates.attempts_ever
        if idle and now.doing == before.doing and now.doing.startswith(SEARCHES):
            warn(
                LOG,
                "mining_idle",
                "no attempt was finished in {waited_s:.0f} s, with {threads} threads on "
                "{processors} processors: fewer may do better (`esperd threads --search N`), or "
                "the machine is too busy",
                waited_s=waited_s,
                threads=now.threads,
                processors=processors(),
            )
        before = now
        if now.running:
            expected = now.expected_block_ms / 1000
            soon = f"a block expected every {expected:,.1f} s" if expected else "not measured yet"
            proof_s = now.rates.proof_ms / 1000
            say(
                LOG,
                "mining_progress",
                "{doing}: {attempts_per_s:.0f} attempts/s, {tokens_per_s:,.0f} tokens/s, "
                "{soon}, {proof}, stale {stale_percent:.1f} %, "
                "usefulness {usefulness_percent:.1f} %",
                doing=now.doing,
                attempts_per_s=round(now.rates.attempts_per_second, 1),
                tokens_per_s=round(now.rates.tokens_per_second, 1),
                soon=soon,
                expected_block_s=expected,
                proof=f"proof {proof_s:.2f} s" if proof_s else "no proof yet",
                proof_s=proof_s,
                stale_percent=now.rates.stale_per_mille / 10,
                usefulness_percent=usefulness_per_mille(chain.view) / 10,
            )
            if len(now.prospects) > 1:
                _tell_tiers(now)
        waited_s = TELL_EVERY_S


def _tell_tiers(now: MiningStanding) -> None:
    """What each tier promises, where there is a choice."""
    say(
        LOG,
        "mining_tiers",
        "tiers: {tiers}",
        tiers="; ".join(_tier_told(one, now.reward) for one in now.prospects),
        mined="" if now.mined is None else now.mined.model_id.hex(),
    )


def _tier_told(one: Prospect, reward: int) -> str:
    """``reward``: units of a block."""
    which = (
        f"{one.entry.model.tier} with {one.loadable.short}{' (previous)' if one.previous else ''}"
    )
    if one.block_ms == inf:
        return f"{which} {one.readiness}"
    how = "" if one.measured else ", estimated"
    seconds = one.block_ms / 1000
    coins = f"{reward / UNITS_PER_ESP / seconds:,.4f} ESP a second"
    return f"{which} {one.readiness}, a block every {seconds:,.1f} s, {coins}{how}"
