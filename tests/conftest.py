"""What every test may ask for: the shared models, and the profiles of the randomised tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent

settings.register_profile(
    "test", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "soak", deadline=None, max_examples=10_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder named by ESPER_SHARED (it holds `models/`); skip the test without one.

    Unset, the folder `shared` beside the repository is taken where it exists. A variable that
    names no such folder is a mistake, never a reason to skip.
    """
    named = os.environ.get("ESPER_SHARED")
    if named is not None:
        folder = Path(named)
        if not (folder / "models").is_dir():
            raise pytest.UsageError(f"ESPER_SHARED={named} names no folder that holds models/")
        return folder
    beside = REPOSITORY.parent / "shared"
    if not (beside / "models").is_dir():
        pytest.skip("needs the shared models: set ESPER_SHARED to a folder that holds models/")
    return beside


@pytest.fixture(scope="session")
def golden_model(shared: Path) -> Path:
    """Return the folder of the published 260K model with its golden vectors."""
    folder = shared / "models" / "stories260K"
    if not folder.is_dir():
        pytest.skip(f"needs stories260K, which {shared / 'models'} does not hold")
    return folder
