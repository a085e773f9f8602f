"""What this machine's processor can do, and what it lacks of what a compiler was allowed to use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

X86: Final = ("x86_64", "AMD64")
"""`platform.machine()` of the architecture whose features are compared."""

# Where the Rust compiler's name is not the kernel's (x86, /proc/cpuinfo); other names differ only
# in "." against "_".
_KERNEL_NAMES: Final[Mapping[str, str]] = {
    "avx512bf16": "avx512_bf16",
    "avx512bitalg": "avx512_bitalg",
    "avx512fp16": "avx512_fp16",
    "avx512vbmi2": "avx512_vbmi2",
    "avx512vnni": "avx512_vnni",
    "avx512vp2intersect": "avx512_vp2intersect",
    "avx512vpopcntdq": "avx512_vpopcntdq",
    "avxvnni": "avx_vnni",
    "cmpxchg16b": "cx16",
    "lahfsahf": "lahf_lm",
    "lzcnt": "abm",
    "prfchw": "3dnowprefetch",
    "sha": "sha_ni",
    "sse3": "pni",
}
# Names without a kernel flag of their own: part of every processor that runs the build at all, or
# a group whose members are listed one by one.
_UNLISTED: Final = frozenset({"x87", "avx10.1", "avx10.2", "apxf", "kl", "widekl"})


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str] | None:
    """Return the processor's features by the kernel's names; None where no kernel lists them."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return None


def missing_features(target_features: Iterable[str], flags: frozenset[str]) -> list[str]:
    """Return the compiler's features that are not among the kernel's `flags` (x86), sorted."""
    return sorted(
        name
        for name in target_features
        if name not in _UNLISTED and _KERNEL_NAMES.get(name, name.replace(".", "_")) not in flags
    )
