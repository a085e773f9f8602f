"""No simulation passes in which a machine failed, though the service goes on."""

import logging
from collections.abc import Iterator

import pytest

from esper.saying import EVENT

FAILURES = frozenset({"machine_failed", "network_failed", "connection_failed"})


class _Failures(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, EVENT, "") in FAILURES:
            self.told.append(record.getMessage())


@pytest.fixture(autouse=True)
def no_machine_fails() -> Iterator[None]:
    log, failures = logging.getLogger("esper.network"), _Failures()
    log.addHandler(failures)
    yield
    log.removeHandler(failures)
    assert not failures.told
