"""The addresses that a release begins with: ``seeds/<network>.txt``.

One address a line, as ``peer_address`` writes it; ``#`` begins a comment. They are dialled while
fewer than 16 addresses were ever reached. There are no names, so nobody who answers for a name
decides whom a new node meets.
"""

from pathlib import Path
from typing import Final

from esper.p2p.peers.peer_address import AddressTextError, PeerAddress, parse_peer_address

MOST_SEEDS: Final = 256
MAX_BYTES: Final = 64 << 10


class SeedError(ValueError):
    """A line of a file of seeds that is no address, and what helps."""

    def __init__(self, source: str, line: int, what: str) -> None:
        super().__init__(f"{source}, line {line}: {what}")
        self.source = source
        """Name of the file."""
        self.line = line
        """From 1 on."""
        self.what = what
        """What is wrong, and the remedy."""


def parse_seeds(text: str, source: str) -> tuple[PeerAddress, ...]:
    """The addresses of a text. Raises SeedError that names the line and the remedy."""
    seeds: dict[bytes, PeerAddress] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        try:
            address = parse_peer_address(words)
        except AddressTextError as error:
            raise SeedError(source, number, str(error)) from error
        if address.endpoint in seeds:
            raise SeedError(source, number, "names an address again; remove one of the lines")
        if len(seeds) == MOST_SEEDS:
            raise SeedError(source, number, f"is one seed too many; keep {MOST_SEEDS}")
        seeds[address.endpoint] = address
    return tuple(seeds.values())


def read_seeds(path: Path) -> tuple[PeerAddress, ...]:
    """The addresses of a file, none if there is no such file. Raises SeedError, OSError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ()
    if len(data) > MAX_BYTES:
        raise SeedError(path.name, 1, f"the file has more than {MAX_BYTES} bytes; shorten it")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SeedError(path.name, line, "is no UTF-8; write it anew") from error
    return parse_seeds(text, path.name)
