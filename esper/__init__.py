"""Esperchain: a layer-1 chain whose proof of work is proven inference of language models.

Importing the package loads no extension, and next to nothing else: commands begin here. The
compiled part, `esper._native`, is examined by `esper.native_check` before the interpreter opens it,
whoever imports it first.
"""

import sys
from typing import Any

__version__ = "0.1.0"


class _NativeGuard:
    """Stands before the ordinary finders and hands the extension to `esper.native_check`."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != "esper._native":
            return None
        from esper.native_check import find_native

        return find_native()


if not any(type(finder).__name__ == _NativeGuard.__name__ for finder in sys.meta_path):
    sys.meta_path.insert(0, _NativeGuard())
