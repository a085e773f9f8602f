"""Fixtures of modules that try rules which no network has yet; importing one is using it."""

from collections.abc import Iterator

import pytest

from esper.vm.governance import kept


@pytest.fixture(scope="module", autouse=True)
def hidden_sets_taken() -> Iterator[None]:
    """Blocks may hold hidden sets, and openings of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "HIDDEN_SETS_TAKEN", True)
        yield
