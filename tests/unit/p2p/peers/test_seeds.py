"""Files of peers to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from esper.embedded import SEED_FILES, find_embedded
from esper.p2p.peers.multiaddr import parse_multiaddr, peer_id_text
from esper.p2p.peers.seeds import MOST_BYTES, MOST_SEEDS, SeedsError, parse_seeds, read_seeds
from tests.support.fake_peers import CLOSED, FRIEND, IDS


def test_a_file_of_peers(tmp_path: Path) -> None:
    file = tmp_path / "seeds.txt"
    file.write_text(f"# ours\n\n{FRIEND}  # Jos\u00e9's\n{CLOSED}\n{FRIEND}\n", encoding="utf-8")
    assert read_seeds(file) == (FRIEND, CLOSED)


def test_a_line_that_is_no_address_is_named() -> None:
    with pytest.raises(SeedsError, match=r"^list, line 2: address: .*write it as /ip4/"):
        parse_seeds(f"{FRIEND}\nseed.example:9333\n", "list")


def test_a_list_without_end_is_refused(tmp_path: Path) -> None:
    lines = [
        f"/ip4/10.0.{number >> 8}.{number & 255}/tcp/1/p2p/{peer_id_text(IDS[1])}"
        for number in range(MOST_SEEDS + 1)
    ]
    assert len(parse_seeds("\n".join(lines[:-1]), "list")) == MOST_SEEDS
    with pytest.raises(SeedsError, match="more than 1024 peers"):
        parse_seeds("\n".join(lines), "list")
    file = tmp_path / "long"
    file.write_bytes(b"#" * MOST_BYTES)
    assert read_seeds(file) == ()
    file.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(SeedsError, match="more than 1048576 bytes"):
        read_seeds(file)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "seeds.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SeedsError) as refused:
        read_seeds(file)
    assert str(refused.value).startswith(str(file))


@pytest.mark.parametrize("name", SEED_FILES)
def test_the_release_s_lists_can_be_read(name: str) -> None:
    for one in read_seeds(find_embedded().seeds / name):
        assert parse_multiaddr(str(one)) == one
