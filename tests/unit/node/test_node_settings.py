"""Settings: which source wins, and what a value that cannot be used is told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from esper.node.setting_fields import (
    HIDDEN,
    SettingsError,
    declared,
    setting,
)
from esper.node.settings import SETTINGS_FILE, Settings, datadir_in_effect, resolve, tier_of
from esper.rpc.settings import RpcSettings

KINDS: list[tuple[str, str, str, Any, tuple[Any, Any, Any]]] = [
    # name, in the file, in the environment, as a flag, and what each of them means
    ("network", '"testnet"', "regtest", "mainnet", ("testnet", "regtest", "mainnet")),
    ("threads", "3", "4", 5, (3, 4, 5)),
    ("model", '"a"', "b", Path("c"), (Path("a"), Path("b"), Path("c"))),
    ("log_json", "true", "off", True, (True, False, True)),
    ("rpc_cors", '["http://a"]', "http://b, http://c,", "http://d",
     (("http://a",), ("http://b", "http://c"), ("http://d",))),
]  # fmt: skip


@pytest.fixture
def datadir(tmp_path: Path) -> Path:
    return tmp_path


def write(datadir: Path, text: str) -> Path:
    file = datadir / SETTINGS_FILE
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(("name", "in_file", "variable", "flag", "meant"), KINDS)
def test_flags_over_environment_over_file_over_default(
    datadir: Path, name: str, in_file: str, variable: str, flag: Any, meant: tuple[Any, Any, Any]
) -> None:
    environment = {"ESPER_DATADIR": str(datadir)}

    def found(flags: dict[str, Any], **more: str) -> tuple[Any, str]:
        resolved = resolve(flags, environment | more)
        return getattr(resolved.settings, name), resolved.sources[name]

    assert found({}) == (getattr(Settings(), name), "default")
    write(datadir, f"{name} = {in_file}")
    assert found({}) == (meant[0], "file")
    given = {f"ESPER_{name.upper()}": variable}
    assert found({}, **given) == (meant[1], "environment")
    assert found({name: None}, **given) == (meant[1], "environment")
    assert found({name: flag}, **given) == (meant[2], "flag")


def test_the_data_directory_comes_from_flag_or_environment(tmp_path: Path) -> None:
    for name, threads in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, f"threads = {threads}")
    environment = {"ESPER_DATADIR": str(tmp_path / "a")}
    by_variable = resolve({}, environment)
    assert (by_variable.settings.datadir, by_variable.sources["datadir"]) == (
        tmp_path / "a",
        "environment",
    )
    assert by_variable.settings.threads == 1
    by_flag = resolve({"datadir": tmp_path / "b"}, environment)
    assert (by_flag.settings.threads, by_flag.sources["datadir"]) == (2, "flag")


def test_an_empty_variable_names_no_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for the wallet's commands, whose keys lie in the same folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for environment in ({}, {"ESPER_DATADIR": ""}):
        resolved = resolve({}, environment)
        assert resolved.settings.datadir == tmp_path / ".esper"
        assert resolved.sources["datadir"] == "default"
        assert datadir_in_effect({}, environment) == tmp_path / ".esper"


def test_a_folder_of_the_person_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve({}, {}).settings.datadir == tmp_path / ".esper"
    assert resolve({"model": "~/m"}, {}).settings.model == tmp_path / "m"


def test_a_data_directory_cannot_be_named_by_a_file_in_it(datadir: Path) -> None:
    file = write(datadir, 'datadir = "/elsewhere"')
    with pytest.raises(SettingsError, match="datadir cannot stand in a file") as refused:
        resolve({"datadir": datadir}, {})
    assert str(file) in str(refused.value)


def test_an_unknown_name_is_told_with_its_file(datadir: Path) -> None:
    file = write(datadir, "treads = 3")
    with pytest.raises(SettingsError) as refused:
        resolve({"datadir": datadir}, {})
    assert str(refused.value).startswith(f"{file}: there is no setting 'treads'")
    assert "esperd config" in str(refused.value)
    with pytest.raises(SettingsError, match="command line: there is no setting 'treads'"):
        resolve({"treads": 3}, {})


def test_other_variables_of_the_environment_are_left_alone() -> None:
    assert resolve({}, {"ESPER_SHARED": "x", "THREADS": "y"}).sources["threads"] == "default"


BAD: list[tuple[str, str, str]] = [
    ("network", "moonnet", "one of mainnet, testnet, devnet, regtest"),
    ("threads", "-1", "at least 0"),
    ("threads", "two", "a whole number"),
    ("threads", "1.5", "a whole number"),
    ("threads", "9" * 5000, "a whole number"),
    ("rpc_port", "65536", "at most 65535"),
    ("mempool_mib", "0", "at least 1"),
    ("mempool_mib", "1048577", "at most 1048576"),
    ("threads", "1025", "at most 1024"),
    ("call_seconds", "86401", "at most 86400"),
    ("minimum_bid_rate", str(10**15 + 1), f"at most {10**15}"),
    ("threads", "1_0", "a whole number"),
    ("threads", "\u0661", "a whole number"),
    ("rpc_hosts", "node.lan,*", "a host name in lower case without port, never *"),
    ("rpc_hosts", "Node.lan", "a host name in lower case without port, never *"),
    ("rpc_hosts", "node.lan:9334", "a host name in lower case without port, never *"),
    ("rpc_cors", "*", "an origin such as https://wallet.example, without path, never *"),
    ("rpc_cors", "https://a/", "an origin such as https://wallet.example, without path, never *"),
    ("log_json", "maybe", "yes or no"),
    ("log_level", "loud", "one of debug, info, warning, error"),
    ("prune", "sometimes", "one of auto, yes, no"),
    ("model", "~nobody-of-this-name/model", "a path of this machine"),
    ("datadir", "~nobody-of-this-name", "a path of this machine"),
    ("port", "-2", "at least -1"),
    ("port", "65536", "at most 65535"),
    ("connections", "257", "at most 256"),
    ("upload_mib", "0", "at least 1"),
    ("connect", "192.0.2.7:9333", "write it as /ip4/"),
    ("connect", "/ip4/seed.example/tcp/1/p2p/x", "names are not looked up"),
    ("external_address", "node.example", "names are not looked up"),
    ("external_address", "192.0.2.7:", "port: is missing behind the colon"),
    ("assume_valid", "12", "must be HEIGHT:ID"),
    ("assume_valid", "0:" + "ab" * 64, "must be HEIGHT:ID"),
    ("assume_valid", "4294967296:" + "ab" * 64, "must be HEIGHT:ID"),
    ("assume_valid", "12:" + "ab" * 63, "must be HEIGHT:ID"),
    ("seeds_file", "~nobody-of-this-name/seeds", "a path of this machine"),
]


@pytest.mark.parametrize(("name", "value", "must"), BAD)
def test_a_bad_value_names_field_source_and_remedy(
    tmp_path: Path, name: str, value: str, must: str
) -> None:
    environment = {"ESPER_DATADIR": str(tmp_path), f"ESPER_{name.upper()}": value}
    with pytest.raises(SettingsError) as refused:
        resolve({}, environment)
    assert str(refused.value).startswith(f"environment: {name} = ")
    assert must in str(refused.value)
    with pytest.raises(SettingsError) as by_flag:
        resolve({name: value}, {"ESPER_DATADIR": str(tmp_path)})
    assert str(by_flag.value).startswith(f"command line: {name} = ")


@pytest.mark.parametrize(
    ("line", "must"),
    [
        ("threads = true", "a whole number"),
        ("threads = 2.0", "a whole number"),
        ("network = 1", "a text"),
        ("model = 1", "a path"),
        ("log_json = 1", "yes or no"),
        ("rpc_cors = [1]", "a list of texts"),
        ("threads = {}", "a whole number"),
    ],
)
def test_a_file_has_types(datadir: Path, line: str, must: str) -> None:
    file = write(datadir, line)
    with pytest.raises(SettingsError, match=must) as refused:
        resolve({"datadir": datadir}, {})
    assert str(refused.value).startswith(f"{file}: {line.split()[0]} = ")


@pytest.mark.parametrize("data", [b"threads = ", b"\xff", b"a = 1\na = 2"])
def test_a_file_that_is_no_table_is_named(datadir: Path, data: bytes) -> None:
    file = datadir / SETTINGS_FILE
    file.write_bytes(data)
    with pytest.raises(SettingsError, match=SETTINGS_FILE):
        resolve({"datadir": datadir}, {})
    file.unlink()
    file.mkdir()
    with pytest.raises(SettingsError, match="directory"):
        resolve({"datadir": datadir}, {})


def test_every_setting_says_what_it_means() -> None:
    resolved = resolve({}, {})
    assert [one.name for one in resolved.declared] == list(resolved.sources)
    assert all(one.traits.about for one in resolved.declared)
    assert set(resolved.sources.values()) == {"default"}


def test_a_value_in_effect_and_its_place(datadir: Path) -> None:
    file = write(datadir, "threads = 3")
    resolved = resolve({"datadir": datadir, "payee": "x"}, {"ESPER_BANK": "b"})
    assert resolved.place("threads") == f"{file}: threads = 3"
    assert resolved.place("payee") == "command line: payee = 'x'"
    assert resolved.place("bank") == "environment: bank = 'b'"


def test_hosts_that_requests_may_name() -> None:
    hosts = resolve({}, {"ESPER_RPC_HOSTS": "node.lan, [fe80::1], a_b"}).settings.rpc_hosts
    assert hosts == ("node.lan", "[fe80::1]", "a_b")


@pytest.mark.parametrize(("text", "tier"), [("best", None), ("", None), ("0", 0), ("255", 255)])
def test_the_tier_that_is_mined(text: str, tier: int | None) -> None:
    assert tier_of(text) == tier
    assert resolve({"tier": text}, {}).settings.tier == text


@pytest.mark.parametrize("text", ["256", "-1", "1.0", "worst", "²", "0001"])
def test_a_tier_that_is_none(text: str) -> None:
    with pytest.raises(SettingsError, match=r"tier = .*must be"):
        resolve({"tier": text}, {})


TOKEN = "0123456789abcdef" * 4


@pytest.mark.parametrize("wrong", [TOKEN[:-1], TOKEN.upper(), TOKEN + "0", f"{TOKEN},x"])
def test_what_is_secret_is_never_shown_nor_a_flag(tmp_path: Path, wrong: str) -> None:
    environment = {"ESPER_DATADIR": str(tmp_path), "ESPER_RPC_TOKENS": TOKEN}
    resolved = resolve({}, environment)
    [one] = [one for one in resolved.declared if one.name == "rpc_tokens"]
    assert one.flag is None
    assert resolved.settings.rpc_tokens == (TOKEN,)
    assert one.plain(resolved.value(one)) == HIDDEN
    assert one.plain(one.default) == []
    assert resolved.place("rpc_tokens") == f"environment: rpc_tokens = {HIDDEN}"
    with pytest.raises(SettingsError) as refused:
        resolve({}, environment | {"ESPER_RPC_TOKENS": wrong})
    assert "each must be 64 lower-case hex digits" in str(refused.value)
    assert wrong not in str(refused.value)
    file = write(tmp_path, "rpc_tokens = 1")
    with pytest.raises(SettingsError, match="a list of texts") as by_file:
        resolve({}, {"ESPER_DATADIR": str(tmp_path)})
    assert str(by_file.value).startswith(f"{file}: rpc_tokens = ")


def test_a_field_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(TypeError, match="a least and a most"):
        setting(1, "a number", least=0)
    with pytest.raises(TypeError, match="a least and a most"):
        setting(1, "a number", most=2)
    with pytest.raises(ValueError, match="3 is not from 0 to 2"):
        setting(3, "a number", least=0, most=2)
    with pytest.raises(ValueError, match="'c' is none of a, b"):
        setting("c", "a letter", choices=("a", "b"))

    @dataclass(frozen=True, slots=True)
    class Bare(Settings):
        bare: int = 1

    with pytest.raises(TypeError, match=r"Bare\.bare"):
        declared(Bare)

    @dataclass(frozen=True, slots=True)
    class Odd(Settings):
        odd: float = setting(1.0, "no float is a setting")

    with pytest.raises(TypeError, match=r"Odd\.odd"):
        declared(Odd)


def test_the_bounds_of_a_setting_are_the_server_s_too() -> None:
    """What passes here must not be refused later, when the node has begun to start."""
    values = {"ESPER_RPC_HOSTS": "node.lan", "ESPER_RPC_CORS": "https://a", "ESPER_RPC_PORT": "0"}
    settings = resolve({}, values | {"ESPER_RPC_TOKENS": TOKEN}).settings
    served = RpcSettings(
        Path(),
        bytes(32),
        port=settings.rpc_port,
        token_hashes=frozenset(settings.rpc_tokens),
        allowed_hosts=frozenset(settings.rpc_hosts),
        allowed_origins=frozenset(settings.rpc_cors),
    )
    assert served.allowed_hosts == {"node.lan"}
