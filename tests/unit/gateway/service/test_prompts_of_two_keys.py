"""Two keys that ask the same: nothing that one's prompt left behind makes the other's faster."""

from __future__ import annotations

from pathlib import Path

from esper._native import ServingBatch
from esper.gateway.keys import key_id
from esper.model import load_model
from tests.support.gateway.gateway_world import ALICE, BOB, gateway_world, named
from tests.support.model_folders import GENESIS_MODEL

PROMPT = "The little dog"
ROWS = 64
SCALE = 2.0**-26


def test_each_key_is_a_group_of_its_own_in_the_engine(tmp_path: Path) -> None:
    with gateway_world(tmp_path, named(ALICE), named(BOB)) as world:
        for key in (ALICE, BOB, ALICE):
            world.client(key).completions.create(model="esper-t0", prompt=PROMPT)
        alice, bob, again = world.engine.jobs
    assert alice.prompt == bob.prompt == again.prompt
    assert [one.group for one in (alice, bob, again)] == [
        key_id(one) for one in (ALICE, BOB, ALICE)
    ]


def test_rows_of_a_prompt_are_used_again_within_its_key_alone() -> None:
    """Counted: what runs for the second key is what ran for the first."""
    model = load_model(GENESIS_MODEL)
    prompt = model.encode(PROMPT)
    batch = ServingBatch(model.native, 2, ROWS, 1, SCALE)
    saved = []
    for number, key in enumerate((ALICE, BOB, ALICE)):
        saved.append(batch.add(number, prompt, 2, 0, key_id(key)))
        while len(batch):
            batch.run(ROWS, 60_000)
    assert saved == [0, 0, len(prompt) - 1]
