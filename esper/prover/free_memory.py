"""How much memory this machine, or the group that this process belongs to, still has."""

from pathlib import Path
from typing import Final

_MACHINE: Final = Path("/proc/meminfo")
_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN_GROUP: Final = Path("/proc/self/cgroup")


def free_memory(
    machine: Path = _MACHINE, own_group: Path = _OWN_GROUP, groups: Path = _GROUPS
) -> int | None:
    """Bytes that may still be taken without paging; None where the system does not say.

    The least of what the machine has and of what each control group (version 2) of this process
    leaves, its caches counted as free. The paths are those of Linux.
    """
    found = [
        one for one in (_of_machine(machine), *_of_groups(own_group, groups)) if one is not None
    ]
    return min(found, default=None)


def _of_machine(path: Path) -> int | None:
    for line in _lines(path):
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            number = rest.split()[:1]
            return int(number[0]) << 10 if number and number[0].isdecimal() else None
    return None


def _of_groups(own: Path, groups: Path) -> list[int | None]:
    name = next((line[3:] for line in _lines(own) if line.startswith("0::/")), None)
    if name is None or ".." in name.split("/"):
        return []
    folder = groups / name.strip("/")
    chain = [folder, *folder.parents]
    return [_of_group(one) for one in chain[: chain.index(groups) + 1]] if groups in chain else []


def _of_group(folder: Path) -> int | None:
    most, used = _number(folder / "memory.max"), _number(folder / "memory.current")
    if most is None or used is None:
        return None
    words = (line.split() for line in _lines(folder / "memory.stat"))
    caches = sum(
        int(pair[1])
        for pair in words
        if len(pair) == 2 and pair[0] in ("inactive_file", "active_file") and pair[1].isdecimal()
    )
    return max(0, most - used + caches)


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
