"""Print what is in a wheel: its record, and every file that is no Python source.

python scripts/show_wheel.py dist/esperchain-*.whl
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from esper.native_record import RECORD_NAME, BuildRecord


def shown(wheel: Path) -> Iterator[str]:
    """The lines."""
    with zipfile.ZipFile(wheel) as archive:
        infos = archive.infolist()
        record = BuildRecord.from_json(archive.read(f"esper/{RECORD_NAME}").decode())
    yield f"{wheel}  {wheel.stat().st_size / 1e6:.1f} MB"
    yield f"commit {record.commit or 'not known'}, {record.machine}"
    for extension in record.extensions:
        yield f"  {extension.level}: {len(extension.target_features)} features of the processor"
    sources = [info for info in infos if info.filename.endswith((".py", ".pyi"))]
    yield f"{sum(info.file_size for info in sources):>10,}  {len(sources)} Python sources"
    for info in infos:
        if info not in sources:
            yield f"{info.file_size:>10,}  {info.filename}"


if __name__ == "__main__":
    for line in shown(Path(sys.argv[1])):
        print(line)
