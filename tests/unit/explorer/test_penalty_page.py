"""What evidence took from a gateway, as the page of its transaction and of an address show it."""

from msgspec.structs import replace

from esper.explorer.page import Asking, Page
from esper.explorer.pages.address import address
from esper.explorer.pages.transaction import transaction
from esper.explorer.port import ChainReader
from esper.explorer.writing import page_writer
from esper.rpc import examples
from esper.rpc import methods as m
from esper.rpc import schema as s
from tests.support.node.node_world import go

PENALTY = s.PenaltyReply(
    receipt="ab" * 64,
    gateway=examples.BOB,
    rewards="0",
    stake="40000000",
    unbonding="30000001",
    taken="70000001",
    paid="35000000",
    burned="35000001",
)


class OneNode:
    """Answers the examples, and what it is given."""

    def __init__(self, **told: object) -> None:
        self._told = told

    async def call(self, method: object, request: object) -> object:
        name: str = method.name  # type: ignore[attr-defined]
        return self._told.get(name, method.example.reply)  # type: ignore[attr-defined]


async def written(made: object, reader: ChainReader) -> str:
    assert isinstance(made, Page)
    around = {
        "node": await reader.ask(m.GET_STATUS),
        "now_ms": 0,
        "has_events": False,
        "has_console": False,
        "verifier": None,
    }
    return " ".join(page_writer().written(made, **around).split())


def transaction_page(penalty: s.PenaltyReply | None) -> str:
    told = replace(examples.TRANSACTION, kind="prove", outputs=[], penalty=penalty)
    reader = ChainReader(OneNode(get_transaction=told))  # type: ignore[arg-type]

    async def main() -> str:
        made = await transaction(reader, Asking({"txid": examples.TXID}, {}, 0, True))
        return await written(made, reader)

    return str(go(main))


def test_a_transaction_says_what_it_took_and_where_that_is() -> None:
    text = transaction_page(PENALTY)
    assert "<dt>Taken</dt><dd>0.70000001 ESP from " in text
    assert f"/address/{examples.BOB}" in text
    assert "pending rewards 0 ESP, stake 0.4 ESP, unbonding 0.30000001 ESP" in text
    assert "<dt>Paid</dt><dd>0.35 ESP " in text
    assert "<dt>Burned</dt><dd>0.35000001 ESP</dd>" in text
    assert "Taken" not in transaction_page(None)


def test_the_gateways_page_has_the_event_with_the_evidence_and_the_accuser() -> None:
    event = s.Event(7, 0, examples.TXID, "penalty-taken", "70000001", "0", examples.ALICE)
    told = s.History([event], None, examples.AS_OF)
    reader = ChainReader(OneNode(get_history=told))  # type: ignore[arg-type]

    async def main() -> str:
        made = await address(reader, Asking({"address": examples.BOB}, {}, 0, True))
        return await written(made, reader)

    text = str(go(main))
    assert '<td>penalty-taken</td><td class="num">0.70000001 ESP</td>' in text
    assert f"/tx/{examples.TXID}" in text
    assert f"/address/{examples.ALICE}" in text
