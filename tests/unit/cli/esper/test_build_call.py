"""`esper build call`: tokens from the node, from a model's folder, or from a file."""

from pathlib import Path

import pytest

from esper.cli.esper import environment as wallet_machine
from esper.node.calls.text_service import ModelText
from esper.primitives.networks import REGTEST
from esper.vm.llm_call import LlmCall
from tests.support.wallet.wallet_console import Console, console, own_key
from tests.unit.cli.esper.test_wallet_cli_money import OTHER, earning

__all__ = ["console"]

ROOT = Path(__file__).resolve().parents[4]
MODEL = ROOT / "genesis" / "model"


def built(console: Console, tmp_path: Path, *words: str) -> LlmCall:
    """The call of a file, once it was signed and waits."""
    unsigned, signed = tmp_path / "a", tmp_path / "b"
    for file in (unsigned, signed):
        file.unlink(missing_ok=True)
    console.run("build", "call", *words, "--out", unsigned)
    console.run("sign", unsigned, "--out", signed)
    txid = console.run("submit", signed).strip()
    call = console.node.pending.pop(txid).payload
    assert isinstance(call, LlmCall)
    return call


def test_the_node_makes_the_tokens(console: Console, tmp_path: Path) -> None:
    console.wallet()
    earning(console)
    call = built(console, tmp_path, "Once upon", "--max-tokens", "3")
    assert (call.max_tokens, call.price) == (3, console.node.suggested_bid)


def test_a_folder_makes_the_tokens_and_no_node_is_asked_for_them(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.wallet()
    earning(console)
    monkeypatch.delattr(type(console.node), "estimate_call")
    monkeypatch.setattr(console.node, "estimate_call", None, raising=False)
    unsigned = tmp_path / "c"
    shown = console.run("build", "call", "Once upon a time", "--model", MODEL, "--out", unsigned)
    assert f"model {REGTEST.model.model_id.hex()}" in " ".join(shown.split())
    ids = ModelText(MODEL, REGTEST.model).of_text("Once upon a time")
    assert f"{len(ids)} tokens: {' '.join(map(str, ids))}\n" in shown
    said = console.error(
        "build", "call", "x", "--model", tmp_path, "--out", tmp_path / "x", status=2
    )
    assert "tokenizer.json" in said
    assert not (tmp_path / "x").exists()


def test_no_node_is_needed(console: Console, tmp_path: Path) -> None:
    console.wallet()
    earning(console)
    online, console.node = console.node, None  # type: ignore[assignment]
    unsigned, signed, send = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    offline = ("--nonce", "1", "--height", "12")
    console.run("build", "call", "Hi", "--model", MODEL, "--out", unsigned, *offline)
    console.run("sign", unsigned, "--out", signed)
    console.run("build", "send", OTHER, "1", "--out", send, *offline)
    assert "nonce 1" in " ".join(console.run("sign", send, "--out", tmp_path / "e").split())
    refused = tmp_path / "x"
    for words, says in (
        (("call", "Hi", *offline), "--model DIR or --tokens FILE"),
        (("send", OTHER, "all", *offline), "name the amount"),
        (("stake", "1", "--nonce", "1"), "name both"),
        (("unstake", "1", "--height", "1"), "name both"),
    ):
        assert says in console.error("build", *words, "--out", refused, status=2)
    assert not refused.exists()
    console.node = online
    txid = console.run("submit", signed).strip()
    call = console.node.pending[txid]
    assert (call.nonce, call.expiry, call.key) == (1, 212, own_key().public)


@pytest.mark.parametrize("written", ["[1, 5, 6]", "1 5 6\n", "1,5,6", "[1\n 5\n 6]"])
def test_a_file_gives_the_tokens(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    console.wallet()
    earning(console)
    (tmp_path / "ids").write_text(written)
    call = built(console, tmp_path, "--tokens", str(tmp_path / "ids"), "--bid", "30")
    assert (call.prompt, call.price) == ((1, 5, 6), 30)
    monkeypatch.setattr(wallet_machine, "standard_input", lambda _: written.encode())
    assert built(console, tmp_path, "--tokens", "-").prompt == (1, 5, 6)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "no token ids"),
        ("[]", "no token ids"),
        ("[1, 2", "no token ids"),
        ("1 -2", "no token ids"),
        ("[1, 2.5]", "no token ids"),
        ("[[1]]", "no token ids"),
        ("one", "no token ids"),
        ("١ ٢", "not ASCII"),
        ("1 99999", "ids of the model are below"),
        ("1 " * 600, "shorten it by 472"),
    ],
)
def test_a_file_of_anything_else_is_refused(
    console: Console, tmp_path: Path, written: str, says: str
) -> None:
    console.wallet()
    earning(console)
    (tmp_path / "ids").write_text(written)
    words = ("build", "call", "--tokens", tmp_path / "ids", "--out", tmp_path / "x")
    status = 1 if "shorten" in says else 2
    said = console.error(*words, status=status)
    assert says in said
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "words", [(), ("x", "--tokens", "f"), ("--chat", "--tokens", "f"), ("--max-tokens", "4")]
)
def test_one_prompt_and_no_more(console: Console, tmp_path: Path, words: tuple[str, ...]) -> None:
    console.wallet()
    said = console.error("build", "call", *words, "--out", tmp_path / "x", status=2)
    assert "--tokens" in said
