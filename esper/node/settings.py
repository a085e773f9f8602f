"""Settings of a node: flags over environment over file over defaults, each with its source.

The file is ``esper.toml`` in the data directory, a flat table of the names below. Environment
variables are ``ESPER_`` and the name in capitals. A new setting is a new field of ``Settings``: all
else follows from it.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from esper.dao.registry import MAX_TIER
from esper.embedded import bank_file, find_embedded, model_folder
from esper.events.zmq_topics import parse_zmq_address
from esper.node.setting_fields import (
    EachText,
    Setting,
    SettingsError,
    Use,
    declared,
    setting,
)
from esper.p2p.peers.multiaddr import parse_endpoint, parse_multiaddr
from esper.p2p.sync.headers.assumed import parse_assumed
from esper.primitives.networks import NETWORKS

SETTINGS_FILE: Final = "esper.toml"
EMBEDDED: Final = find_embedded()
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
MOST_THREADS: Final = 1024
MOST_WORKERS: Final = 1024
MOST_BOOK_DAYS: Final = 36_500
MOST_PORT: Final = 65_535
MOST_TIER_DIGITS: Final = 3
OWN_PORT: Final = -1
"""Of the network: the one that it has by default."""
MOST_CONNECTIONS: Final = 256
"""That others may open: each may take about 2 MiB and a hundredth of a processor."""
MOST_UPLOAD_MIB: Final = 1_024
MOST_MIB: Final = 1 << 20
MOST_MODELS_GIB: Final = 1 << 16
MOST_LOG_FILES: Final = 1_000
RESERVE_MIB: Final = 512
DAY_S: Final = 86_400
MOST_RATE: Final = 10**9
MOST_BID_RATE: Final = 10**15
"""Micro-credits a second: a thousand million credits, more than any call can bid."""
HOST: Final = EachText(
    r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", "a host name in lower case without port, never *"
)
ORIGIN: Final = EachText(
    r"https?://[a-z0-9._\[\]:-]+", "an origin such as https://wallet.example, without path, never *"
)
TOKEN_HASH: Final = EachText("[0-9a-f]{64}", "64 lower-case hex digits")


BEST_TIER: Final = "best"


def tier_of(text: str) -> int | None:
    """The tier that a setting names, None for the best. Raises ValueError."""
    if text in ("", BEST_TIER):
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_TIER_DIGITS):
        raise ValueError(f"must be {BEST_TIER} or a number from 0 to {MAX_TIER}")
    if int(text) > MAX_TIER:
        raise ValueError(f"must be at most {MAX_TIER}")
    return int(text)


def check_device_name(text: str) -> None:
    """Whether a text can name a device; whether there is one, a worker finds. Raises ValueError."""
    if re.fullmatch(r"cpu|cuda(:[0-9]{1,2})?", text, re.ASCII) is None:
        raise ValueError("must be cuda, cuda:NUMBER or cpu")


def check_cluster(text: str) -> None:
    """Whether a text can name a cluster; a driver finds whether it is there. Raises ValueError."""
    found = re.fullmatch(r"(?:[a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})", text, re.ASCII)
    if text != "auto" and (found is None or not 1 <= int(found[1]) <= MOST_PORT):
        raise ValueError("must be auto, or HOST:PORT of the head of a cluster of Ray")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a node is told. Every field may come from any source."""

    network: str = setting(
        "devnet",
        "name of the network",
        use=Use.DIRECTORY,
        choices=tuple(NETWORKS),
        shown_default="the data directory's, else devnet",
    )
    """Name of the network."""
    datadir: Path = setting(
        Path("~/.esper"),
        "folder of the chain's files, wallets and cookie; not in the file",
        use=Use.DIRECTORY,
    )
    """Expanded."""
    payee: str = setting(
        "",
        "address that mined blocks pay",
        use=Use.MINING,
        shown_default="the demonstration wallet on networks without value",
    )
    """Text; only networks without value may leave it empty."""
    tier: str = setting(
        BEST_TIER,
        "number of the only tier that is mined; best: whichever promises this machine most",
        use=Use.MINING,
        check=tier_of,
    )
    """``tier_of`` reads it."""
    threads: int = setting(
        0,
        "threads of the search, at most four for each processor; 0: one for each",
        least=0,
        most=MOST_THREADS,
    )
    """0 stands for all."""
    prove_threads: int = setting(
        0,
        "threads of each prover, at most four for each processor; 0: one for each",
        least=0,
        most=MOST_THREADS,
    )
    """0 stands for all."""
    engine: str = setting(
        "native",
        "what the search computes with; torch: PyTorch, on the device that `device` names",
        use=Use.MINING,
        choices=("native", "torch"),
    )
    """Calls are answered and proven by the native engine."""
    device: str = setting(
        "cuda",
        "device of engine torch: cuda, cuda:1, ..., or cpu, which is slow and for comparison",
        use=Use.MINING,
        check=check_device_name,
    )
    """Means nothing to the native engine."""
    ray: str = setting(
        "",
        "cluster of Ray whose workers search and prove: auto, the one that this machine is part "
        "of, or HOST:PORT of its head; empty: this machine works alone",
        use=Use.MINING,
        check=check_cluster,
    )
    """Needs the extra ``ray``."""
    ray_searchers: int = setting(
        256,
        "workers of the cluster that search, at most",
        use=Use.MINING,
        least=0,
        most=MOST_WORKERS,
    )
    """As many of them run as the cluster has room for."""
    ray_provers: int = setting(
        2,
        "workers of the cluster that prove, at most; tickets and calls are proven side by side, "
        "one of each",
        use=Use.MINING,
        least=0,
        most=MOST_WORKERS,
    )
    """A third has work only if one of them lags."""
    ray_search_cpus: int = setting(
        1,
        "processors of the cluster that each of its searches takes; with engine torch on cuda it "
        "takes a graphics card as well",
        use=Use.MINING,
        least=1,
        most=MOST_THREADS,
    )
    """Its threads as well."""
    ray_prove_cpus: int = setting(
        1,
        "processors of the cluster that each of its provers takes",
        use=Use.MINING,
        least=1,
        most=MOST_THREADS,
    )
    """Its threads as well."""
    model: Path = setting(
        EMBEDDED.model,
        "folder of the model; genesis: the embedded one",
        path_of=model_folder,
        shown_default="genesis",
    )
    """Weights for mining, tokenizer for everybody."""
    bank: Path = setting(
        EMBEDDED.bank,
        "file of the prompt bank; genesis: the embedded one",
        path_of=bank_file,
        shown_default="genesis",
    )
    """Prompts that work is drawn from."""
    keep_models: bool = setting(
        False,
        "fetch, check and give on the packages of models as a miner does, without mining",
    )
    """A miner does anyway."""
    models_gib: int = setting(
        32,
        "GiB that packages of models may take in the data directory; 0: none is fetched",
        least=0,
        most=MOST_MODELS_GIB,
    )
    """Those on their way counted as if they were whole."""
    prune: str = setting(
        "auto",
        "delete proofs below the pruning depth; auto: on networks without value",
        choices=("auto", "yes", "no"),
    )
    """auto: yes on networks without value."""
    disk_reserve_mib: int = setting(
        RESERVE_MIB,
        "MiB that must stay free on the disk for anything to be written; 0: as long as it goes",
        least=0,
        most=MOST_MIB,
    )
    """For compactions of the index, and for what the operator does to get out of it."""
    listen: str = setting(
        "",
        "address that peers may connect to",
        shown_default="all of this machine's; 127.0.0.1 on devnet and regtest",
    )
    """Empty: as the network has it. A name or address of this machine."""
    port: int = setting(
        OWN_PORT,
        "port that peers may connect to; 0: any that is free; -1: the network's own",
        least=OWN_PORT,
        most=MOST_PORT,
        shown_default="9333 on mainnet, 19333 testnet, 29333 devnet, 39333 regtest",
    )
    """Of TCP."""
    no_listen: bool = setting(False, "let no peer in, and only dial others")
    """A node behind a router without a forwarded port need not say so: nobody comes."""
    external_address: str = setting(
        "",
        "address that others are told to dial, with a port if it is another than `port`",
        check=parse_endpoint,
        shown_default="what three peers of different networks say",
    )
    """Such as 192.0.2.7 or 192.0.2.7:9333."""
    connect: tuple[str, ...] = setting(
        (),
        "peers to stay connected to, as /ip4/ADDRESS/tcp/PORT/p2p/ID",
        check=parse_multiaddr,
    )
    """Never banned."""
    connect_only: bool = setting(False, "dial nobody but those of `connect`")
    """Others may still dial this node, unless `no_listen` is set."""
    seeds_file: Path = setting(
        Path(),
        "file of peers to begin with, an address as of `connect` on each line",
        shown_default="the release's own for the network",
    )
    """The empty path stands for the release's."""
    connections: int = setting(
        32, "peers that may dial this node and stay", least=0, most=MOST_CONNECTIONS
    )
    """Beside the ten that it dials itself."""
    upload_mib: int = setting(
        16,
        "MiB a second of old blocks that all peers together are given",
        least=1,
        most=MOST_UPLOAD_MIB,
    )
    """New blocks and transactions are outside of it."""
    archive: bool = setting(False, "keep every proof, so that newcomers can start from here")
    """Instead of ``prune``."""
    assume_valid: str = setting(
        "",
        "block whose proof and all below it are not checked, as HEIGHT:ID; its headers still are",
        check=parse_assumed,
    )
    """Whoever sets it believes whoever named the block."""
    alone: bool = setting(False, "mine and be synced without any peer: a network's first node")
    """Else a node without peers does not know whether its chain is the network's."""
    local_groups: bool = setting(
        True,
        "on devnet and regtest, count each local address with its port as a network of its own",
    )
    """No: as elsewhere, for tests that attack from many addresses of this machine."""
    rpc_host: str = setting("127.0.0.1", "address that JSON-RPC listens on")
    """Another than loopback lets others in; the token still guards what spends."""
    rpc_port: int = setting(
        9334,
        "port of JSON-RPC; 0: any that is free, `rpc.cookie` names it",
        least=0,
        most=MOST_PORT,
    )
    """The cookie file names the real one."""
    rpc_hosts: tuple[str, ...] = setting(
        (),
        "names that requests may call this machine by, in their Host header, beside its own",
        each=HOST,
    )
    """As a proxy before the node or a name in the local network has it."""
    rpc_cors: tuple[str, ...] = setting(
        (), "origins of web pages that browsers may call from", each=ORIGIN
    )
    """Off by default."""
    rpc_tokens: tuple[str, ...] = setting(
        (), "SHA3-256 of further tokens, in hex", each=TOKEN_HASH, secret=True
    )
    """The tokens themselves never stand in a file of ours."""
    explorer: str = setting(
        "auto",
        "pages for browsers on the port of JSON-RPC; on: for others than this machine too, if "
        "`rpc_host` lets them in; auto: for this machine alone, on devnet and regtest",
        choices=("auto", "on", "off"),
    )
    """Pages only show; what steers is not among them."""
    mempool_mib: int = setting(
        64,
        "MiB of transactions that may wait; calls have a quarter of it beside",
        least=1,
        most=MOST_MIB,
    )
    """In wire bytes."""
    call_seconds: int = setting(
        20,
        "seconds of proving that calls may take in a block",
        use=Use.MINING,
        least=0,
        most=DAY_S,
    )
    """Time budget for answers of one block."""
    minimum_bid_rate: int = setting(
        0,
        "micro-credits that a call must bid for each second it takes this machine",
        use=Use.MINING,
        least=0,
        most=MOST_BID_RATE,
    )
    """Calls below wait for others."""
    zmq_pub_hashblock: str = setting(
        "",
        "address of this machine to publish ids of blocks on over ZeroMQ, as tcp://127.0.0.1:28332",
        check=parse_zmq_address,
    )
    """Empty, as for the others: nothing is published."""
    zmq_pub_rawblock: str = setting(
        "", "address to publish whole blocks on", check=parse_zmq_address
    )
    """Shared with no other topic: fewer of them wait."""
    zmq_pub_hashtx: str = setting(
        "", "address to publish ids of transactions on", check=parse_zmq_address
    )
    """When they begin to wait, and when a block has them."""
    zmq_pub_rawtx: str = setting(
        "", "address to publish whole transactions on", check=parse_zmq_address
    )
    """Shared with no other topic."""
    zmq_pub_sequence: str = setting(
        "",
        "address to publish the order of changes of chain and mempool on",
        check=parse_zmq_address,
    )
    """C, D, A and R."""
    zmq_pub_llmresult: str = setting(
        "", "address to publish answers of calls on", check=parse_zmq_address
    )
    """Once a block has them."""
    gateway: str = setting(
        "auto",
        "serve OpenAI's and Ollama's API on the port of JSON-RPC; auto: on devnet and regtest",
        choices=("auto", "on", "off"),
    )
    """auto: on networks without value."""
    gateway_open: bool = setting(
        True,
        "on devnet and regtest, answer programs of this machine without a key",
    )
    """Never where the server can be reached from elsewhere, or under further host names."""
    gateway_rate: int = setting(
        0,
        "micro-credits that a token of a prompt takes of a key's budget; one of an answer takes "
        "four times that",
        least=0,
        most=MOST_RATE,
    )
    """For the answer; its proof is apart."""
    gateway_memory_mib: int = setting(
        256, "MiB that answers in the making may take, for each model", least=16, most=MOST_MIB
    )
    """Slots follow from it."""
    gateway_threads: int = setting(
        0,
        "threads of each model's answers, at most four for each processor; 0: one for each",
        least=0,
        most=MOST_THREADS,
    )
    """0 stands for all."""
    gateway_ledger_days: int = setting(
        40,
        "days for which each charge of a key is kept, and sums of budgets that are over",
        least=1,
        most=MOST_BOOK_DAYS,
    )
    """What is on its way is kept however long it takes."""
    gateway_usage_days: int = setting(
        400,
        "days for which it is kept what a key used on each",
        least=366,
        most=MOST_BOOK_DAYS,
    )
    """At least what may be asked for."""
    log_level: str = setting("info", "least severity that is told", choices=LOG_LEVELS)
    """To standard error."""
    log_json: bool = setting(False, "log lines as JSON objects")
    """For machines."""
    log_file: Path = setting(
        Path(),
        "file that log lines are written to beside standard error; SIGHUP opens it anew",
        shown_default="none",
    )
    """The empty path stands for none."""
    log_file_mib: int = setting(
        16, "MiB after which a log file is closed and a new one begun", least=1, most=MOST_MIB
    )
    """Of the file that is written."""
    log_files: int = setting(
        4, "older log files that are kept, as NAME.1, NAME.2, ...", least=0, most=MOST_LOG_FILES
    )
    """0: what is full is deleted."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings, and where each came from."""

    settings: Settings
    """The values in effect."""
    sources: Mapping[str, str]
    """By name: default, file, environment or flag."""

    @property
    def declared(self) -> tuple[Setting, ...]:
        """What there is to set, in order."""
        return declared(Settings)

    def value(self, one: Setting) -> Any:
        """The value in effect."""
        return getattr(self.settings, one.name)

    def place(self, name: str) -> str:
        """A value in effect and its source, as errors begin."""
        [one] = [one for one in self.declared if one.name == name]
        source = self.sources[name]
        where = {"flag": "command line", "file": str(self.settings.datadir / SETTINGS_FILE)}
        return one.place(self.value(one), where.get(source, source))


