"""Checks that this machine could not make: when each proposal is tried again."""

from __future__ import annotations

import trio

from esper.dao.bodies import ModelBody
from esper.node.models.package_tasks import ATTEMPTS, BACK_OFF_S, REST_S


class Failures:
    """By what a proposal says, its package among it. Times are trio's.

    A proposal that ends every check keeps no other one of its package back.
    """

    def __init__(self) -> None:
        self._failed: dict[ModelBody, tuple[int, float]] = {}

    def failed(self, body: ModelBody) -> bool:
        """One more; whether it is tried again soon, and not after ``BACK_OFF_S`` alone."""
        count = self._failed.get(body, (0, 0.0))[0] + 1
        soon = count % ATTEMPTS != 0
        self._failed[body] = count, trio.current_time() + (REST_S if soon else BACK_OFF_S)
        return soon

    def passed(self, body: ModelBody) -> None:
        """There is a verdict."""
        self._failed.pop(body, None)

    def rests(self, body: ModelBody) -> bool:
        """Whether it is too early to try again."""
        return trio.current_time() < self._failed.get(body, (0, 0.0))[1]
