"""Whether Ray is installed, without importing it, and how its driver is run."""

import importlib.util
from typing import Final

from esper.node.workers.worker_process import program_of

DRIVER: Final = program_of("esper.node.workers.farm.driver.driver_main")
# By file names alone: docs/decisions/wheel.md says why no command fetches a distribution by name.
INSTALL: Final = "pip install '.[ray]' in a checkout, or pip install 'FILE.whl[ray]'"


def check_installed() -> None:
    """Raises ValueError with how Ray is installed if it is not."""
    if importlib.util.find_spec("ray") is None:
        raise ValueError(f"Ray is not installed; run: {INSTALL}, or mine without it")
