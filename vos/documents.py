"""Text, JSON, YAML and ``.npy`` files that users give: read whole, or refused with one kind of error."""

from __future__ import annotations

import codecs
import json
import math
import os
import reprlib
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

LARGEST_YAML = 1 << 20
"""Bytes of a recipe at most."""
LONGEST_NUMBER = 400
"""Characters of a number in a recipe: numbers to base 60, such as 1:59:59, take their square to read."""
DEEPEST_YAML = 64
"""Brackets that may be open in a recipe at the same time."""
LONGEST_PATH = 1000
"""Characters of a path in a message."""
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NPY = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"
_short = reprlib.Repr()
_short.maxlevel, _short.maxdict, _short.maxset = 2, 4, 4
_short.maxstring = _short.maxother = 60


def shown(value: object) -> str:
    """``repr(value)`` for a message, short whatever the value is."""
    try:
        return _short.repr(value)
    except Exception:  # an int of more digits than Python writes
        return f"a {type(value).__name__}"


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path for a message: whole, unless it is longer than any that exists."""
    text = os.fspath(path)
    return text if len(text) < LONGEST_PATH else shown(text)


def read_text(path: str | os.PathLike[str]) -> str:
    """A text file: UTF-8 with or without a byte order mark, or UTF-16 with one, as Windows saves them.

    Raises:
        OSError: it cannot be read.
        ValueError: it is in another encoding, or a device.
    """
    with Path(path).open("rb") as file:
        if stat.S_ISCHR(os.fstat(file.fileno()).st_mode) and not file.isatty():
            raise ValueError("it is a device, and no file")  # /dev/zero has no end
        data = file.read()
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not {encoding.removesuffix('-sig').upper()} text ({error.reason})") from None
    if "\0" in text:
        raise ValueError("it is not text: save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, or is nested too deeply, has a key twice in one object, or holds an
            infinite number or none.
    """
    return parse_json(read_text(path))


def parse_json(text: str, pack: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """As :func:`read_json`, of a file's text.

    Args:
        text: the JSON.
        pack: makes something smaller of every object as soon as it is read, the inner ones first, so that a
            large file does not stand in memory as millions of Python objects.
    """

    def hook(pairs: list[tuple[str, Any]]) -> Any:
        found = _unique(pairs)
        return found if pack is None else pack(found)

    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=hook)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs: two values for one key are ambiguous."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"it has the key {shown(twice)} twice in one object")
    return found


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number that JSON has")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases, by which a small file can stand for any amount of data, and without deep nesting.

    Brackets are counted as they are read: PyYAML looks at all that are open whenever it meets another one.
    """

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        if self.flow_level >= DEEPEST_YAML:
            raise RecursionError
        super().fetch_flow_collection_start(TokenClass)

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("aliases (*name) are not read: write the value where it is needed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if key in seen:
                    raise ValueError(f"it has the key {shown(key)} twice in one mapping")
                seen.add(key)
        return found

    def compose_scalar_node(self, anchor: Any) -> Any:
        node = super().compose_scalar_node(anchor)
        if node.tag != self.DEFAULT_SCALAR_TAG and len(node.value) > LONGEST_NUMBER:
            raise ValueError(f"it has a number or date of {len(node.value)} characters")
        return node


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """What a YAML file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not YAML, is nested too deeply, is too large, or has aliases.
    """
    text = read_text(path)
    if len(text) > LARGEST_YAML:
        raise ValueError(f"it has {len(text)} characters; up to {LARGEST_YAML} are read")
    try:
        return yaml.load(text, _PlainLoader)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        raise
    except Exception as error:  # besides YAMLError, PyYAML raises nearly anything for odd dates and numbers
        text = " ".join(str(error).split())
        raise ValueError(f"it is not YAML: {text[:500]}{' ...' * (len(text) > 500)}") from None


def read_npy(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array in a ``.npy`` file; its header is checked against the size of the file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no ``.npy`` file, is damaged or cut short, or holds Python objects.
    """
    with Path(path).open("rb") as file:
        head = file.read(len(_NPY))
        if head.startswith(_ZIP):
            raise ValueError("it is a zip archive, perhaps of numpy.savez; save one array with numpy.save")
        if head != _NPY:
            raise ValueError("it is not a .npy file; save the array with numpy.save")
        file.seek(0)
        try:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, by_columns, dtype = read(file)
            shape = tuple(int(side) for side in shape)
        except Exception as error:  # the header is Python source: its damage shows in any way
            raise ValueError(f"its header is damaged ({type(error).__name__})") from None
        if dtype.hasobject or dtype.itemsize == 0:
            raise ValueError(f"it holds {shown(str(dtype))}, not plain values")
        count = math.prod(shape)
        rest = os.fstat(file.fileno()).st_size - file.tell()
        if min(shape, default=0) < 0 or count * dtype.itemsize != rest:
            raise ValueError(
                f"its header declares {shown(shape)} {dtype}, which does not fit the {rest} bytes after it"
            )
        array = np.fromfile(file, dtype=dtype, count=count)
    return array.reshape(shape, order="F" if by_columns else "C")
