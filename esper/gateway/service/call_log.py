"""A line in the log for each call: ids, counts and codes, never a text."""

import logging
from typing import Final

from esper.gateway.replies.parts import Ending
from esper.gateway.service.books.calls import Call
from esper.saying import say

LOG: Final = logging.getLogger("esper.gateway")


def log_call(call: Call, code: str, ending: Ending | None) -> None:
    """``code``: ok, gone, or a refusal's."""
    say(
        LOG,
        "gateway_call",
        "call {call} of key {key}: {endpoint} {code}, {prompt} + {answer} tokens",
        call=call.id,
        key=call.account.id,
        endpoint=call.request.endpoint.value,
        code=code,
        prompt=len(call.prompt),
        answer=0 if ending is None else ending.usage.answer,
    )
