"""Packages of models at a node."""

from esper.rpc.schema.common import Reply


class ModelPackage(Reply, frozen=True):
    """The package of a proposed model, as this node follows it."""

    root: str
    """Its name."""
    proposal: str
    """Id of the proposal."""
    number: int
    """Of the proposal."""
    model_id: str
    state: str
    """``absent``, ``waiting``, ``fetching``, ``whole``, ``checking``, ``verified`` or
    ``refused``."""
    done: int
    """Chunks that are here."""
    total: int
    """Chunks of the package; 0 while they are unknown."""
    bytes_per_second: int
    peers: int
    """That have something of what is missing, as they say."""
    checking: bool
    verdict: str
    """Of this node's checks: ``none``, ``verified`` or ``refused``."""
    words: str
    """Of the verdict: what was found, for people."""
    trouble: str
    """This machine's own; empty if there is none."""
    until: int | None
    """Height at which it is deleted and forgotten; None while no end is known."""


class ModelPackages(Reply, frozen=True):
    """Packages that a node follows."""

    height: int
    """Of the tip."""
    fetches: bool
    """Whether what is missing is fetched: by miners, and with the setting ``keep_models``."""
    packages: list[ModelPackage]
    """By the numbers of their proposals."""
