"""Esperchain: a layer-1 chain whose proof of work is proven inference of language models.

Importing the package loads no extension. The compiled part, `esper._native`, is chosen and examined
by `esper.native_check` before the interpreter opens it, whoever imports it first.
"""

from esper.native_check import guard_native_import

__version__ = "0.1.0"

guard_native_import()
