"""Masks of a batch as tar shards for ``webdataset``: one sample per frame, the same bytes every time."""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ...files import make_folder, replacing
from .layout import parse
from .pack import PACKED, packed_masks
from .samples import MASK, Sample, add_member, key_of_frame, sample_of
from .store import Store

logger = logging.getLogger(__name__)

MAX_BYTES = 10**9
MAX_SAMPLES = 10_000
"""A shard is closed before it would have more than either."""


def write_shards(
    store: Store,
    report: Mapping[str, Any],
    folder: Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_samples: int = MAX_SAMPLES,
) -> list[Path]:
    """Write ``masks-000000.tar``, ... with the frames of all done tasks, in order of id and frame.

    Samples are those of :mod:`~vos.runs.batch.samples`; masks that were packed are read from their tar.

    Args:
        store: the batch.
        report: see :func:`~vos.runs.batch.report.report_of`.
        folder: for the shards, made where absent.
        max_bytes, max_samples: of a shard.

    Raises:
        OutputError: a shard cannot be written.
    """
    make_folder(folder)
    samples = (
        members for row in report["tasks"] if row["state"] == "done" for members in _samples(store, row)
    )
    paths: list[Path] = []
    pending = next(samples, None)
    while pending is not None:
        path = folder / f"masks-{len(paths):06d}.tar"
        with replacing(path) as temporary, temporary.open("wb") as file:
            pending = _fill(file, pending, samples, max_bytes, max_samples)
        paths.append(path)
    for old in folder.glob("masks-*.tar"):  # of an earlier report that had more of them
        number = old.stem.removeprefix("masks-")
        if number.isdecimal() and int(number) >= len(paths):
            old.unlink()
    return paths


def _fill(
    file: IO[bytes], first: Sample, samples: Iterator[Sample], max_bytes: int, max_samples: int
) -> Sample | None:
    """Write one shard; the sample that did not fit any more."""
    pending: Sample | None = first
    count, size = 0, 0
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        while pending is not None and count < max_samples:
            needed = sum(_tar_size(data) for _, data in pending)
            if count and size + needed > max_bytes:
                break
            for name, data in pending:
                add_member(tar, name, data)
            count, size = count + 1, size + needed
            pending = next(samples, None)
    return pending


def _tar_size(data: bytes) -> int:
    return tarfile.BLOCKSIZE * (1 + -(-len(data) // tarfile.BLOCKSIZE))


def _samples(store: Store, row: Mapping[str, Any]) -> Iterator[Sample]:
    record = parse(store.read(f"{row['place']}/run.json"))
    data = store.read(f"{row['place']}/{PACKED}")
    packed = {} if data is None else dict(packed_masks(data))
    missing = []
    for frame in () if record is None else record["frames"]:
        mask = packed.get(key_of_frame(row["id"], frame["name"]) + MASK)
        if mask is None:
            mask = store.read(f"{row['place']}/masks/{frame['name']}.png")
        if mask is None:
            missing.append(frame["name"])
        else:
            yield sample_of(row["id"], frame, mask)
    if missing:
        logger.warning(
            "task %s has no masks of %d frames, such as %s: they are left out",
            *(row["id"], len(missing), missing[0]),
        )
