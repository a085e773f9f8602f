"""Puts a wheel together: the same bytes from the same contents, on whichever day."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from esper.embedded import (
    BANK_FILE,
    FOLDER,
    MODEL_FILES,
    SEED_FILES,
    SEEDS,
    WORD,
    find_embedded,
)
from esper.native_record import RECORD_NAME, BuildRecord

PATTERNS = (
    "**/*.py",
    "*.pyi",
    "explorer/static/*",
    "explorer/templates/*.html",
    "model/benchmarks/own_texts/*.jsonl",
)
"""Of the package itself."""
EARLIEST_S = 315_532_800
"""1980, when the time of zip files begins."""


def package_files(root: Path) -> Iterator[tuple[str, Path]]:
    """What is installed of the checkout: the package, the genesis model, the bank, the seeds."""
    package = root / "esper"
    for pattern in PATTERNS:
        for file in sorted(package.glob(pattern)):
            yield file.relative_to(root).as_posix(), file
    embedded = find_embedded(package)
    for name in MODEL_FILES:
        yield f"esper/{FOLDER}/{WORD}/{name}", embedded.model / name
    yield f"esper/{FOLDER}/{BANK_FILE}", embedded.bank
    for name in SEED_FILES:
        yield f"esper/{FOLDER}/{SEEDS}/{name}", embedded.seeds / name


def write_wheel(
    folder: Path, root: Path, dist_info: Path, record: BuildRecord, extensions: Mapping[str, Path]
) -> str:
    """Write the wheel and return its name. `extensions` are compiled files by their new names."""
    files = dict(package_files(root))
    contents = {name: file.read_bytes() for name, file in files.items()}
    contents[f"esper/{RECORD_NAME}"] = record.to_json().encode()
    contents |= {f"esper/{name}": file.read_bytes() for name, file in extensions.items()}
    for file in sorted(dist_info.rglob("*")):
        if file.is_file() and file.name != "RECORD":
            inside = file.relative_to(dist_info).as_posix()
            of_crates = file.parent.name == "sboms"
            content = _without_place_and_time(file, root) if of_crates else file.read_bytes()
            contents[f"{dist_info.name}/{inside}"] = content
    listing = f"{dist_info.name}/RECORD"
    contents[listing] = _listing(contents, listing)
    name = f"{dist_info.name.removesuffix('.dist-info')}-{_tag(dist_info)}.whl"
    # Under another name until it is whole.
    unfinished = folder / f".{name}.new"
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, content in contents.items():
            info = zipfile.ZipInfo(inside, _time())
            executable = inside.endswith(".so")
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, 9)
    unfinished.replace(folder / name)
    return name


def _without_place_and_time(bill: Path, root: Path) -> bytes:
    """maturin's bill of the crates, without the folder, moment and number of this build."""
    fields = json.loads(bill.read_text(encoding="utf-8").replace(str(root), "esperchain"))
    fields.pop("serialNumber", None)
    fields.get("metadata", {}).pop("timestamp", None)
    return (json.dumps(fields, indent=1) + "\n").encode()


def _listing(contents: Mapping[str, bytes], itself: str) -> bytes:
    lines = []
    for inside, content in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{inside},sha256={digest},{len(content)}\n")
    return "".join([*lines, f"{itself},,\n"]).encode()


def _tag(dist_info: Path) -> str:
    """The one tag, which the file's name ends with. Raises ValueError where there are more."""
    lines = (dist_info / "WHEEL").read_text(encoding="utf-8").splitlines()
    [tag] = [line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")]
    return tag


def _time() -> tuple[int, int, int, int, int, int]:
    moment = time.gmtime(max(EARLIEST_S, int(os.environ.get("SOURCE_DATE_EPOCH", "0"))))
    year, month, day, hour, minute, second = moment[:6]
    return year, month, day, hour, minute, second
