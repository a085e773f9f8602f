"""The keeper: what it fetches, lets be loaded and deletes, and what outlives a kill."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.consensus.registry import genesis_registry
from esper.model.prompts import read_bank
from esper.node.models.check_job import CheckFailedError, CheckResult
from esper.node.models.notebook import Notebook
from esper.node.models.package_tasks import (
    ATTEMPTS,
    BACK_OFF_S,
    LOOK_AGAIN_S,
    REST_S,
    STALL_S,
    YIELD_S,
)
from esper.node.models.wanted import Verdict
from esper.primitives.ids import Txid
from tests.support.dao_cases import entry as entry_of
from tests.support.node.keeper_world import (
    PARAMS,
    RIGHT,
    UNDO,
    WRONG,
    KeeperWorld,
    keeper_world,
    proposal_of,
    tier_has,
)
from tests.support.node.node_world import go, jump, rest
from tests.support.package_folders import GENESIS_BANK, plain_folder

Test = Callable[[KeeperWorld], Awaitable[None]]


@pytest.fixture
def among(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a test among a keeper and its peers; a second one finds the disk of the first."""

    def run(test: Test, *says: CheckResult | CheckFailedError, fetches: bool = True) -> None:
        async def main() -> None:
            async with keeper_world(
                tmp_path / "data", monkeypatch, *says, fetches=fetches
            ) as world:
                await test(world)

        go(main)

    return run


def verdicts(world: KeeperWorld) -> list[Verdict]:
    return [note.verdict for note in world.keeper.notes]


