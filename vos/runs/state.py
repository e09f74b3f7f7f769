"""The state of a tracker as bytes, and back, without pickle.

The tree of dicts and lists becomes JSON, every array an entry of an ``.npz`` archive that the JSON refers
to. What comes back is equal in value and type, to the last bit: JSON writes the shortest text that reads
back as the same double, and arrays keep their dtype, shape and memory order.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

_TREE = "tree"
_TAG = "$"
"""Marks a JSON object that stands for something else; a dict whose keys begin with it is written as pairs."""


def dump_state(state: Any) -> bytes:
    """``state`` as an ``.npz`` archive.

    Args:
        state: nested dicts (keys: str, int, float, bool, None), lists and tuples of NumPy arrays and
            scalars, numbers, strings, booleans and None.

    Raises:
        TypeError: for anything else, saying where it sits.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps(_encode(state, arrays, "state"))
    buffer = io.BytesIO()
    arrays[_TREE] = np.frombuffer(tree.encode("utf-8"), dtype=np.uint8)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            # np.savez would store the time, so that no two files are equal.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()


def load_state(data: bytes) -> Any:
    """The state that :func:`dump_state` was given.

    Raises:
        ValueError: if the bytes are not a whole archive of ours.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return _decode(json.loads(arrays[_TREE].tobytes().decode("utf-8")), arrays)
    except Exception as error:  # a damaged archive shows in any way
        raise ValueError(f"not a whole snapshot: {error}") from error


def _encode(value: Any, arrays: dict[str, np.ndarray], where: str) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise TypeError(f"{where}: an array of Python objects cannot be saved")
        name = f"a{len(arrays)}"
        arrays[name] = array
        return {_TAG: "array" if isinstance(value, np.ndarray) else "scalar", "name": name}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_encode(item, arrays, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, tuple):
        return {
            _TAG: "tuple",
            "items": [_encode(item, arrays, f"{where}[{i}]") for i, item in enumerate(value)],
        }
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith(_TAG) for key in value):
            return {key: _encode(item, arrays, f"{where}[{key!r}]") for key, item in value.items()}
        pairs = [
            [_encode(key, arrays, f"{where} (key)"), _encode(item, arrays, f"{where}[{key!r}]")]
            for key, item in value.items()
        ]
        return {_TAG: "dict", "pairs": pairs}
    raise TypeError(f"{where}: {type(value).__name__} cannot be saved")


def _decode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_TAG)
    if kind is None:
        return {key: _decode(item, arrays) for key, item in value.items()}
    if kind == "tuple":
        return tuple(_decode(item, arrays) for item in value["items"])
    if kind == "dict":
        return {_decode(key, arrays): _decode(item, arrays) for key, item in value["pairs"]}
    array = arrays[value["name"]]
    return array if kind == "array" else array[()]
