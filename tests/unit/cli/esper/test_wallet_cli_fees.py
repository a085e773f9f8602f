"""What the wallet pays: fees under a cap, and everything down to the last unit."""

from pathlib import Path

import msgspec
import pytest

from esper.rpc import schema as s
from esper.vm.fees import fee_asked
from tests.support.vm_world import COIN
from tests.support.wallet.wallet_console import Console, console, own_key
from tests.unit.cli.esper.test_wallet_cli_money import OTHER, earning

__all__ = ["console"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", OTHER, "0.1", "--fee", "5000"),
        ("stake", "1", "--fee", "0.10000001"),
        ("unstake", "1", "--fee", "2"),
        ("credits", "send", OTHER, "1", "--fee", "2"),
        ("build", "send", OTHER, "1", "--fee", "2", "--out", "nowhere"),
        ("build", "stake", "1", "--fee", "2", "--out", "nowhere"),
        ("build", "unstake", "1", "--fee", "2", "--out", "nowhere"),
        ("build", "credits", OTHER, "1", "--fee", "2", "--out", "nowhere"),
        ("bump", "00" * 64, "--fee", "2"),
    ],
)
def test_a_fee_above_the_cap_is_refused(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    console.wallet()
    said = console.error(*arguments)
    fee = arguments[arguments.index("--fee") + 1]
    assert f"the fee would be {fee} ESP, more than the cap of 0.1 ESP" in said
    assert f"add --max-fee {fee}\n" in said
    assert console.node.pending == {}
    assert not (tmp_path / "nowhere").exists()


def test_the_cap_is_an_option_and_a_variable(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.wallet()
    console.run("send", OTHER, "1", "--fee", "0.5", "--max-fee", "0.5")
    monkeypatch.setenv("ESPER_MAX_FEE", "0.2")
    console.run("send", OTHER, "1", "--fee", "0.2")
    assert "cap of 0.2 ESP" in console.error("send", OTHER, "1", "--fee", "0.3")
    monkeypatch.setenv("ESPER_MAX_FEE", "0.00000001")
    assert "--max-fee 0.0" in console.error("send", OTHER, "1"), "also where the fee is the least"
    monkeypatch.setenv("ESPER_MAX_FEE", "much")
    assert "ESPER_MAX_FEE 'much' is no number of ESP" in console.error("stake", "1", status=2)


def test_a_cap_holds_where_the_fee_rises_by_itself(console: Console, tmp_path: Path) -> None:
    console.wallet()
    txid = console.run("send", OTHER, "1", "--fee", "0.1").strip()
    assert "the fee would be 0.11 ESP" in console.error("bump", txid)
    console.run("bump", txid, "--max-fee", "0.11")
    unsigned = tmp_path / "a"
    console.run("build", "send", OTHER, "1", "--fee", "3", "--max-fee", "3", "--out", unsigned)
    said = console.error("sign", unsigned, "--out", tmp_path / "b")
    assert "the fee would be 3 ESP" in said, "whoever built it may be somebody else"
    assert not (tmp_path / "b").exists()
    console.run("sign", unsigned, "--out", tmp_path / "b", "--max-fee", "3")


def test_no_fee_at_all_is_too_small_a_fee(console: Console) -> None:
    console.wallet()
    said = console.error("send", OTHER, "1", "--fee", "0", status=2)
    assert said.startswith("--fee is 0 ESP, must be 0.0")
    assert "at least" in said
    assert "would move" not in said


# --- all ---


def test_all_leaves_nothing(console: Console) -> None:
    console.wallet()
    txid = console.run("send", OTHER, "all").strip()
    sent = console.node.pending[txid]
    assert sent.payload.outlay + sent.fee == 1000 * COIN
    assert sent.fee == fee_asked(sent, console.node.world.params.limits)
    console.node.mine()
    assert console.node.world.account(own_key()).balance == 0
    assert "this needs" in console.error("send", OTHER, "all")
    assert "this needs" in console.error("stake", "all")


@pytest.mark.parametrize("fee", ["0.05", "0.00065536", "0.1"])
def test_all_with_a_chosen_fee(console: Console, fee: str) -> None:
    console.wallet()
    txid = console.run("stake", "all", "--fee", fee).strip()
    sent = console.node.pending[txid]
    assert sent.payload.outlay + sent.fee == 1000 * COIN
    assert f"{sent.fee / COIN:.8f}".rstrip("0") == fee


@pytest.mark.parametrize("more", [1, 255, 256, 257, 65_535, 65_536, 1 << 24, (1 << 32) + 5])
def test_all_of_any_balance_leaves_nothing(console: Console, more: int) -> None:
    """Also where a smaller amount takes fewer bytes: the fee is a little more, nothing stays."""
    console.wallet()
    honest, limits = console.node.account, console.node.world.params.limits
    probe = console.run("stake", "1").strip()
    have = console.node.pending.pop(probe).fee + more

    def rich(params: s.AccountParams) -> s.AccountReply:
        return msgspec.structs.replace(honest(params), balance=str(have))

    console.node.account = rich  # type: ignore[method-assign]
    sent = console.node.pending[console.run("stake", "all").strip()]
    assert sent.payload.outlay + sent.fee == have
    assert sent.fee >= fee_asked(sent, limits)


def test_all_of_the_stake_and_of_the_credits(console: Console) -> None:
    console.wallet()
    assert "nothing to unstake" in console.error("unstake", "all")
    assert "no credits" in console.error("credits", "send", OTHER, "all")
    earning(console)
    spendable = int(console.json("credits")["accounts"][0]["credits"]["spendable"])
    txid = console.run("credits", "send", OTHER, "all").strip()
    assert console.node.pending[txid].payload.credits_needed == spendable > 0
    console.node.mine()
    console.run("unstake", "all")
    console.node.mine()
    assert console.node.world.account(own_key()).stake == 0


def test_the_amount_is_told_before_consent(console: Console) -> None:
    console.wallet()
    console.terminal, console.typed = True, ["n"]
    err = console.error("send", OTHER, "all")
    lines = dict(line.split(maxsplit=1) for line in err.splitlines() if "  " in line)
    assert lines["send"].startswith("999.99")
    assert lines["total"] == "1000 ESP"
    assert lines["remains"] == "0 ESP"
    # The texts stand below each other.
    told = [line for line in err.splitlines() if line.split()[0] in lines]
    assert len({line.index(line.split(maxsplit=1)[1]) for line in told}) == 1
