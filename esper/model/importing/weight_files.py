"""Where the weights of a Hugging Face folder are: in one file, or in parts that an index names.

An index says of every tensor in which part it is. A part that holds something else than the index
says would be read otherwise by others, so both must agree to the letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from esper.model.errors import MalformedFileError, MissingFileError
from esper.model.files.json_file import read_object
from esper.model.safetensors_file import AnyArray, read_container

WEIGHTS_FILE: Final = "model.safetensors"
INDEX_FILE: Final = f"{WEIGHTS_FILE}.index.json"
_SUFFIX: Final = ".safetensors"
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


def read_weights(directory: Path) -> dict[str, AnyArray]:
    """All tensors of a folder, by name; errors as of ``weight_files`` and ``read_container``.

    Raises MalformedFileError as well where index and parts do not agree on a tensor.
    """
    files = weight_files(directory)
    if files == [directory / WEIGHTS_FILE]:
        return read_container(files[0])[1]
    index = directory / INDEX_FILE
    places = _read_index(index)
    tensors: dict[str, AnyArray] = {}
    for file in files:
        if not file.exists():
            raise MissingFileError(file, f"{index} names it: fetch all parts of the checkpoint")
        held = read_container(file)[1]
        _check_part(index, file, places, held)
        tensors.update(held)
    lost = next((name for name in places if name not in tensors), None)
    if lost is not None:
        raise MalformedFileError(
            directory / places[lost],
            f"tensor '{lost}' is missing, which {INDEX_FILE} says is here; fetch the part again",
        )
    return tensors


def _check_part(
    index: Path, file: Path, places: Mapping[str, str], held: Mapping[str, AnyArray]
) -> None:
    for name in held:
        place = places.get(name)
        if place is None:
            raise MalformedFileError(
                index, f"it does not name tensor '{name}' of {file.name}; fetch the index again"
            )
        if place != file.name:
            raise MalformedFileError(
                file,
                f"tensor '{name}' is here, {INDEX_FILE} says it is in {place}; fetch both parts "
                "again",
            )


def _read_index(path: Path) -> dict[str, str]:
    fields = read_object(path, "fetch the index of the checkpoint")
    places: Any = fields.get("weight_map")
    if not isinstance(places, dict) or not places:
        raise MalformedFileError(
            path, "field 'weight_map' is no object of tensors and their files; fetch it again"
        )
    for name, file in places.items():
        # A name with a folder in it could be a second name of another part.
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(_SUFFIX):
            raise MalformedFileError(
                path,
                f"field 'weight_map': tensor '{name}' is in {file!r}; expected the plain name of a "
                f"{_SUFFIX} file beside it",
            )
    return places
