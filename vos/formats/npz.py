"""NumPy arrays in one compressed archive, written and read frame by frame."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..limits import MAX_PIXELS
from ..results import label_dtype
from .layouts import record_of_labels
from .reading import Annotations, IdMap, Request
from .records import UNNAMED, FrameRecord, ObjectMask, RecordedVideo, RecordWriter

VERSION = 1
_TEXT_LIMIT = 1 << 26
"""Bytes of the arrays besides ``labels``, at most."""


class NpzWriter(RecordWriter):
    """``labels`` (T, H, W), ``frame_index``, ``time``, ``frame_names`` and ``file_names`` (T,), ``ids``,
    ``names`` and ``categories`` (N,), ``scores`` (T, N) with NaN where an object is not known."""

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """Labels first, one frame at a time."""
        count, ids = len(video.indices), video.ids
        scores = np.full((count, len(ids)), np.nan)
        times = np.full(count, np.nan)
        names: list[str] = []
        files: list[str] = []
        columns = {object_id: n for n, object_id in enumerate(ids)}
        dtype = np.dtype(label_dtype(ids))
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open(_member("labels"), "w", force_zip64=True) as file:
                file.write(_header(dtype, (count, *video.size)))
                for n, record in enumerate(video.frames()):
                    file.write(record.labels()[0].astype(dtype).tobytes())
                    times[n] = np.nan if record.time is None else record.time
                    names.append(record.name)
                    files.append(record.file_name or "")
                    for found in record.objects:
                        if found.confidence is not None:
                            scores[n, columns[found.object_id]] = found.confidence
            arrays: dict[str, Any] = {
                "frame_index": np.array(video.indices, dtype=np.int64),
                "time": times,
                "frame_names": np.array(names, dtype=np.str_),
                "file_names": np.array(files, dtype=np.str_),
                "ids": np.array(ids, dtype=np.int64),
                "names": np.array([video.name(k) for k in ids], dtype=np.str_),
                "categories": np.array([video.category(k) for k in ids], dtype=np.str_),
                "scores": scores,
                "sequence": np.array(video.sequence),
                "fps": np.array(np.nan if video.fps is None else video.fps),
                "version": np.array(VERSION),
            }
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, array, allow_pickle=False)
                archive.writestr(_member(name), buffer.getvalue())


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _header(dtype: np.dtype, shape: Iterable[int]) -> bytes:
    buffer = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_2_0(buffer, described)
    return buffer.getvalue()


def read_npz(path: Path, request: Request) -> Annotations:
    """What :class:`NpzWriter` wrote, or any archive with ``labels`` (T, H, W). No pickles are read."""
    try:
        with zipfile.ZipFile(path) as archive:
            small = {
                Path(info.filename).stem: _small(archive, info)
                for info in archive.infolist()
                if info.filename != "labels.npy"
            }
            with archive.open("labels.npy") as file:
                (count, height, width), _ = _shape(file)
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from None
    size = (height, width)
    indices = small.get("frame_index", np.arange(count)).astype(np.int64).tolist()
    names = small.get("frame_names", np.array([f"{n:05d}" for n in indices])).astype(str).tolist()
    files = small.get("file_names", np.array([""] * count)).astype(str).tolist()
    times = small.get("time", np.full(count, np.nan)).astype(float).tolist()
    ids = small.get("ids", np.zeros(0)).astype(np.int64).tolist()
    scores = small.get("scores", np.full((count, len(ids)), np.nan)).astype(float)
    if not len(indices) == len(names) == len(files) == len(times) == count or scores.shape != (
        count,
        len(ids),
    ):
        raise ValueError("its arrays do not have one entry per frame and object")
    IdMap(ids)

    def records() -> Iterator[FrameRecord]:
        with zipfile.ZipFile(path) as archive, archive.open("labels.npy") as file:
            _, dtype = _shape(file)
            for n in range(count):
                data = file.read(height * width * dtype.itemsize)
                labels = np.frombuffer(data, dtype).reshape(size)
                record = record_of_labels(labels, indices[n], names[n])
                known = dict(zip(ids, scores[n].tolist(), strict=True))
                yield _with_scores(record, known, files[n] or None, None if np.isnan(times[n]) else times[n])

    texts = {
        key: small.get(key, np.array([""] * len(ids))).astype(str).tolist() for key in ("names", "categories")
    }
    named = {k: text for k, text in zip(ids, texts["names"], strict=True) if text}
    categories = {
        k: text
        for k, text in zip(ids, texts["categories"], strict=True)
        if text not in ("", UNNAMED) and text != named.get(k)
    }
    fps = float(small["fps"]) if "fps" in small and not np.isnan(small["fps"]) else None
    sequence = str(small.get("sequence", path.stem))
    return Annotations(records, sequence, named, categories, fps)


def _small(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    if info.file_size > _TEXT_LIMIT:
        raise ValueError(f"{info.filename} has {info.file_size} bytes")
    with archive.open(info) as file:
        return np.lib.format.read_array(io.BytesIO(file.read(_TEXT_LIMIT)), allow_pickle=False)


def _shape(file: Any) -> tuple[tuple[int, int, int], np.dtype]:
    """Of the labels; ``file`` is left at the first of them."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"labels.npy has version {version}")
    if fortran or len(shape) != 3 or dtype not in (np.dtype("uint8"), np.dtype("<u2")):
        raise ValueError(f"labels must be (T, H, W) uint8 or uint16 in C order, got {shape} {dtype}")
    if shape[0] and not 1 <= shape[1] * shape[2] <= MAX_PIXELS:
        raise ValueError(f"labels of {shape[2]}x{shape[1]} pixels are not read")
    return (shape[0], shape[1], shape[2]), dtype


def _with_scores(
    record: FrameRecord, scores: dict[int, float], file_name: str | None, time: float | None
) -> FrameRecord:
    """The record with what the other arrays say of its objects."""
    visible = {found.object_id: found.counts for found in record.objects}
    nothing = np.array([record.size[0] * record.size[1]], dtype=np.int64)
    known = {k for k, score in scores.items() if not np.isnan(score)}
    objects = tuple(
        ObjectMask(k, visible.get(k, nothing), scores[k] if k in known else None)
        for k in sorted({*visible, *known})
    )
    return FrameRecord(record.index, record.name, record.size, objects, file_name, time)
