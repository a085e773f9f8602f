"""What strangers make nodes do with reports and evidence."""

import pytest

from esper.mempool.errors import ResultFromOutsideError
from esper.vm.governance.prove import Prove
from tests.support.mempool_world import PoolWorld
from tests.support.vm_world import ALICE


def test_a_prove_from_a_stranger_is_refused_before_it_is_read() -> None:
    """Bytes that are no body: whoever read them would have said so."""
    world = PoolWorld()
    for subject in (1, 2, 4):
        sent = world.signed(ALICE, Prove(subject, bytes(64), 0, bytes(4096)), 0)  # type: ignore[arg-type]
        with pytest.raises(ResultFromOutsideError):
            world.add(sent)
