"""What a miner tells people: a line for each block, and how it goes in between."""

import logging
from typing import Final

import trio

from esper.node.calls.text_service import NoTextError, TextService
from esper.node.chain.chain_service import ChainService
from esper.node.chain.recent_usefulness import usefulness_per_mille
from esper.node.mining.mining_control import MiningControl
from esper.node.mining.mining_service import SEARCHES, MinedNews
from esper.node.workers.threads import processors
from esper.primitives.ids import ModelId
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult

LOG: Final = logging.getLogger("esper.mining")
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
        LOG.info(
            "block %d %s  proof %d KiB in %.2f s  answered %s",
            news.height,
            news.block_id.hex()[:16],
            news.proof_bytes // 1024,
            news.proof_ms / 1000,
            answers,
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
            LOG.info("  %s %s%s", transaction.payload.NAME, transaction.txid.hex()[:16], told)

    def _text(self, model_id: ModelId, prompt: tuple[int, ...], answer: tuple[int, ...]) -> str:
        try:
            return self._texts.of(model_id).text(prompt, answer)
        except NoTextError:
            return f"{len(answer)} tokens"


async def tell_progress(control: MiningControl, chain: ChainService) -> None:
    """A line from time to time, until cancelled."""
    before = control.standing()
    while True:
        await trio.sleep(TELL_EVERY_S)
        now = control.standing()
        idle = now.rates.attempts_ever == before.rates.attempts_ever
        if idle and now.doing == before.doing and now.doing.startswith(SEARCHES):
            LOG.warning(
                "no attempt was finished in %.0f s, with %d threads on %d processors: "
                "fewer may do better (`esperd threads --search N`), or the machine is too busy",
                TELL_EVERY_S,
                now.threads,
                processors(),
            )
        before = now
        expected = f"{now.expected_block_ms / 1000:.0f} s" if now.expected_block_ms else "unknown"
        LOG.info(
            "%s: %.0f attempts/s, %s tokens/s, a block expected every %s, proof %.2f s, "
            "stale %.1f %%, usefulness %.1f %%",
            now.doing,
            now.rates.attempts_per_second,
            f"{now.rates.tokens_per_second:,.0f}",
            expected,
            now.rates.proof_ms / 1000,
            now.rates.stale_per_mille / 10,
            usefulness_per_mille(chain.view) / 10,
        )
