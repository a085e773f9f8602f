"""`esper wallet scan`: used addresses of the words are found again, up to a gap."""

from dataclasses import dataclass, field

import pytest
from msgspec import structs

from esper.primitives.address import Address
from esper.rpc import schema as s
from esper.vm.records import Account
from esper.wallet.errors import NodeContradictionError
from esper.wallet.scanning import GAP_LIMIT, SCAN_LIMIT, Scan, scanned
from esper.wallet.words import words_of
from tests.support.vm_world import COIN, World, address
from tests.support.wallet.fake_wallet_node import FakeNode
from tests.support.wallet.wallet_cases import ENTROPY, PASSWORD
from tests.support.wallet.wallet_console import Console, console, own_key
from tests.unit.wallet.test_wallet_over_rpc import wired

__all__ = ["console", "wired"]


def own(index: int) -> str:
    return own_key(index).address.to_text("resp")


def numbered(index: int) -> str:
    """An address that costs no key."""
    return Address(1, index.to_bytes(32, "big")).to_text("resp")


@dataclass
class ScannedNode(FakeNode):
    """A node that counts questions, and knows that some addresses were used and emptied again."""

    world: World = field(default_factory=World)
    emptied: set[str] = field(default_factory=set)
    accounts: dict[str, dict[str, object]] = field(default_factory=dict)
    """Differences to an account that holds nothing."""
    questions: list[str] = field(default_factory=list)

    def account(self, params: s.AccountParams) -> s.AccountReply:
        self.questions.append(params.address)
        found = super().account(params)
        return replace_parts(found, self.accounts.get(params.address, {}))

    def history(self, params: s.HistoryParams) -> s.History:
        assert params.limit == 1
        happened = s.Event(3, 4, "ab", "sent", "1", "1", "")
        events = [happened] if params.address in self.emptied else []
        return s.History(events, None, s.AsOf(self.world.height, True))


def replace_parts(found: s.AccountReply, parts: dict[str, object]) -> s.AccountReply:
    given = dict(parts)
    if "available" in given:
        given["credits"] = structs.replace(found.credits, available=given.pop("available"))
    return structs.replace(found, **given)


def test_nothing_used_costs_a_gap() -> None:
    node = ScannedNode()
    assert scanned(node, numbered, 3) == Scan(3, GAP_LIMIT, True, 0, True)
    assert node.questions == [numbered(index) for index in range(3, 3 + GAP_LIMIT)]


def test_the_last_used_before_a_gap_is_found() -> None:
    node = ScannedNode(emptied={numbered(5), numbered(5 + GAP_LIMIT)})
    found = scanned(node, numbered, 1)
    assert (found.end, found.asked, found.complete) == (6 + GAP_LIMIT, 5 + 2 * GAP_LIMIT, True)


def test_behind_a_gap_nothing_is_found() -> None:
    """The honest twin: the limit is what the page says, one address more is too far."""
    node = ScannedNode(emptied={numbered(5), numbered(6 + GAP_LIMIT)})
    assert scanned(node, numbered, 1).end == 6
    assert scanned(ScannedNode(emptied={numbered(1 + GAP_LIMIT)}), numbered, 1).end == 1
    assert scanned(ScannedNode(emptied={numbered(GAP_LIMIT)}), numbered, 1).end == 1 + GAP_LIMIT


@pytest.mark.parametrize(
    "parts",
    [
        {"nonce": 1, "next_nonce": 1},
        {"next_nonce": 1},
        {"key_known": True},
        {"balance": "1"},
        {"pending_in": "1"},
        {"stake": "1"},
        {"available": "1"},
        {"immature": [s.Release(9, "1")]},
        {"unbonding": [s.Release(9, "1")]},
    ],
)
def test_whatever_an_account_shows_is_use(parts: dict[str, object]) -> None:
    node = ScannedNode(accounts={numbered(2): parts})
    assert scanned(node, numbered, 0).end == 3


def test_a_node_that_calls_all_used_is_left_after_a_while() -> None:
    node = ScannedNode(emptied={numbered(index) for index in range(2 * SCAN_LIMIT)})
    assert scanned(node, numbered, 1) == Scan(1 + SCAN_LIMIT, SCAN_LIMIT, False, 0, True)
    assert scanned(node, numbered, 1, limit=7) == Scan(8, 7, False, 0, True)


def test_the_oldest_and_least_synced_answer_counts() -> None:
    parts: dict[str, object] = {"as_of": s.AsOf(4, False)}
    node = ScannedNode(World(height=9), accounts={numbered(2): parts})
    found = scanned(node, numbered, 0)
    assert (found.height, found.synced) == (4, False)


