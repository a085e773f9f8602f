"""Whether the gateway serves, and what its operator has to see to."""

import logging
from typing import Final

from esper.gateway.proving_rows import Alarm
from esper.saying import complain

LOG: Final = logging.getLogger("esper.gateway")

ENGINE_DISAGREES: Final = "engine_disagrees"
FOREIGN_NONCE: Final = "foreign_nonce"

_SENTENCES: Final = {
    ENGINE_DISAGREES: "the chain's answer to call {call} is not the one that this gateway signed: "
    "a machine computes wrongly; nothing is served until `esper key resume`, once it is mended",
    FOREIGN_NONCE: "the gateway's account has a transaction that its database does not know: "
    "gateway.key is used elsewhere, or the database is an old copy; nothing is served until "
    "`esper key resume`, once no other program has the key",
    "final_undone": "the block of a final proof was undone: call {call}",
    "spent_twice": "two transactions of call {call} are in the chain",
}


class Standing:
    """Read by the service before it answers, by health checks and by `get_status`."""

    def __init__(self) -> None:
        self.stopped = ""
        """Why nothing is served: engine_disagrees, foreign_nonce, or nothing."""
        self._warnings: dict[str, str] = {}

    @property
    def serves(self) -> bool:
        """Whether requests are answered at all."""
        return not self.stopped

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences with what helps."""
        return tuple(self._warnings.values())

    def stop(self, code: str, call: str = "") -> None:
        """As of a line that stopped, now or before this start; empty: it goes on.

        ``call``: the one that is the reason, where that is known.
        """
        self.stopped = code
        if code and code not in self._warnings:
            self._warnings[code] = _sentence(code, call)
        for one in (ENGINE_DISAGREES, FOREIGN_NONCE):
            if not code:
                self._warnings.pop(one, None)

    def alarm(self, alarm: Alarm) -> None:
        """Tell the operator."""
        sentence = _sentence(alarm.code, alarm.call)
        self._warnings[alarm.code] = sentence
        complain(LOG, alarm.code, "{warning}", warning=sentence, call=alarm.call)

    def warn(self, code: str, sentence: str) -> None:
        """Something that hinders proofs, and no answers. Empty: it is over."""
        if not sentence:
            self._warnings.pop(code, None)
        elif self._warnings.get(code) != sentence:
            self._warnings[code] = sentence
            complain(LOG, code, "{warning}", warning=sentence)


def _sentence(code: str, call: str) -> str:
    return _SENTENCES.get(code, "the gateway stopped: " + code).format(call=call or "of a user")
