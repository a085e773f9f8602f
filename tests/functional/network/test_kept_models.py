"""A model that a vote has taken comes from peers on sockets, is checked, and may be loaded."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.consensus.registry import genesis_registry
from esper.model.loaded import load_model
from esper.model.package.body import BodyOptions, model_body
from esper.model.package.disk_rules import DiskRules
from esper.model.package.package import pack
from esper.model.package.store import ModelStore
from esper.model.prompts import PromptBank, encode_bank, read_bank
from esper.node.models import keeper as keeping
from esper.node.models.check_process import ProcessChecker
from esper.node.models.keeper import ModelKeeper
from esper.node.models.kept_models import KeptModels
from esper.node.models.model_store import ERRORS
from esper.node.models.wanted import Proposed, Verdict
from esper.p2p.service.packages.package_jobs import PackageSource
from esper.primitives.ids import Txid
from tests.support.net.bare_network import bare_network, running
from tests.support.node.keeper_world import PARAMS, ToldChain
from tests.support.package_folders import genesis_folder

pytestmark = pytest.mark.serial


def short_model(folder: Path) -> Path:
    """The genesis model with every sixteenth of its prompts."""
    made = genesis_folder(folder)
    whole = read_bank(made / "bank.json")
    bank = PromptBank(whole.texts[::16], whole.prompts[::16])
    (made / "bank.json").write_bytes(encode_bank(bank))
    return made


def test_a_node_that_never_had_a_model_gets_it_from_two_that_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "proposed", lambda state: state.live)
    monkeypatch.setattr(keeping, "mined", lambda _, state: state.mined)
    folder = short_model(tmp_path / "candidate")
    package, bank = pack(folder), read_bank(folder / "bank.json")
    options = BodyOptions(tier=1)
    body = model_body(load_model(folder), bank, package, PARAMS, genesis_registry(PARAMS), options)
    one = Proposed(Txid(bytes(64)), 1, replace(body, descriptor=b""), is_final=True)

    async def main() -> None:
        with ExitStack() as closing:
            stores = [
                closing.enter_context(ModelStore.opened(tmp_path / name, DiskRules(reserve=0)))
                for name in ("first", "second", "own")
            ]
            for store in stores[:2]:
                store.take_in(folder)
            first, second, own = (
                bare_network(number, models=PackageSource(store, ERRORS))
                for number, store in enumerate(stores, 1)
            )
            kept, chain = KeptModels(), ToldChain()
            keeper = ModelKeeper(
                stores[2],
                kept,
                chain,  # type: ignore[arg-type]
                ProcessChecker(),
                genesis=PARAMS.model,
                fetches=True,
                clock=lambda: 0,
            )
            keeper.network = own.packages
            async with running(first, second, own) as nursery:
                for giver in (first, second):
                    await giver.packages.offer(package.root)
                    await own.meet(giver)
                await nursery.start(keeper.run)
                chain.live = (one,)
                chain.next_change.set()
                while not keeper.notes or keeper.notes[0].verdict is Verdict.NONE:
                    await trio.sleep(0.05)
                assert keeper.notes[0].words == ""
                while kept.bank_of(body.entry) is None:
                    await trio.sleep(0.05)
                found = kept.folder_of(body.entry.model_id)
                assert found is not None
                assert load_model(found).model_id == body.entry.model_id
                # And it gives it on.
                assert package.root in own.packages.serving.offers

    trio.run(main)