def test_a_model_comes_is_checked_and_may_be_loaded(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        entry = one.body.entry
        world.checker.gate = trio.Event()
        await world.chain.tip(2, one)
        # Whole, and not a word of it is believed yet.
        assert world.kept.folder_of(entry.model_id) is None
        task = world.keeper.task(one.body.package)
        assert task is not None
        assert task.checking
        world.checker.gate.set()
        await rest()
        files = world.keeper.store.files_of(one.body.package)
        assert world.kept.folder_of(entry.model_id) == files
        assert world.kept.bank_of(entry) == files / "bank.json"
        assert dict(world.kept.listed()) == {entry.model_id: files}
        assert world.keeper.store.roots_of(entry.model_id) == (one.body.package,)
        [job] = world.checker.jobs
        assert (job.folder, job.body) == (files, one.body)
        assert set(job.names) >= {"bank.json", "g16.safetensors"}
        assert world.peers.offered == [one.body.package]

    among(test)


def test_an_open_vote_fetches_nothing(among: Callable[..., None], tmp_path: Path) -> None:
    async def test(world: KeeperWorld) -> None:
        await world.chain.tip(2, world.gives(tmp_path, 1, final=False))
        assert world.peers.fetched == []

    among(test)


def test_a_node_that_keeps_no_models_fetches_nothing(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        await world.chain.tip(2, world.gives(tmp_path, 1))
        assert world.peers.fetched == []
        # It remembers what package the model came in, for the day on which it mines.
        assert len(world.keeper.notes) == 1

    among(test, fetches=False)


def test_nothing_is_fetched_before_the_node_is_synced(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        world.chain.not_synced = "wait"
        await world.chain.tip(2, one)
        assert world.peers.fetched == []
        world.chain.not_synced = ""
        # No tip has to come for it.
        jump(LOOK_AGAIN_S)
        await rest()
        assert world.peers.fetched == [one.body.package]

    among(test)


def test_a_wrong_model_goes_and_is_not_fetched_again(
    among: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        await world.chain.tip(2, one)
        assert world.keeper.store.find(one.body.package) is None
        assert world.peers.offered == []
        await world.chain.tip(3, one)
        assert world.peers.fetched == [one.body.package]
        assert world.kept.folder_of(one.body.entry.model_id) is None
        assert world.keeper.notes[0].words == "salt: the same twice"

    async def after(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        await world.chain.tip(4, one)
        assert world.peers.fetched == []
        assert verdicts(world) == [Verdict.REFUSED]

    among(test, WRONG)
    told = [line.getMessage() for line in caplog.records if "not what" in line.getMessage()]
    assert len(told) == 1
    assert "salt: the same twice" in told[0]
    among(after)


def test_a_package_that_cannot_be_is_not_asked_for_again(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        world.peers.hopeless = "the manifest is none"
        await world.chain.tip(2, one)
        await world.chain.tip(3, one)
        assert world.peers.fetched == [one.body.package]
        assert "the manifest is none" in world.keeper.notes[0].words

    among(test)


def test_a_package_goes_at_the_height_that_nobody_can_go_back_from(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        old, new = world.gives(tmp_path, 1), world.gives(tmp_path, 2)
        await world.chain.tip(2, old, new)
        # Its proposal has ended, a tier has it; then another replaces it, until height 10.
        await world.chain.tip(3, new, mined=tier_has(old))
        await world.chain.tip(9, mined=tier_has(new, old))
        for height in range(10, 10 + UNDO):
            await world.chain.tip(height, mined=tier_has(new))
            assert world.keeper.store.find(old.body.package) is not None
        await world.chain.tip(10 + UNDO, mined=tier_has(new))
        assert world.keeper.store.find(old.body.package) is None
        assert world.kept.folder_of(old.body.entry.model_id) is None
        assert world.kept.folder_of(new.body.entry.model_id) is not None
        assert world.peers.offered == [new.body.package]
        assert [note.number for note in world.keeper.notes] == [2]

    among(test)


def test_a_kill_in_the_middle_loses_no_chunk(among: Callable[..., None], tmp_path: Path) -> None:
    async def cut_off(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        world.peers.most = 3
        await world.chain.tip(2, one)
        found = world.keeper.store.find(one.body.package)
        assert found is not None
        assert found.chunks_here == 3

    async def after(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        # The proposal has ended meanwhile: the notes alone know the package.
        await world.chain.tip(5, mined=tier_has(one))
        assert verdicts(world) == [Verdict.VERIFIED]
        assert world.kept.folder_of(one.body.entry.model_id) is not None

    async def verified(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        # Before any tip: a miner asks at once.
        assert world.kept.folder_of(one.body.entry.model_id) is not None
        await world.chain.tip(6, mined=tier_has(one))
        assert (world.peers.fetched, world.checker.jobs) == ([], [])
        assert world.peers.offered == [one.body.package]

    among(cut_off)
    among(after)
    among(verified)


def test_a_kill_during_the_check_checks_again(among: Callable[..., None], tmp_path: Path) -> None:
    async def cut_off(world: KeeperWorld) -> None:
        world.checker.gate = trio.Event()
        await world.chain.tip(2, world.gives(tmp_path, 1))
        assert len(world.checker.jobs) == 1

    async def after(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        await world.chain.tip(2, one)
        assert (world.peers.fetched, len(world.checker.jobs)) == ([], 1)
        assert verdicts(world) == [Verdict.VERIFIED]

    among(cut_off)
    among(after)


def test_what_lies_here_is_checked_while_people_vote(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1, final=False)
        world.keeper.store.take_in(tmp_path / "package-1")
        await world.chain.tip(2, one)
        assert verdicts(world) == [Verdict.VERIFIED]
        assert world.peers.fetched == []

    among(test, fetches=False)


def test_a_machine_that_cannot_check_says_nothing_of_the_package(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        await world.chain.tip(2, one)
        task = world.keeper.task(one.body.package)
        assert task is not None
        assert task.trouble == "no memory"
        assert verdicts(world) == [Verdict.NONE]
        jump(REST_S)
        await rest()
        assert verdicts(world) == [Verdict.VERIFIED]

    among(test, CheckFailedError("no memory"), RIGHT)


def test_what_ends_every_check_is_left_alone(among: Callable[..., None], tmp_path: Path) -> None:
    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        await world.chain.tip(2, one)
        for _ in range(2 * ATTEMPTS):
            jump(REST_S)
            await rest()
        assert len(world.checker.jobs) == ATTEMPTS
        assert world.kept.folder_of(one.body.entry.model_id) is None

    among(test, CheckFailedError("it ended with status 3"))


def test_what_ended_every_check_is_tried_again_in_an_hour(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        await world.chain.tip(2, one)
        for _ in range(ATTEMPTS):
            jump(REST_S)
            await rest()
        assert verdicts(world) == [Verdict.NONE]
        jump(BACK_OFF_S)
        await rest()
        assert verdicts(world) == [Verdict.VERIFIED]

    among(test, *[CheckFailedError("no memory")] * ATTEMPTS, RIGHT)


def test_a_model_whose_vote_passed_is_checked_first(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        right = world.gives(tmp_path, 2)
        early = proposal_of(1, right.body.package, final=False)
        await world.chain.tip(2, early, right)
        assert [job.body for job in world.checker.jobs] == [right.body, early.body]
        assert world.kept.bank_of(right.body.entry) is not None

    among(test, RIGHT, CheckFailedError("it was killed"))


def test_a_package_that_does_not_come_leaves_its_place_to_others(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        world.peers.most = 1
        await world.chain.tip(2, one)
        # What comes slowly goes on.
        for done in (1, 2):
            world.peers.done[one.body.package] = done
            jump(STALL_S)
            await rest()
        assert world.peers.fetching == {one.body.package}
        jump(STALL_S)
        await rest()
        assert world.peers.fetching == set()
        task = world.keeper.task(one.body.package)
        assert task is not None
        assert "others are fetched first" in task.trouble
        # What is here of it is given on.
        assert world.peers.offered == [one.body.package]
        world.peers.most = 1 << 16
        jump(YIELD_S)
        await rest()
        assert verdicts(world) == [Verdict.VERIFIED]

    among(test)


def test_the_very_package_that_a_proposal_names_is_ready_or_none(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        right = world.gives(tmp_path, 1)
        other = replace(right, id=Txid(b"o" * 64), number=2)
        other = replace(other, body=replace(right.body, package=b"o" * 64))
        world.peers.missing = {b"o" * 64}
        await world.chain.tip(2, right, other)
        # The model lies here, in a package that another one's voters read.
        assert world.kept.bank_of(other.body.entry) is not None
        assert [world.keeper.is_ready(one.id) for one in (right, other)] == [True, False]
        assert not world.keeper.is_ready(Txid(bytes(64)))
        genesis = replace(other, number=3, id=Txid(b"g" * 64))
        genesis = replace(genesis, body=replace(genesis.body, entry=PARAMS.model))
        await world.chain.tip(3, genesis)
        assert world.keeper.is_ready(genesis.id)

    among(test)


def test_another_bank_of_the_tier_is_another_check(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        longer = world.gives(tmp_path, 1)
        entry = replace(PARAMS.model, bank_root=b"l" * 64, bank_size=PARAMS.model.bank_size + 1)
        longer = replace(longer, body=replace(longer.body, entry=entry))
        # The package stays, for another one is right about it.
        right = proposal_of(2, longer.body.package)
        await world.chain.tip(2, longer, right)
        assert world.checker.jobs[0].extends == PARAMS.model
        assert world.kept.bank_of(entry) is not None
        other = genesis_registry(PARAMS)
        tier = replace(other.tiers[0], model=replace(PARAMS.model, bank_root=b"m" * 64))
        world.chain.registry = replace(other, tiers=(tier,))
        await world.chain.tip(3, longer, right)
        assert world.checker.jobs[2].extends == tier.model
        assert verdicts(world) == [Verdict.REFUSED, Verdict.VERIFIED]
        assert world.kept.bank_of(entry) is None
        assert world.kept.bank_of(right.body.entry) is not None

    among(test, RIGHT, RIGHT, WRONG)


def test_a_fetch_ends_with_the_proposal(among: Callable[..., None], tmp_path: Path) -> None:
    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        world.peers.most = 1
        await world.chain.tip(2, one)
        await world.chain.tip(3)
        assert world.keeper.task(one.body.package) is None
        await world.chain.tip(3 + UNDO)
        assert world.keeper.store.find(one.body.package) is None

    among(test)


def test_what_a_person_put_here_is_loaded_where_a_tier_has_it(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        folder = plain_folder(tmp_path / "by-hand", 1000)
        (folder / "bank.json").write_bytes(GENESIS_BANK.read_bytes())
        store, bank_root = world.keeper.store, read_bank(GENESIS_BANK).root
        kept = store.take_in(folder)
        entry = replace(entry_of(0, 5).model, bank_root=bank_root)
        await world.chain.tip(2, mined=(entry,))
        # Nobody checked it.
        assert world.kept.folder_of(entry.model_id) is None
        store.verified_as(kept.root, entry.model_id)
        await world.chain.tip(3)
        # No tier has it.
        assert world.kept.folder_of(entry.model_id) is None
        await world.chain.tip(3, mined=(replace(entry, bank_root=bytes(64)),))
        # The tier has it with another bank.
        assert world.kept.bank_of(replace(entry, bank_root=bytes(64))) is None
        assert world.kept.bank_of(entry) == kept.files / "bank.json"
        await world.chain.tip(4 + UNDO)
        assert store.find(kept.root) is not None

    among(test)


def test_no_disk_is_told_and_ends_no_node(
    among: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space")

    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        with monkeypatch.context() as patched:
            patched.setattr(Notebook, "write", full)
            await world.chain.tip(2, one)
        assert "no space" in caplog.text
        await world.chain.tip(3, one)
        assert verdicts(world) == [Verdict.VERIFIED]

    among(test)


def test_a_verdict_that_cannot_be_kept_is_none(
    among: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space")

    async def test(world: KeeperWorld) -> None:
        one = world.gives(tmp_path, 1)
        with monkeypatch.context() as patched:
            patched.setattr(world.keeper.store, "verified_as", full)
            await world.chain.tip(2, one)
        assert verdicts(world) == [Verdict.NONE]
        assert world.kept.folder_of(one.body.entry.model_id) is None
        jump(REST_S)
        await rest()
        assert verdicts(world) == [Verdict.VERIFIED]

    among(test)


def test_what_is_refused_of_a_right_package_is_not_loaded(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        right = world.gives(tmp_path, 1)
        wrong = proposal_of(2, right.body.package)
        await world.chain.tip(2, right, wrong)
        assert verdicts(world) == [Verdict.VERIFIED, Verdict.REFUSED]
        await world.chain.tip(3, right, wrong)
        assert world.kept.bank_of(right.body.entry) is not None
        assert world.kept.bank_of(wrong.body.entry) is None

    async def after(world: KeeperWorld) -> None:
        assert world.kept.bank_of(world.keeper.notes[0].body.entry) is not None
        assert world.kept.bank_of(world.keeper.notes[1].body.entry) is None

    among(test, RIGHT, WRONG)
    among(after)


def test_packages_are_checked_one_at_a_time(among: Callable[..., None], tmp_path: Path) -> None:
    async def test(world: KeeperWorld) -> None:
        world.checker.gate = trio.Event()
        await world.chain.tip(2, world.gives(tmp_path, 1), world.gives(tmp_path, 2))
        assert len(world.checker.jobs) == 1
        world.checker.gate.set()
        await rest()
        assert verdicts(world) == [Verdict.VERIFIED, Verdict.VERIFIED]

    among(test)


def test_what_a_note_speaks_of_is_loaded_by_its_own_check_alone(
    among: Callable[..., None], tmp_path: Path
) -> None:
    async def test(world: KeeperWorld) -> None:
        folder = plain_folder(tmp_path / "by-hand", 1000)
        (folder / "bank.json").write_bytes(GENESIS_BANK.read_bytes())
        kept = world.keeper.store.take_in(folder)
        one = proposal_of(1, kept.root)
        world.keeper.store.verified_as(kept.root, one.body.entry.model_id)
        world.checker.gate = trio.Event()
        await world.chain.tip(2, one, mined=tier_has(one))
        assert world.kept.folder_of(one.body.entry.model_id) is None

    among(test)
