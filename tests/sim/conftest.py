"""No simulation passes in which a machine failed, though the service goes on."""

import logging
from collections.abc import Iterator

import pytest

from esper.p2p.service.machine_room import MACHINE_FAILED
from esper.saying import EVENT


class _Failures(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, EVENT, "") in (MACHINE_FAILED, "network_failed", "connection_failed"):
            self.told.append(record.getMessage())


@pytest.fixture(autouse=True)
def no_machine_fails() -> Iterator[None]:
    log, failures = logging.getLogger("esper.network"), _Failures()
    log.addHandler(failures)
    yield
    log.removeHandler(failures)
    assert not failures.told