def test_a_node_that_answers_about_another_address_is_refused() -> None:
    node = ScannedNode(accounts={numbered(0): {"address": numbered(1)}})
    with pytest.raises(NodeContradictionError):
        scanned(node, numbered, 0)


def restored(console: Console, *options: object) -> str:
    """What restoring from the words says to people beside the answer."""
    words = words_of(ENTROPY)
    options = ("--network", "regtest", *options)
    return console.both("wallet", "restore", *options, given=words + "\n")[1]


def funds(console: Console, *indices: int) -> None:
    """Addresses of the words hold coins, the first too."""
    for index in indices:
        holds = Account(balance=7 * COIN)
        console.node.world.state = console.node.world.state.with_account(
            address(own_key(index)), holds
        )


def test_a_restored_wallet_finds_what_it_had(console: Console) -> None:
    funds(console, 2, 4)
    assert "No node was asked" in restored(console)
    assert "available  1000 ESP" in console.run("balance")
    said = console.run("wallet", "scan")
    assert said.splitlines() == [
        "as of height 0",
        *map(own, range(1, 5)),
        "4 more addresses; the 20 behind the wallet's last were never used",
    ]
    assert "available  1014 ESP" in console.run("balance")
    # And can spend them: the keys are the addresses'.
    console.run("send", own(0), "1", "--from", own(4))
    # Again it finds nothing, and the next new address is the one behind.
    found = console.json("wallet", "scan")
    assert (found["addresses"], found["asked"], found["complete"]) == ([], GAP_LIMIT, True)
    assert console.run("wallet", "address", "--new") == f"{own(5)}\n"


def test_restoring_asks_no_node(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without network it works, and says that nothing was looked for."""

    def nobody(_: object) -> None:
        raise AssertionError("a node was asked")

    monkeypatch.setattr("esper.cli.esper.environment.connect", nobody)
    assert "No node was asked" in restored(console)
    copy = console.datadir / "copy"
    assert "No node" not in console.both("wallet", "backup", copy)[1]
    assert "No node was asked" in console.both("wallet", "restore", copy, "--wallet", "b")[1]
    # A new wallet has nothing to look for, and programs are told nothing beside the answer.
    assert (
        "No node" not in console.both("wallet", "new", "--wallet", "c", "--network", "regtest")[1]
    )
    restore = ("wallet", "restore", "--wallet", "d", "--network", "regtest", "--json")
    assert console.both(*restore, given=words_of(ENTROPY))[1] == ""


def test_nothing_found_changes_nothing(console: Console) -> None:
    restored(console)
    before = (console.datadir / "wallets/main.json").read_bytes()
    assert "no more addresses; the 20" in console.run("wallet", "scan")
    assert (console.datadir / "wallets/main.json").read_bytes() == before


def test_the_password_and_the_words_are_needed(console: Console) -> None:
    restored(console)
    console.variables["ESPER_PASSWORD"] = "wrong"
    assert "does not open" in console.error("wallet", "scan")
    console.variables["ESPER_PASSWORD"] = PASSWORD
    console.run("wallet", "watch", own(3), "--wallet", "eyes", "--network", "regtest")
    assert "only watches" in console.error("wallet", "scan", "--wallet", "eyes")
    seed = console.datadir / "seed"
    seed.write_text("07" * 32)
    console.run("wallet", "import", seed, "--wallet", "seeds", "--network", "regtest")
    assert "no words" in console.error("wallet", "scan", "--wallet", "seeds")


def test_a_node_of_another_network_is_not_asked(console: Console) -> None:
    restored(console)
    funds(console, 1)
    console.node.genesis = "00" * 64
    assert "the node is on" in console.error("wallet", "scan")
    assert console.run("wallet", "address") == f"{own(0)}\n"


def test_a_node_that_is_behind_says_so(console: Console) -> None:
    restored(console)
    console.node.synced = False
    assert "as of height 0, not synced: the tip is 3 hours old" in console.run("wallet", "scan")
    assert console.json("wallet", "scan")["as_of"] == {"height": 0, "synced": False}


def test_a_scan_that_was_cut_off_says_so(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanned, "__kwdefaults__", {"limit": 3})
    funds(console, 1, 2, 3, 4)
    restored(console)
    assert "3 more addresses, and there may be others" in console.run("wallet", "scan")
    found = console.json("wallet", "scan")
    assert (found["addresses"], found["complete"]) == ([own(4)], False)


def test_over_the_wire(wired: Console) -> None:
    funds(wired, 3)
    restored(wired)
    assert wired.json("wallet", "scan")["addresses"] == [own(1), own(2), own(3)]
