"""Which workers wait for a place: one that a machine which joins can take, and the right one."""

import pytest

from esper.node.workers.farm.needs import asked_next
from esper.node.workers.farm.worker_spec import Role

S, P = Role.SEARCH, Role.PROVE


@pytest.mark.parametrize(
    ("search", "prove", "expected"),
    [
        (0, 0, {P}),
        (0, 1, {S}),
        (1, 0, {P}),
        (1, 1, {P}),
        (1, 2, {S}),
        (7, 1, {P}),
        (8, 2, set()),
        (8, 0, {P}),
    ],
)
def test_one_worker_waits_where_both_roles_take_the_same(
    search: int, prove: int, expected: set[Role]
) -> None:
    most = {S: 8, P: 2}
    assert asked_next({S: search, P: prove}, most, same_resources=True) == expected


@pytest.mark.parametrize(
    ("search", "prove", "expected"),
    [(0, 0, {S, P}), (3, 2, {S}), (8, 1, {P}), (8, 2, set())],
)
def test_one_of_each_waits_where_searches_take_graphics_cards(
    search: int, prove: int, expected: set[Role]
) -> None:
    most = {S: 8, P: 2}
    assert asked_next({S: search, P: prove}, most, same_resources=False) == expected


def test_a_role_that_nobody_wants_is_never_asked_for() -> None:
    assert asked_next({S: 0, P: 0}, {S: 0, P: 1}, same_resources=True) == {P}
    assert asked_next({S: 0, P: 1}, {S: 0, P: 1}, same_resources=True) == set()
