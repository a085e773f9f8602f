"""What a model that was voted in makes everybody pay for tickets that nobody worked for."""

from dataclasses import replace
from time import process_time

from esper.consensus.batch import batch_inputs
from esper.dao.model_rules import check_puzzle
from esper.dao.registry import Puzzle
from esper.primitives.model_entry import ModelEntry
from esper.primitives.networks import MAINNET
from esper.primitives.prompt import BankPrompt

LARGEST = Puzzle(sequences=4, rows=256, input_tokens=193, max_answer=64)
TIMES = 3


def judged(entry: ModelEntry) -> float:
    """Seconds for the inputs of a ticket, the best of some; a stranger's work costs this first."""
    check_puzzle(LARGEST, entry, MAINNET.puzzle.salt_bits)
    ticket = LARGEST.on(MAINNET.puzzle)
    prompts = [BankPrompt(bytes(64), (1_000,), (), bytes(64))] * ticket.sequences
    taken = []
    for at in range(TIMES):
        begun = process_time()
        batch_inputs(bytes([at]) * 64, prompts, ticket, entry)
        taken.append(process_time() - begun)
    return min(taken)


def test_special_ids_make_no_ticket_dear_to_judge() -> None:
    """Special ids are no part of a model's name: a proposal says which there are."""
    shape = replace(MAINNET.model.shape, vocab=1 << 16)
    few = replace(MAINNET.model, shape=shape, special_ids=(0, 1), bos=0, eos=1)
    many = replace(few, special_ids=tuple(range(256)))
    assert judged(many) < 5 * judged(few)
