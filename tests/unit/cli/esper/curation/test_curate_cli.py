"""`esper dao curate`: what is kept, signed and handed in, and what is refused."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from esper.cli.esper.curation import answering
from esper.cli.esper.curation.round_text import rounds_text
from esper.cli.esper.spend import paying
from esper.dao.hidden.hidden_set import HiddenSet, is_leaf_of, read_set, read_withdrawal
from esper.dao.hidden.openings import hidden_proof_bytes, read_hidden_proof
from esper.model.benchmarks.measuring import Examinee
from esper.model.benchmarks.secret_set import SecretSet, decode_secret
from esper.model.loaded import load_model
from esper.node.views.rpc_formats import address_text
from esper.primitives.networks import REGTEST
from esper.rpc import examples
from esper.rpc import schema as s
from esper.rpc.client import NodeUnreachableError
from esper.vm.governance.claim import Claim
from esper.vm.governance.prove import Prove
from tests.support.benchmark_models import letter_model
from tests.support.benchmark_texts import CHOICE, EXACT, JUDGED, lines_of
from tests.support.vm_world import BOB, address
from tests.support.wallet.wallet_console import Console, console

__all__ = ["console"]

ITEMS = 130
BOND = 50_000_000
PROPOSAL = "7d" * 64
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def word(at: int) -> str:
    return LETTERS[at // 26] + LETTERS[at % 26]


def choices(count: int = ITEMS) -> bytes:
    items = [
        {"question": word(at), "choices": ["a", "b", "c"], "answer": at % 3} for at in range(count)
    ]
    return lines_of(CHOICE, *items)


@dataclass(frozen=True)
class Model:
    """A model, and what it is measured with."""

    folder: Path
    text: Path
    examinee: Examinee

    @property
    def model_id(self) -> str:
        return self.examinee.entry.model_id.hex()

    @property
    def tokenizer(self) -> str:
        return self.examinee.entry.tokenizer_id.hex()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("measured")
    made = letter_model(folder / "model", 21)
    text = folder / "secret.jsonl"
    text.write_bytes(choices())
    return Model(made, text, Examinee.of(made, load_model(made)))


@pytest.fixture
def curator(console: Console) -> Console:
    console.wallet()
    return console


def committing(model: Model, *more: Any) -> list[Any]:
    return [
        *("dao", "curate", "commit", "--set", model.text, "--model", model.folder),
        *("--bond", "0.5", *more),
    ]


def secrets_of(curator: Console) -> list[SecretSet]:
    folder = curator.datadir / "hidden"
    return [decode_secret(one.read_bytes(), one) for one in sorted(folder.iterdir())]


def claim_of(curator: Console) -> Claim:
    [found] = curator.node.pending.values()
    assert isinstance(found.payload, Claim)
    return found.payload


def drawn(console: Console, model: Model, items: tuple[int, ...], **fields: Any) -> s.SetReply:
    """The node says that these items of the set that is kept were drawn."""
    [secret] = secrets_of(console)
    height = console.node.world.height
    address = console.json("wallet", "address")["addresses"][0]["address"]
    found = s.SetReply(
        id="5e" * 64,
        tokenizer=model.tokenizer,
        curator=address,
        root=secret.tree.root.hex(),
        items=ITEMS,
        state="drawn",
        made=1,
        used=len(items),
        bond=str(BOND),
        earned="0",
        returned="0",
        burned="0",
        proposal=PROPOSAL,
        model_id=model.model_id,
        judged=height + 5,
        drawn=[s.DrawnItem(one, False, False, False) for one in items],
    )
    found = replace(found, **fields)
    as_of = s.AsOf(height, True)
    console.node.set = s.SetShown(found, as_of)
    place = s.TokenizerReply(model.tokenizer, [], 7, str(BOND), [found])
    console.node.sets = s.HiddenSets(128, 64, 2, [place], as_of)
    return found


@pytest.fixture
def handed_in(curator: Console, monkeypatch: pytest.MonkeyPatch) -> list[s.SubmitParams]:
    """What the node was handed."""
    found: list[s.SubmitParams] = []
    take: Callable[[s.SubmitParams], s.Submitted] = curator.node.submit

    def submit(params: s.SubmitParams) -> s.Submitted:
        found.append(params)
        return take(params)

    monkeypatch.setattr(curator.node, "submit", submit)
    return found


def test_what_opens_a_set_is_kept_before_it_is_committed_to(
    curator: Console, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_submission = []
    take = curator.node.submit

    def submit(params: s.SubmitParams) -> s.Submitted:
        at_submission.extend(secrets_of(curator))
        return take(params)

    monkeypatch.setattr(curator.node, "submit", submit)
    out, err = curator.both(*committing(model))
    [secret] = at_submission
    claim = claim_of(curator)
    assert (claim.subject, claim.bond) == (2, BOND)
    assert read_set(claim.body) == secret.body
    assert (len(secret.items), secret.tokenizer.hex()) == (ITEMS, model.tokenizer)
    assert len(set(secret.salts)) == ITEMS
    [file] = (curator.datadir / "hidden").iterdir()
    assert file.name == secret.tree.root.hex()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    [txid] = curator.node.pending
    assert out == f"{txid}\n"
    assert str(file) in err
    assert "2 items of it" in err
    assert "within 4 blocks, or 0.5 ESP burn" in err
    assert f"esper dao curate open {txid[:16]} --model DIR" in err


def test_the_same_items_twice_are_two_sets(curator: Console, model: Model) -> None:
    curator.run(*committing(model))
    curator.node.pending.clear()
    told = curator.json(*committing(model))
    first, second = secrets_of(curator)
    assert first.items == second.items
    assert not set(first.salts) & set(second.salts)
    assert told["root"] in {first.tree.root.hex(), second.tree.root.hex()}
    assert (told["items"], told["unfit"], told["bond"]) == (ITEMS, 0, str(BOND))


def test_a_node_that_goes_away_leaves_what_opens_it(
    curator: Console, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> s.Submitted:
        raise NodeUnreachableError("http://node", "reset")

    monkeypatch.setattr(paying, "submitted", gone)
    words = curator.error(*committing(model))
    assert "Whether it took the transaction is not known" in words
    [secret] = secrets_of(curator)
    assert len(secret.items) == ITEMS


def test_what_was_drawn_is_opened_and_proven(
    curator: Console, model: Model, handed_in: list[s.SubmitParams]
) -> None:
    curator.run(*committing(model))
    [secret] = secrets_of(curator)
    curator.node.pending.clear()
    found = drawn(curator, model, (3, 77, 128))
    told = curator.json("dao", "curate", "open", "--model", model.folder)["sets"]
    proves = sorted(curator.node.pending.values(), key=lambda one: one.nonce)
    assert [one["set"] for one in told] == [found.id]
    assert told[0]["txids"] == [one.txid.hex() for one in proves]
    assert told[0]["proven"] == 3
    held = HiddenSet(
        bytes(33), secret.tokenizer, secret.tree.root, ITEMS, 0, 0, (), (), (), 0, 0, 0
    )
    opened = []
    for one in proves:
        assert isinstance(one.payload, Prove)
        assert (one.payload.subject, one.payload.target.hex()) == (3, found.id)
        # In the block at the height of judging it would come too late.
        assert one.expiry == curator.node.world.height + 4
        for shown in read_hidden_proof(one.payload.body).openings:
            opened.append(shown.index)
            assert is_leaf_of(held, shown.index, shown.salt, shown.item, shown.path)
    assert sorted(opened) == [3, 77, 128]
    assert [len(one.groups or ()) for one in handed_in[1:]] == [1] * len(proves)


def test_what_is_open_is_left_out(curator: Console, model: Model) -> None:
    curator.run(*committing(model))
    curator.node.pending.clear()
    items = [s.DrawnItem(3, True, True, True), s.DrawnItem(77, False, False, False)]
    found = drawn(curator, model, (), drawn=items)
    curator.run("dao", "curate", "open", found.id[:8], "--model", model.folder)
    [one] = curator.node.pending.values()
    assert isinstance(one.payload, Prove)
    assert [shown.index for shown in read_hidden_proof(one.payload.body).openings] == [77]


def test_what_fits_no_proof_is_opened_without_one(
    curator: Console, model: Model, handed_in: list[s.SubmitParams], tmp_path: Path
) -> None:
    items = [
        {"question": word(at) + 70 * "a" * (at % 2), "choices": ["a", "b"], "answer": 0}
        for at in range(ITEMS)
    ]
    text = tmp_path / "long.jsonl"
    text.write_bytes(lines_of(CHOICE, *items))
    about = ("--set", text, "--model", model.folder, "--bond", "0.5")
    _, err = curator.both("dao", "curate", "commit", *about)
    assert "65 items have no room in a proof of this model and earn nothing" in err
    curator.node.pending.clear()
    drawn(curator, model, (4, 5, 7))
    told = curator.json("dao", "curate", "open", "--model", model.folder)["sets"]
    assert told[0]["proven"] == 1
    bodies = [
        read_hidden_proof(one.payload.body).openings
        for one in sorted(curator.node.pending.values(), key=lambda one: one.nonce)
        if isinstance(one.payload, Prove)
    ]
    assert [[one.index for one in body] for body in bodies] == [[4], [5, 7]]
    assert [bool(one.answer.tokens) for body in bodies for one in body] == [True, False, False]
    assert [len(one.groups or ()) for one in handed_in[1:]] == [1, 0]


def test_what_a_transaction_has_no_room_for_is_opened_in_parts(
    curator: Console, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    curator.run(*committing(model))
    [secret] = secrets_of(curator)
    asked = answering.Curator(secret, model.examinee, 256, 1)
    [whole] = answering.answered_bodies(asked, (3, 77, 128))
    size = len(hidden_proof_bytes(whole))
    monkeypatch.setattr(answering, "MAX_HIDDEN_PROOF", size - 1)
    parts = list(answering.answered_bodies(asked, (3, 77, 128)))
    assert [[one.index for one in body.openings] for body in parts] == [[3], [77, 128]]


def test_a_list_is_as_long_as_it_needs_to_be(curator: Console, model: Model) -> None:
    curator.run(*committing(model))
    [secret] = secrets_of(curator)
    asked = answering.Curator(secret, model.examinee, 256, 1)
    lengths = {}
    for at in range(ITEMS):
        [body] = answering.answered_bodies(asked, (at,))
        [one] = body.openings
        ids = [candidate.token for candidate in one.answer.lists[0]]
        assert len(ids) == body.listed
        assert set(ids) & set(one.item.choices) or body.listed == 40
        lengths[body.listed] = at
    assert set(lengths) <= {4, 16, 40}
    assert len(lengths) > 1


def test_nothing_is_to_be_opened(curator: Console, model: Model) -> None:
    curator.run(*committing(model))
    curator.node.pending.clear()
    opening = ("dao", "curate", "open")
    about = ("--model", model.folder)
    found = drawn(curator, model, (), state="idle", judged=None)
    assert "it is idle" in curator.error(*opening, found.id, *about)
    _, err = curator.both(*opening, *about)
    assert "nothing is to be opened" in err
    drawn(curator, model, (3,), judged=curator.node.world.height + 1)
    assert "too late" in curator.error(*opening, found.id, *about)
    assert curator.json(*opening, *about) == {"sets": []}
    drawn(curator, model, (), drawn=[s.DrawnItem(3, True, True, True)])
    assert "all that was drawn" in curator.error(*opening, found.id, *about)
    assert curator.node.pending == {}


def test_another_model_than_the_rounds(curator: Console, model: Model) -> None:
    curator.run(*committing(model))
    curator.node.pending.clear()
    found = drawn(curator, model, (3,), model_id="ab" * 64)
    opening = ("dao", "curate", "open")
    words = curator.error(*opening, found.id, "--model", model.folder)
    assert "is about abababababababab…: name the folder of that model" in words
    out, err = curator.both(*opening, "--model", model.folder)
    assert (out, "name the folder of that model" in err) == ("", True)
    assert curator.node.pending == {}


def test_a_set_whose_file_is_gone_or_is_another(curator: Console, model: Model) -> None:
    curator.run(*committing(model))
    curator.node.pending.clear()
    found = drawn(curator, model, (3,))
    [file] = (curator.datadir / "hidden").iterdir()
    data = file.read_bytes()
    opening = ("dao", "curate", "open", "--model", model.folder)
    file.write_bytes(data[:-1])
    assert "put back the copy that you made of it" in curator.error(*opening)
    file.write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    assert "holds another set than its name says" in curator.error(*opening)
    file.unlink()
    words = curator.error(*opening)
    assert f"put the copy of its file back as {file}" in words
    assert found.id[:16] in words
    assert curator.node.pending == {}


@pytest.mark.parametrize("items", [(130,), (3, 3), tuple(range(9)), (-1,)])
def test_a_node_has_no_more_opened_than_a_round_draws(
    curator: Console, model: Model, items: tuple[int, ...]
) -> None:
    curator.run(*committing(model))
    curator.node.pending.clear()
    drawn(curator, model, items)
    words = curator.error("dao", "curate", "open", "--model", model.folder)
    assert "were drawn, which no round draws: ask another node" in words
    assert curator.node.pending == {}


@pytest.mark.parametrize("root", ["../../wallets/main", "5E" * 64, "5e" * 63])
def test_a_root_is_a_hash_before_it_is_a_path(curator: Console, model: Model, root: str) -> None:
    curator.run(*committing(model))
    curator.node.pending.clear()
    found = drawn(curator, model, (3,), root=root)
    for named in ((), (found.id,)):
        words = curator.error("dao", "curate", "open", *named, "--model", model.folder)
        assert "without its id or root" in words
    listed = curator.run("dao", "curate", "list")
    assert "kept here" in listed


def test_the_sets_of_others_are_theirs(curator: Console, model: Model) -> None:
    curator.run(*committing(model))
    curator.node.pending.clear()
    found = drawn(curator, model, (3,), curator=address_text(address(BOB), REGTEST))
    opening = ("dao", "curate", "open")
    words = curator.error(*opening, found.id, "--model", model.folder)
    assert "which is no address of wallet main" in words
    _, err = curator.both(*opening, "--model", model.folder)
    assert "nothing is to be opened" in err
    assert curator.node.pending == {}


def test_a_set_is_taken_back_while_nothing_waits_for_it(curator: Console, model: Model) -> None:
    curator.run(*committing(model))
    curator.node.pending.clear()
    taking = ("dao", "curate", "withdraw")
    found = drawn(curator, model, (), state="awaited", judged=None)
    assert "a model that is under way waits" in curator.error(*taking, found.id)
    drawn(curator, model, (3,))
    judged = curator.node.world.height + 5
    assert f"it is judged at height {judged}" in curator.error(*taking, found.id)
    drawn(curator, model, (), state="ended", judged=None)
    assert "its bond is settled" in curator.error(*taking, found.id)
    assert curator.node.set is not None
    other = replace(curator.node.set.set, id="6f" * 64)
    curator.node.set = replace(curator.node.set, set=other)
    assert "the node gave another set" in curator.error(*taking, found.id)


def test_a_withdrawal_is_a_claim_without_a_bond(
    curator: Console, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    curator.run(*committing(model))
    curator.node.pending.clear()
    found = drawn(curator, model, (), state="idle", judged=None)
    sent = []

    def pay(_: object, sender: str, wish: Claim, *rest: object) -> s.Submitted:
        sent.append((sender, wish))
        return s.Submitted("aa" * 64, None)

    monkeypatch.setattr("esper.cli.esper.curation.withdrawing.pay", pay)
    curator.run("dao", "curate", "withdraw", found.id[:8])
    [(sender, claim)] = sent
    assert (sender, claim.subject, claim.bond) == (found.curator, 3, 0)
    assert read_withdrawal(claim.body).set_id.hex() == found.id


def test_a_list_says_what_is_to_be_opened_and_what_is_kept(curator: Console, model: Model) -> None:
    curator.run(*committing(model))
    [secret] = secrets_of(curator)
    root = secret.tree.root.hex()
    listed = curator.run("dao", "curate", "list")
    assert f"kept here  {root[:16]}…, of no set of these" in listed
    assert f"tokenizer  {model.tokenizer[:16]}…, of 0 models; 8 places free" in listed
    items = [s.DrawnItem(3, True, True, True), s.DrawnItem(77, False, False, False)]
    found = drawn(curator, model, (), drawn=items)
    listed = curator.run("dao", "curate", "list")
    assert f"{found.id[:16]}…  130 items, drawn" in listed
    assert "kept here\n" in listed
    assert f"judged at {found.judged}; to be opened: 77" in listed
    assert "7 places free, the next set holds 0.5 ESP" in listed
    told = curator.json("dao", "curate", "list")
    assert (told["kept"], told["kept_elsewhere"]) == ([root], [])
    drawn(curator, model, (), state="ended", judged=None, bond="0", burned=str(BOND))
    assert "bond: 0 ESP back, 0.5 ESP burned" in curator.run("dao", "curate", "list")


def refused(curator: Console, model: Model, content: bytes, tmp_path: Path) -> str:
    file = tmp_path / "refused.jsonl"
    file.write_bytes(content)
    about = ("--set", file, "--model", model.folder, "--bond", "0.5")
    words = curator.error("dao", "curate", "commit", *about)
    assert not (curator.datadir / "hidden").exists()
    assert curator.node.pending == {}
    return words


def test_items_that_make_no_set(curator: Console, model: Model, tmp_path: Path) -> None:
    words = refused(curator, model, choices(127), tmp_path)
    assert "has 127 items, a hidden set has 128 to 65535" in words
    lines = choices().splitlines(keepends=True)
    words = refused(curator, model, b"".join((*lines, lines[4])), tmp_path)
    assert "items 3 and 130 are the same" in words
    judged = lines_of(JUDGED, *({"question": word(at), "reference": "a"} for at in range(ITEMS)))
    assert "has judged pairs" in refused(curator, model, judged, tmp_path)
    single = EXACT | {"limit": 1}
    exact = lines_of(single, *({"question": word(at), "answer": "a"} for at in range(ITEMS)))
    assert "item 0 would be read as a choice" in refused(curator, model, exact, tmp_path)
    long = [
        {"question": word(at) + 70 * "a", "choices": ["a", "b"], "answer": 0} for at in range(ITEMS)
    ]
    assert "has room for any item" in refused(curator, model, lines_of(CHOICE, *long), tmp_path)
    assert "line" in refused(curator, model, b"{", tmp_path)


def test_a_bond_is_named_and_is_enough(curator: Console, model: Model) -> None:
    words = curator.error(*committing(model)[:-2], status=2)
    assert "the node says that --bond 0.5 is the least" in words
    words = curator.error(*committing(model)[:-1], "0.4", status=2)
    assert "--bond 0.4: the least is 0.5 now" in words
    words = curator.error(*committing(model)[:-1], "5000")
    assert "5000" in words.replace(",", "")
    place = s.TokenizerReply(model.tokenizer, [], 0, "200000000", [])
    as_of = s.AsOf(1, True)
    curator.node.sets = s.HiddenSets(128, 64, 2, [place], as_of)
    words = curator.error(*committing(model), status=2)
    assert "the least is 2 now, twice that of the set whose place it takes" in words
    curator.node.sets = s.HiddenSets(128, 64, 2, [replace(place, least_bond=None)], as_of)
    assert "so none gives way" in curator.error(*committing(model))
    curator.node.sets = s.HiddenSets(128, 64, 2, [], as_of)
    assert "sets for another tokenizer" in curator.error(*committing(model))
    assert not (curator.datadir / "hidden").exists()
    assert curator.node.pending == {}


def test_rounds_as_lines() -> None:
    lines = rounds_text(examples.ROUNDS)
    assert lines[0].startswith("round     1: at 247: 1 drawn item is to be opened")
    assert lines[1] == (
        f"          set {examples.TXID[:16]}…  1 of 2 opened, 1 of 1 right, by {examples.BOB}"
    )
    assert lines[2].startswith("round     2: at 344: with the sets that are there now")
    [first, _] = examples.ROUNDS.rounds
    scored = replace(first.sets[0], earned="250000000", burned="0")
    over = replace(first, sets=[scored], rollback="8f" * 64, height=None)
    lines = rounds_text(replace(examples.ROUNDS, rounds=[over]))
    assert lines[0].startswith("round     1: 1 drawn item")
    assert lines[2:] == [
        "          earned 2.5 ESP, burned 0 ESP",
        f"          the vote: {'8f' * 8}…",
    ]
