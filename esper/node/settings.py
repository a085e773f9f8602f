"""Settings of a node: flags over environment over file over defaults, each with its source.

The file is ``esper.toml`` in the data directory, a flat table of the names below. Environment
variables are ``ESPER_`` and the name in capitals.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import esper
from esper.primitives.networks import NETWORKS

SETTINGS_FILE: Final = "esper.toml"
ENVIRONMENT_PREFIX: Final = "ESPER_"
ROOT: Final = Path(esper.__file__).resolve().parents[1]
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


class SettingsError(ValueError):
    """A setting that cannot be used, with its source and what it must be."""


def _about(text: str, least: int = 0) -> dict[str, Any]:
    """What a field means, and the least value of a number."""
    return {"about": text, "least": least}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a node is told. Every field may come from any source."""

    network: str = field(default="devnet", metadata=_about(f"one of {', '.join(NETWORKS)}"))
    """Name of the network."""
    datadir: Path = field(
        default=Path("~/.esper"), metadata=_about("folder of the chain's files, wallets and cookie")
    )
    """Expanded."""
    payee: str = field(
        default="",
        metadata=_about("address that mined blocks pay; empty: the demonstration wallet"),
    )
    """Text; only networks without value may leave it empty."""
    threads: int = field(
        default=0, metadata=_about("threads of the search; 0: one for each processor", 0)
    )
    """0 stands for all."""
    prove_threads: int = field(
        default=0, metadata=_about("threads of each prover; 0: one for each processor", 0)
    )
    """0 stands for all."""
    model: Path = field(default=ROOT / "genesis" / "model", metadata=_about("folder of the model"))
    """Weights for mining, tokenizer for everybody."""
    bank: Path = field(
        default=ROOT / "prompt_bank" / "bank.json", metadata=_about("file of the prompt bank")
    )
    """Prompts that work is drawn from."""
    prune: str = field(
        default="auto", metadata=_about("auto, yes or no: delete proofs below the pruning depth")
    )
    """auto: yes on networks without value."""
    rpc_host: str = field(default="127.0.0.1", metadata=_about("address that JSON-RPC listens on"))
    """Another than loopback lets others in; the token still guards what spends."""
    rpc_port: int = field(default=9334, metadata=_about("port of JSON-RPC; 0: any that is free", 0))
    """The cookie file names the real one."""
    rpc_cors: tuple[str, ...] = field(
        default=(), metadata=_about("origins that browsers may call from; none")
    )
    """Off by default."""
    rpc_tokens: tuple[str, ...] = field(
        default=(), metadata=_about("SHA3-256 of further tokens, in hex; none")
    )
    """The tokens themselves never stand in a file of ours."""
    mempool_mib: int = field(
        default=64, metadata=_about("MiB of transactions that may wait; calls have a quarter", 1)
    )
    """In wire bytes."""
    call_seconds: int = field(
        default=20, metadata=_about("seconds of proving that calls may take in a block", 0)
    )
    """Time budget for answers of one block."""
    minimum_bid_rate: int = field(
        default=0,
        metadata=_about(
            "micro-credits that a call must bid for each second it takes this machine", 0
        ),
    )
    """Calls below wait for others."""
    log_level: str = field(default="info", metadata=_about(f"one of {', '.join(LOG_LEVELS)}"))
    """Least severity that is told."""
    log_json: bool = field(default=False, metadata=_about("log lines as JSON objects"))
    """For machines."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings, and where each came from."""

    settings: Settings
    """The values in effect."""
    sources: Mapping[str, str]
    """By name: default, file, environment or flag."""


def about(name: str) -> str:
    """What a setting means, for people."""
    found = next(known for known in fields(Settings) if known.name == name)
    text: str = found.metadata["about"]
    return text


def resolve(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Resolved:
    """Put the sources together; ``flags`` that are None were not given.

    Raises SettingsError for unknown names and values that cannot be used.
    """
    values: dict[str, Any] = {}
    sources = {known.name: "default" for known in fields(Settings)}

    def take(source: str, where: str, given: Mapping[str, Any]) -> None:
        for name, value in given.items():
            if name not in sources:
                raise SettingsError(
                    f"{where}: there is no setting {name!r}; `esperd config` lists them"
                )
            values[name] = _read(name, value, where)
            sources[name] = source

    given = {name: value for name, value in flags.items() if value is not None}
    known = {
        name: environment[variable]
        for name in sources
        if (variable := ENVIRONMENT_PREFIX + name.upper()) in environment
    }
    datadir = _datadir(known, given)
    file = datadir / SETTINGS_FILE
    take("file", str(file), _file_values(file))
    if "datadir" in values:
        raise SettingsError(f"{file}: datadir cannot stand in a file that lies in it")
    take("environment", "environment", known)
    take("flag", "command line", given)
    values["datadir"] = datadir
    return Resolved(Settings(**values), sources)


def _datadir(environment: Mapping[str, Any], flags: Mapping[str, Any]) -> Path:
    """Where the file lies, which has to be known before everything else."""
    for given, where in ((flags, "command line"), (environment, "environment")):
        if "datadir" in given:
            return _as_path(given["datadir"], f"{where}: datadir = {given['datadir']!r}")
    return Settings().datadir.expanduser()


def _file_values(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error


def _read(name: str, value: Any, where: str) -> Any:
    """A value as its field has it; texts of environment and command line are read."""
    wanted = get_type_hints(Settings)[name]
    place = f"{where}: {name} = {value!r}"
    if wanted is bool:
        return _as_bool(value, place)
    if wanted is int:
        return _as_int(name, value, place)
    if wanted is Path:
        return _as_path(value, place)
    if get_args(wanted):
        texts = value.split(",") if isinstance(value, str) else value
        if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
            raise SettingsError(f"{place}: must be a list of texts")
        return tuple(one.strip() for one in texts if one.strip())
    return _as_text(name, value, place)


def _as_path(value: Any, place: str) -> Path:
    if not isinstance(value, str | os.PathLike):
        raise SettingsError(f"{place}: must be a path")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise SettingsError(f"{place}: must be a path of this machine: {error}") from error


def _as_bool(value: Any, place: str) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("1", "yes", "true", "on"):
        return True
    if value in ("0", "no", "false", "off", ""):
        return False
    raise SettingsError(f"{place}: must be yes or no")


def _as_int(name: str, value: Any, place: str) -> int:
    least = next(known.metadata["least"] for known in fields(Settings) if known.name == name)
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if type(number) is not int or number < least:
        raise SettingsError(f"{place}: must be a whole number of at least {least}")
    if name == "rpc_port" and number > 65_535:
        raise SettingsError(f"{place}: must be at most 65535")
    return number


def _as_text(name: str, value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{place}: must be a text")
    allowed = {"network": tuple(NETWORKS), "log_level": LOG_LEVELS, "prune": ("auto", "yes", "no")}
    if name in allowed and value not in allowed[name]:
        raise SettingsError(f"{place}: must be one of {', '.join(allowed[name])}")
    return value
