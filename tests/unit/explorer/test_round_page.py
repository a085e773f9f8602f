"""Hidden sets and rounds as the DAO's page shows them: scores, who opened what, unjudged."""

import pytest
from msgspec.structs import replace

from esper.explorer.page import Asking, Page
from esper.explorer.pages.dao import dao
from esper.explorer.port import ChainReader
from esper.explorer.writing import page_writer
from esper.rpc import examples
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.errors import NOT_FOUND, NOT_MINING, RpcError
from tests.support.explorer.hostile_node import MARKUP
from tests.support.node.node_world import go

[FIRST, SECOND] = examples.ROUNDS.rounds
[SET] = FIRST.sets
WORDS = "unjudged: 2 hidden sets, a round needs 3; nothing follows for the model"


class OneNode:
    """Answers the examples, and what it is given about rounds and sets."""

    def __init__(self, rounds: s.Rounds | RpcError, sets: s.HiddenSets) -> None:
        self._told = {m.DAO_ROUNDS.name: rounds, m.DAO_SETS.name: sets}

    async def call(self, method: object, request: object) -> object:
        found = self._told.get(method.name, method.example.reply)  # type: ignore[attr-defined]
        if isinstance(found, RpcError):
            raise found
        return found


def page(rounds: s.Rounds | RpcError, sets: s.HiddenSets = examples.HIDDEN_SETS) -> str:
    reader = ChainReader(OneNode(rounds, sets))  # type: ignore[arg-type]

    async def main() -> str:
        made = await dao(reader, Asking({}, {}, 0, True))
        assert isinstance(made, Page)
        status = await reader.ask(m.GET_STATUS)
        around = {
            "node": status,
            "now_ms": 0,
            "has_events": False,
            "has_console": False,
            "verifier": None,
        }
        return " ".join(page_writer().written(made, **around).split())

    return str(go(main))


def with_round(**fields: object) -> str:
    return page(replace(examples.ROUNDS, rounds=[replace(FIRST, **fields), SECOND]))


def test_a_round_that_is_open_and_one_to_come() -> None:
    text = page(examples.ROUNDS)
    assert "1, before its activation" in text
    assert "1 drawn item is to be opened and proven before block 247" in text
    assert "2, behind its activation" in text
    assert "with the sets that are there now it would be unjudged" in text
    assert "item 31: right, proven" in text
    assert f'href="/tx/{"7e" * 64}"' in text
    assert 'item 118: <span class="none">not opened</span>' in text
    assert f'href="/address/{examples.BOB}"' in text
    assert "earned" not in text.split("Rounds of hidden sets")[1].split("</article>")[0]


def test_what_a_round_came_to() -> None:
    scored = replace(SET, earned="250000000", burned="0")
    text = with_round(
        state="judged", median="1/2", threshold=600, sets=[scored], rollback="8f" * 64
    )
    assert "1/2, a vote opens below 60.0 %" in text
    assert "2.5 ESP earned, 0 ESP burned" in text
    assert "8f" * 64 in text


def test_unjudged_is_said_in_words() -> None:
    text = with_round(state="unjudged", words=WORDS, sets=[])
    assert WORDS in text
    assert "Lower median" not in text


def test_sets_and_what_became_of_them() -> None:
    [tokenizer] = examples.HIDDEN_SETS.tokenizers
    [held] = tokenizer.sets
    ended = replace(held, state="ended", bond="0", burned="5000000000")
    sets = replace(examples.HIDDEN_SETS, tokenizers=[replace(tokenizer, sets=[ended, held])])
    text = page(examples.ROUNDS, sets)
    assert "ended: 0 ESP back, 50 ESP burned" in text
    assert "2 of 64" in text
    assert "<td>drawn</td>" in text


def test_without_rounds_or_sets_there_is_no_section() -> None:
    [tokenizer] = examples.HIDDEN_SETS.tokenizers
    none = replace(examples.HIDDEN_SETS, tokenizers=[replace(tokenizer, sets=[])])
    text = page(replace(examples.ROUNDS, rounds=[]), none)
    assert "Rounds of hidden sets" not in text
    assert "Hidden sets for tokenizer" not in text


def test_a_model_that_ends_meanwhile_is_left_out() -> None:
    assert "Rounds of hidden sets" not in page(RpcError(NOT_FOUND, "it has ended"))
    with pytest.raises(RpcError):
        page(RpcError(NOT_MINING, "something else"))


def test_words_of_a_node_are_text() -> None:
    text = with_round(words=MARKUP, state=MARKUP, median=MARKUP)
    assert MARKUP not in text
