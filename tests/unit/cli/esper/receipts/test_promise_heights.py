"""`esper verify` of a promise beside a tip: a height that cannot be just made is warned of."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from esper.cli.esper.receipts.promise_height import NEAR, height_warning
from esper.cli.esper.receipts.surroundings import NamedTip, NodeWord
from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from tests.support.real_receipt import real_receipt
from tests.support.receipt_world import around, promise_receipt
from tests.unit.cli.test_verify_receipt import verify

HEIGHT = 3
"""Of the promise."""


class Node:
    """Has a tip."""

    def call(self, method: Any, request: Any) -> Any:
        assert request.height is None
        return SimpleNamespace(height=1000 + HEIGHT)


def warning(tip: NamedTip | NodeWord) -> str | None:
    data = encode_receipt(promise_receipt())
    return height_warning(data, judge_bytes(data, around()), tip)


@pytest.mark.parametrize("away", [-HEIGHT, 0, NEAR])
def test_near_the_tip_nothing_is_said(away: int) -> None:
    assert warning(NamedTip(HEIGHT + away, bytes(64))) is None


def test_far_from_the_tip_it_is_said() -> None:
    found = warning(NamedTip(HEIGHT + NEAR + 1, bytes(64)))
    assert found is not None
    assert "height 3, 7 blocks before the tip 10" in found
    assert "1000 blocks before the tip 1003" in str(warning(NodeWord(Node())))


def test_what_is_proven_is_not_asked_for_its_promise(tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    file.write_bytes(encode_receipt(real_receipt()))
    done = verify(file, "--tip", f"5000:{'00' * 64}")
    assert "Warning" not in done.stderr
