"""A store that is read through another: the one below never changes."""

from pathlib import Path

import pytest

from esper.storage.kv.layered import LayeredView
from esper.storage.kv.leveldb import LevelDbStore


@pytest.fixture
def stores(tmp_path: Path) -> tuple[LevelDbStore, LevelDbStore]:
    base = LevelDbStore(tmp_path / "base", create=True)
    base.write([(b"a1", b"one"), (b"a2", b"two"), (b"b", b"")])
    return base, LevelDbStore(tmp_path / "upper", create=True, synced=False)


def test_writes_are_seen_and_the_base_stays(stores: tuple[LevelDbStore, LevelDbStore]) -> None:
    base, upper = stores
    before = list(base.items(b""))
    view = LayeredView(base, upper)
    assert (view.get(b"a1"), view.get(b"b"), view.get(b"c")) == (b"one", b"", None)
    view.write([(b"a1", None), (b"a2", b"other"), (b"a3", b""), (b"b", None)])
    assert [view.get(key) for key in (b"a1", b"a2", b"a3", b"b")] == [None, b"other", b"", None]
    assert list(view.items(b"a")) == [(b"a2", b"other"), (b"a3", b"")]
    assert list(view.items_down(b"a", b"a3")) == [(b"a2", b"other")]
    view.write([(b"a1", b"again")])
    assert view.get(b"a1") == b"again"
    assert list(base.items(b"")) == before
