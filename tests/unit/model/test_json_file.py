"""JSON of a model's files: one strict form, the same as the reader in Rust has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from esper.model.errors import MalformedFileError, MissingFileError
from esper.model.files.json_file import parse_json, read_bytes, read_object


def test_plain_json_is_read_as_ever() -> None:
    text = '{"a": [1, -2, 2.5, null, true, "x\u00e9\\ud83d\\ude00"], "b": {"a": {}}}'
    assert parse_json(text.encode()) == {
        "a": [1, -2, 2.5, None, True, "x\u00e9\U0001f600"],
        "b": {"a": {}},
    }
    assert parse_json(b"[" * 127 + b"]" * 127)


REFUSED = (
    (b"\xef\xbb\xbf{}", "byte order mark"),
    ("{}".encode("utf-16"), "UTF-8"),
    ('{"a": 1}'.encode("utf-16-le"), "JSON"),
    (b'{"a": 1, "b": 2, "a": 1}', "'a' stands twice"),
    (b'[{"b": {"c": 1, "c": 2}}]', "'c' stands twice"),
    (b"[NaN]", "NaN"),
    (b"[-Infinity]", "Infinity"),
    (b"[1e999]", "beyond"),
    (b"[" + b"9" * 400 + b"]", "beyond"),
    (b"[" + b"9" * 100_000 + b"]", "beyond"),
    (b'["\\ud800"]', "surrogate"),
    (b'{"\\udfff": 1}', "surrogate"),
    (b'["\xff"]', "UTF-8 at byte 2"),
    (b"[" * 128 + b"]" * 128, "127 levels"),
    (b"[" * 100_000, "127 levels"),
    (b"", "not JSON"),
    (b"{} {}", "not JSON"),
)


@pytest.mark.parametrize(("content", "reason"), REFUSED)
def test_what_another_reader_would_read_otherwise_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(content)


def test_minus_zero_is_no_integer() -> None:
    assert type(parse_json(b"-0")) is float


def test_a_file_must_hold_an_object(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for content, reason in (
        (b"[]", "object"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"", "JSON"),
    ):
        path.write_bytes(content)
        with pytest.raises(MalformedFileError, match=reason) as refused:
            read_object(path, "write one")
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_what_is_no_readable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for name in ("absent", "loop", "folder", "device", "pipe", "absent/below"):
        with pytest.raises(MissingFileError, match="write one") as refused:
            read_bytes(tmp_path / name, "write one")
        assert str(tmp_path / name) in str(refused.value)