def datadir_in_effect(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Path:
    """The data directory alone, as ``resolve`` finds it. Raises SettingsError."""
    one = next(one for one in declared(Settings) if one.name == "datadir")
    given = {name: value for name, value in flags.items() if value is not None}
    return _datadir(one, _variables((one,), environment), given)


def resolve(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Resolved:
    """Put the sources together; ``flags`` that are None were not given.

    Raises SettingsError for unknown names and values that cannot be used.
    """
    known = {one.name: one for one in declared(Settings)}
    values: dict[str, Any] = {}
    sources = dict.fromkeys(known, "default")

    def take(source: str, where: str, given: Mapping[str, Any]) -> None:
        for name, value in given.items():
            if name not in known:
                raise SettingsError(
                    f"{where}: there is no setting {name!r}; `esperd config` lists them"
                )
            values[name] = known[name].read(value, where)
            sources[name] = source

    given = {name: value for name, value in flags.items() if value is not None}
    variables = _variables(known.values(), environment)
    datadir = _datadir(known["datadir"], variables, given)
    file = datadir / SETTINGS_FILE
    take("file", str(file), _file_values(file))
    if "datadir" in values:
        raise SettingsError(f"{file}: datadir cannot stand in a file that lies in it")
    take("environment", "environment", variables)
    take("flag", "command line", given)
    values["datadir"] = datadir
    return Resolved(Settings(**values), sources)


def _variables(known: Iterable[Setting], environment: Mapping[str, str]) -> dict[str, str]:
    """Texts of the environment. An empty data directory is none, as to the wallet's commands."""
    found = {one.name: environment[one.variable] for one in known if one.variable in environment}
    if not found.get("datadir", "."):
        del found["datadir"]
    return found


def _datadir(one: Setting, environment: Mapping[str, Any], flags: Mapping[str, Any]) -> Path:
    """Where the file lies, which has to be known before everything else."""
    for given, where in ((flags, "command line"), (environment, "environment")):
        if one.name in given:
            found: Path = one.read(given[one.name], where)
            return found
    # The home is looked up where it is needed: not everybody has one.
    return Path(one.read(one.default, "default"))


def _file_values(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        # Whoever opens the folder says what it is.
        return {}
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error
