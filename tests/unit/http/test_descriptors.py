"""How many sockets the process may have."""

from __future__ import annotations

import logging
import resource

import pytest

from esper.http.descriptors import FILES, room_for

UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "found", "raised"),
    [
        (1024, 4096, 1024, 1024, 1024 + FILES),
        (1024, UNLIMITED, 1024, 1024, 1024 + FILES),
        (4096, 4096, 1024, 1024, None),
        (UNLIMITED, UNLIMITED, 1024, 1024, None),
        (1024, 1024, 1024, 1024 - FILES, None),
        (256, 1100, 1024, 1100 - FILES, 1100),
        (40, 40, 500, 20, None),
        (1, 1, 500, 1, None),
    ],
)
def test_the_limit_of_files_is_raised_as_far_as_it_goes(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    soft: int,
    hard: int,
    wanted: int,
    found: int,
    raised: int | None,
) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: told.append(limits))
    with caplog.at_level(logging.WARNING):
        assert room_for(wanted) == found
    assert told == ([] if raised is None else [(raised, hard)])
    assert bool(caplog.records) == (found < wanted)
