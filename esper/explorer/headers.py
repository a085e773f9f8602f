"""What every answer to a browser forbids: other people's scripts, styles, frames and requests."""

from collections.abc import Mapping
from typing import Final

_POLICY: Final = (
    "default-src 'none'; script-src 'self'{wasm}; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "{worker}require-trusted-types-for 'script'"
)
POLICY: Final = _POLICY.format(wasm="", worker="")
"""Of every page."""
WASM_POLICY: Final = _POLICY.format(wasm=" 'wasm-unsafe-eval'", worker="worker-src 'self'; ")
"""Of the page that checks receipts, and of its worker: without it no WebAssembly is compiled."""


def security_headers(*, wasm: bool = False) -> Mapping[str, str]:
    """Headers of an answer; ``wasm`` lets its page compile WebAssembly."""
    return {
        "content-security-policy": WASM_POLICY if wasm else POLICY,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
