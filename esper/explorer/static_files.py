"""Files that pages load: a fixed table, read once. No path of a request ever reaches a disk."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent / "static"
SCRIPT: Final = "text/javascript; charset=utf-8"
STYLE: Final = "text/css; charset=utf-8"
PLAIN: Final = "text/plain; charset=utf-8"
SVG: Final = "image/svg+xml"
WASM: Final = "application/wasm"
VERIFIER: Final = "verifier.wasm"
WORKER: Final = "receipt_worker.js"
ICON: Final = "icon.svg"

TYPES: Final[Mapping[str, str]] = {
    "app.css": STYLE,
    "charts.js": SCRIPT,
    "console.js": SCRIPT,
    "copy.js": SCRIPT,
    ICON: SVG,
    "live.js": SCRIPT,
    "receipt.js": SCRIPT,
    WORKER: SCRIPT,
    "theme.js": SCRIPT,
    "uplot.css": STYLE,
    "uplot.js": SCRIPT,
    "uplot.LICENSE.txt": PLAIN,
    "usage.js": SCRIPT,
    VERIFIER: WASM,
    "visible.js": SCRIPT,
}
"""Every file that is served, and as what."""
MADE_APART: Final = frozenset({VERIFIER, WORKER})
"""Files of the verifier for browsers: without them the page says that they are not there."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file in memory."""

    data: bytes
    """All of it."""
    media_type: str
    """For the header."""
    sha3: str
    """SHA3-256, in hex."""
    compiles: bool
    """Whether what runs in it may compile WebAssembly."""

    @property
    def etag(self) -> str:
        """Its name as a version."""
        return f'"{self.sha3[:32]}"'


def static_files(folder: Path = FOLDER) -> Mapping[str, StaticFile]:
    """The table by names. Raises OSError for a file that is missing."""
    found = {}
    for name, media_type in TYPES.items():
        path = folder / name
        if name in MADE_APART and not path.is_file():
            continue
        data = path.read_bytes()
        found[name] = StaticFile(
            data, media_type, hashlib.sha3_256(data).hexdigest(), name == WORKER
        )
    return found
