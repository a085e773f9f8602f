"""Fixtures of modules that try rules which no network has yet; importing one is using it."""

from collections.abc import Iterator

import pytest

from esper.vm.governance import kept


@pytest.fixture(scope="module", autouse=True)
def reports_taken() -> Iterator[None]:
    """Blocks may hold reports on models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "REPORTS_TAKEN", True)
        yield
