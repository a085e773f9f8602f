"""`esper history`: kinds, what waits, and pages, of one address and of all."""

from esper.rpc import schema as s
from tests.support.wallet.wallet_console import Console, console
from tests.unit.cli.esper.test_wallet_cli_money import OTHER, OWN

__all__ = ["console"]


def grown(console: Console) -> None:
    kinds = ("sent", "received", "staked", "mined", "called")
    console.node.history_events = tuple(
        s.Event(height, height, f"{height:02}" * 64, kinds[height % 5], "5", "1", OTHER)
        for height in range(1, 41)
    )


def heights(out: str) -> list[int]:
    return [int(line.split()[0]) for line in out.splitlines() if line.split()[0].isdigit()]


def test_pages_follow_each_other(console: Console) -> None:
    console.wallet()
    grown(console)
    seen: list[int] = []
    words = ["history", "--limit", "7"]
    while words:
        out = console.run(*words)
        seen += heights(out)
        more = out.splitlines()[-1].partition("more: esper ")[2]
        assert len(heights(out)) == 7 or not more
        words = more.split()
    assert seen == list(range(40, 0, -1))


def test_kinds(console: Console) -> None:
    console.wallet()
    grown(console)
    assert heights(console.run("history", "--kind", "transfer")) == [
        height for height in range(40, 0, -1) if height % 5 in (0, 1)
    ]
    out = console.run("history", "--kind", "mined", "--kind", "stake", "--limit", "3")
    assert heights(out) == [38, 37, 33]
    assert "--kind mined --kind stake --limit 3 --before 00000033" in out
    assert "must be one of transfer" in console.error("history", "--kind", "gift", status=2)
    assert "nothing of that kind" in console.run("history", "--kind", "unstake")


def test_what_waits_comes_first(console: Console) -> None:
    console.wallet()
    grown(console)
    txid = console.run("send", OTHER, "2").strip()
    first = console.run("history", "--limit", "1").splitlines()[0]
    assert first.split()[0] == "waits"
    assert txid[:16] in first
    assert "2 ESP, fee 0." in first
    assert console.run("history", "--pending").count("\n") == 1
    found = console.json("history", "--pending")
    assert [event["txid"] for event in found["pending"][OWN]] == [txid]
    assert found["history"][OWN]["events"] == []
    assert "nothing of that kind" in console.run("history", "--pending", "--kind", "stake")
    assert "waits" not in console.run("history", "--before", "00000009")


def test_all_addresses_make_one_list(console: Console) -> None:
    console.wallet()
    second = console.run("wallet", "address", "--new").split()[0]
    grown(console)
    found = console.json("history", "--limit", "4")
    shown = [
        event["height"] for text in (OWN, second) for event in found["history"][text]["events"]
    ]
    assert sorted(shown) == [39, 39, 40, 40]
    assert found["cursor"] == "00000039"


def test_a_history_without_end_is_given_up(console: Console) -> None:
    console.wallet()
    asked = 0

    def endless(params: s.HistoryParams) -> s.History:
        nonlocal asked
        asked += 1
        event = s.Event(1, 1, "", "mined", "1", "0", "", cursor=str(asked))
        return s.History([event] * params.limit, str(asked), s.AsOf(1, True))

    console.node.history = endless  # type: ignore[method-assign]
    out = console.run("history", "--kind", "sent")
    assert "nothing of that kind" in out
    assert "--before" in out
    assert asked < 100


def test_what_evidence_took_is_of_the_dao(console: Console) -> None:
    console.wallet()
    console.node.history_events = (
        s.Event(1, 1, "01" * 64, "penalty-taken", "70000000", "0", OTHER),
        s.Event(2, 2, "02" * 64, "penalty-paid", "35000000", "0", OTHER),
        s.Event(3, 3, "03" * 64, "sent", "5", "1", OTHER),
    )
    out = console.run("history", "--kind", "dao")
    assert heights(out) == [2, 1]
    assert f"penalty-taken    0.7 ESP  {OTHER}  {'01' * 8}" in out
    assert f"penalty-paid     0.35 ESP  {OTHER}  {'02' * 8}" in out
