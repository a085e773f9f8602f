from pathlib import Path

import pytest

from esper.p2p.peers.book.seeds import MAX_BYTES, MOST_SEEDS, SeedError, parse_seeds, read_seeds
from tests.support.net.peer_world import address


def test_seeds_are_read_beside_comments(tmp_path: Path) -> None:
    one, other = address(1), address(2)
    file = tmp_path / "devnet.txt"
    file.write_text(f"# of the release\n\n  {one}  # first\n{other}\n", encoding="utf-8")
    assert read_seeds(file) == (one, other)


def test_no_file_is_no_seeds(tmp_path: Path) -> None:
    assert read_seeds(tmp_path / "devnet.txt") == ()


def test_a_bad_line_is_named_with_its_remedy() -> None:
    with pytest.raises(SeedError) as caught:
        parse_seeds(f"# one\n{address(1)}\n/ip4/1.2.3.4/tcp/99999/p2p/x\n", "devnet.txt")
    assert caught.value.line == 3
    assert str(caught.value) == (
        "devnet.txt, line 3: port: 99999 is too large; write a number from 1 to 65535"
    )


def test_an_address_stands_once() -> None:
    with pytest.raises(SeedError, match="line 2: names an address again"):
        parse_seeds(f"{address(1)}\n{address(1)}", "devnet.txt")


def test_there_is_a_limit() -> None:
    lines = [str(address(1, host)) for host in range(1, MOST_SEEDS + 2)]
    assert len(parse_seeds("\n".join(lines[:-1]), "devnet.txt")) == MOST_SEEDS
    with pytest.raises(SeedError, match=f"line {MOST_SEEDS + 1}"):
        parse_seeds("\n".join(lines), "devnet.txt")


def test_a_large_or_strange_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "devnet.txt"
    file.write_bytes(b"#" * MAX_BYTES)
    assert read_seeds(file) == ()
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(SeedError, match="more than"):
        read_seeds(file)
    file.write_bytes(b"#\n#\xff\n")
    with pytest.raises(SeedError, match="line 2: is no UTF-8"):
        read_seeds(file)
