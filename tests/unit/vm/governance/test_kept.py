"""What has rules and is not taken: no block holds it, and nothing depends on it."""

import pytest

from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.dao_errors import DaoEncodingViolation
from esper.primitives.ids import Txid
from esper.vm.governance.prove import Prove
from esper.vm.payload import Payload
from tests.support.dao_world import DaoWorld
from tests.support.hidden_sets import QUESTIONS, withdrawal
from tests.support.vm_world import ALICE


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (QUESTIONS.claim(), "hidden sets are not taken yet"),
        (withdrawal(Txid(bytes(64))), "hidden sets are not taken yet"),
        (Prove(3, Txid(bytes(64)), 0, b""), "hidden sets are not taken yet"),
    ],
    ids=["set", "withdrawal", "opening"],
)
def test_no_network_takes_them_yet(payload: Payload, said: str) -> None:
    world = DaoWorld()
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.block((ALICE, payload))
    assert isinstance(caught.value.__cause__, DaoEncodingViolation)
    assert said in str(caught.value.__cause__)
