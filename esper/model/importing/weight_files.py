"""Where the weights of a Hugging Face folder are: in one file, or in parts that an index names.

An index says of every tensor in which part it is. A part that holds something else than the index
says would be read otherwise by others, so both must agree to the letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from esper.model.errors import MalformedFileError, MissingFileError
from esper.model.files.json_file import read_object
from esper.model.safetensors_file import AnyArray, TensorFile

WEIGHTS_FILE: Final = "model.safetensors"
INDEX_FILE: Final = f"{WEIGHTS_FILE}.index.json"
_SUFFIX: Final = ".safetensors"
_LONGEST_NAME: Final = 200
_SHOWN: Final = 120
"""Characters of a tensor's name in a sentence."""
_MISSING: Final = (
    f"give a folder with {WEIGHTS_FILE}, one with {INDEX_FILE} and the parts it names, or a GGUF "
    "file"
)


def weight_files(directory: Path) -> list[Path]:
    """The files that hold the weights, by name.

    Raises:
        MissingFileError: there is neither the one file nor an index.
        MalformedFileError: the index is none.
    """
    if (directory / WEIGHTS_FILE).exists():
        return [directory / WEIGHTS_FILE]
    if not (directory / INDEX_FILE).exists():
        raise MissingFileError(directory / WEIGHTS_FILE, _MISSING)
    return [directory / name for name in sorted(set(_read_index(directory / INDEX_FILE).values()))]


def read_weights(directory: Path) -> Mapping[str, AnyArray]:
    """All tensors of a folder, by name, each read when it is asked for.

    Headers and index are read at once; errors as of ``weight_files`` and ``TensorFile``.

    Raises MalformedFileError as well where index and parts do not agree on a tensor.
    """
    files = weight_files(directory)
    if files == [directory / WEIGHTS_FILE]:
        return TensorFile(files[0])
    index = directory / INDEX_FILE
    places = _read_index(index)
    parts: dict[str, TensorFile] = {}
    for file in files:
        if not file.exists():
            raise MissingFileError(file, f"{index} names it: fetch all parts of the checkpoint")
        parts[file.name] = TensorFile(file)
        _check_part(index, file, places, parts[file.name])
    lost = next((name for name, place in places.items() if name not in parts[place]), None)
    if lost is not None:
        raise MalformedFileError(
            directory / places[lost],
            f"tensor {lost[:_SHOWN]!r} is missing, which {INDEX_FILE} says is here; fetch the part "
            "again",
        )
    return _Parts(places, parts)


class _Parts(Mapping[str, AnyArray]):
    """Tensors by name, each from the part that holds it."""

    def __init__(self, places: Mapping[str, str], parts: Mapping[str, TensorFile]) -> None:
        self._places = places
        self._parts = parts

    def __getitem__(self, name: str) -> AnyArray:
        return self._parts[self._places[name]][name]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _check_part(
    index: Path, file: Path, places: Mapping[str, str], held: Mapping[str, AnyArray]
) -> None:
    for name in held:
        place = places.get(name)
        if place is None:
            raise MalformedFileError(
                index,
                f"it does not name tensor {name[:_SHOWN]!r} of {file.name}; fetch the index again",
            )
        if place != file.name:
            raise MalformedFileError(
                file,
                f"tensor {name[:_SHOWN]!r} is here, {INDEX_FILE} says it is in {place}; fetch "
                "both parts again",
            )


def _read_index(path: Path) -> dict[str, str]:
    fields = read_object(path, "fetch the index of the checkpoint")
    places: Any = fields.get("weight_map")
    if not isinstance(places, dict) or not places:
        raise MalformedFileError(
            path, "field 'weight_map' is no object of tensors and their files; fetch it again"
        )
    for name, file in places.items():
        if not _is_plain_name(file):
            raise MalformedFileError(
                path,
                f"field 'weight_map': tensor {name[:_SHOWN]!r} is in {str(file)[:80]!r}; expected "
                f"the plain name of a {_SUFFIX} file beside it",
            )
    return places


def _is_plain_name(file: object) -> bool:
    # A name with a folder in it could be a second name of another part, or lie outside.
    return (
        isinstance(file, str)
        and len(file) <= _LONGEST_NAME
        and file.isprintable()
        and Path(file).name == file
        and file.endswith(_SUFFIX)
    )
