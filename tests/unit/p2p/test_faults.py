"""A fault is an exception like any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from esper.p2p.faults import Fault, Offence


@contextmanager
def passing() -> Iterator[None]:
    yield


def test_a_fault_passes_through_a_context_manager() -> None:
    fault = Fault(Offence.CODEC, "no frame")
    with pytest.raises(Fault) as raised, passing():
        raise fault
    assert raised.value is fault
    assert str(fault) == "codec: no frame"


def test_equal_faults_are_equal() -> None:
    assert Fault(Offence.LATE, "a") == Fault(Offence.LATE, "a") != Fault(Offence.LATE, "b")
    assert len({Fault(Offence.LATE, "a"), Fault(Offence.LATE, "a")}) == 1
