"""States that contradict themselves are noticed where they are read, and never passed over."""

import pytest

from esper.dao.bodies import BODIES, RollbackBody
from esper.primitives.codec import encode
from esper.primitives.ids import Txid
from esper.vm.governance.planned import change_of, model_of
from tests.support.dao_proposals import proposal
from tests.support.dao_world import DaoWorld

NOBODY_ID = Txid(bytes(64))


def test_a_proposal_of_another_subject() -> None:
    rollback = proposal(subject=3, body=encode(BODIES[3], RollbackBody(NOBODY_ID)))
    with pytest.raises(KeyError, match="is of no model"):
        model_of(rollback)
    with pytest.raises(KeyError, match="is no change"):
        change_of(rollback)


def test_a_proposal_that_is_not_live() -> None:
    records = DaoWorld().records
    with pytest.raises(KeyError, match="is not live"):
        records.place(NOBODY_ID)
    with pytest.raises(KeyError, match="lacks the record"):
        records.proposal(NOBODY_ID)
