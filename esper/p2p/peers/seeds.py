"""Files of peers to begin with: a multiaddr on each line, ``#`` before remarks."""

from pathlib import Path
from typing import Final

from esper.p2p.peers.multiaddr import AddressTextError, Multiaddr, parse_multiaddr

MOST_BYTES: Final = 1 << 20
MOST_SEEDS: Final = 1_024


class SeedsError(ValueError):
    """A file of seeds that cannot be used: the file, the line, and what helps."""


def parse_seeds(text: str, name: str) -> tuple[Multiaddr, ...]:
    """The peers of a file's text, each once, as they come. Raises SeedsError."""
    found: dict[Multiaddr, None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        told = line.partition("#")[0].strip()
        if not told:
            continue
        try:
            found[parse_multiaddr(told)] = None
        except AddressTextError as error:
            raise SeedsError(f"{name}, line {number}: {error}") from error
        if len(found) > MOST_SEEDS:
            raise SeedsError(f"{name} names more than {MOST_SEEDS} peers; leave the best of them")
    return tuple(found)


def read_seeds(file: Path) -> tuple[Multiaddr, ...]:
    """The peers of a file. Raises SeedsError."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise SeedsError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise SeedsError(f"{file} has more than {MOST_BYTES} bytes; leave its best addresses")
    try:
        return parse_seeds(data.decode("utf-8"), str(file))
    except UnicodeDecodeError as error:
        raise SeedsError(f"{file} is no UTF-8 text; write one address on each line") from error
