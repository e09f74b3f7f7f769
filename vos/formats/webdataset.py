"""WebDataset: tar shards, a sample per frame with an index PNG and JSON."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files import visible
from ..results import MAX_OBJECTS
from .layouts import encode_png, record_of_labels
from .reading import Annotations, Request, choose_sequence, decode_labels
from .records import UNNAMED, FrameRecord, ObjectMask, RecordedVideo, RecordWriter, dumps

_LARGEST_MEMBER = 1 << 28


@dataclass(frozen=True)
class WebDatasetOptions:
    """Options of the writer.

    Raises:
        ValueError: for a value out of range.
    """

    samples: int = 10_000
    """Samples of a shard, at most."""
    megabytes: int = 1000
    """Size of a shard, about, at most."""

    def __post_init__(self) -> None:
        if self.samples < 1 or self.megabytes < 1:
            raise ValueError("samples and megabytes must be 1 or more")


class WebDatasetWriter(RecordWriter):
    """``<sequence>-000000.tar``, ...; a sample is ``<sequence>/<frame>`` with ``.mask.png`` and ``.json``."""

    Options = WebDatasetOptions
    is_folder = True

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """Shard after shard; members have no time and no owner, so that equal input gives equal bytes."""
        wide = max(video.ids, default=0) > MAX_OBJECTS
        shard: tarfile.TarFile | None = None
        number = samples = 0
        try:
            for record in video.frames():
                full = samples >= self.options.samples or (
                    shard is not None and shard.offset >= self.options.megabytes * 1_000_000
                )
                if shard is None or full:
                    if shard is not None:
                        shard.close()
                    path = out / f"{video.sequence}-{number:06d}.tar"
                    shard = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
                    number, samples = number + 1, 0
                # A key ends at the first dot.
                key = f"{video.sequence}/{record.name.replace('.', '_')}"
                _add(shard, f"{key}.mask.png", encode_png(record.labels()[0], wide=wide))
                _add(shard, f"{key}.json", (dumps(_facts(video, record)) + "\n").encode("ascii"))
                samples += 1
        finally:
            if shard is not None:
                shard.close()


def _facts(video: RecordedVideo, record: FrameRecord) -> dict[str, Any]:
    objects = [
        {
            "id": found.object_id,
            "name": video.name(found.object_id) or None,
            "category": video.category(found.object_id),
            "score": found.confidence,
            "source": found.source,
            "box": list(record.box(found)) if found.area else None,
        }
        for found in record.objects
    ]
    return {
        "sequence": video.sequence,
        "frame": record.index,
        "name": record.name,
        "file_name": record.file_name,
        "time": record.time,
        "fps": video.fps,
        "size": list(record.size),
        "objects": objects,
    }


def _add(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    shard.addfile(info, io.BytesIO(data))


def read_webdataset(path: Path, request: Request) -> Annotations:
    """The samples of one sequence, from one shard or a folder of them, in their order."""
    shards = visible(path.glob("*.tar")) if path.is_dir() else [path]
    if not shards:
        raise ValueError("there are no shards (.tar) in it")
    sequences: dict[str, None] = {}
    names: dict[str, dict[int, str]] = {}
    categories: dict[str, dict[int, str]] = {}
    rates: dict[str, float | None] = {}
    for facts, _ in _samples(shards):
        sequence = facts["sequence"]
        sequences[sequence] = None
        rates[sequence] = facts.get("fps")
        for found in facts["objects"]:
            if found.get("name"):
                names.setdefault(sequence, {})[int(found["id"])] = str(found["name"])
            if found.get("category") not in (None, UNNAMED, found.get("name")):
                categories.setdefault(sequence, {})[int(found["id"])] = str(found["category"])
    chosen = choose_sequence(list(sequences), request.sequence)

    def records() -> Iterator[FrameRecord]:
        for facts, data in _samples(shards):
            if facts["sequence"] == chosen:
                yield _record(facts, data)

    return Annotations(records, chosen, names.get(chosen, {}), categories.get(chosen, {}), rates[chosen])


def _samples(shards: list[Path]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """(facts, PNG) of every sample; members of a sample lie together."""
    for shard in shards:
        try:
            with tarfile.open(shard, "r:") as archive:
                key = ""
                parts: dict[str, bytes] = {}
                for info in archive:
                    if not info.isfile() or info.size > _LARGEST_MEMBER:
                        raise ValueError(f"{shard.name} holds {info.name}, which is no file of a sample")
                    folder, _, name = info.name.rpartition("/")
                    stem, _, kind = name.partition(".")
                    if f"{folder}/{stem}" != key:
                        key, parts = f"{folder}/{stem}", {}
                    if kind in ("mask.png", "json"):
                        file = archive.extractfile(info)
                        assert file is not None
                        parts[kind] = file.read()
                    if len(parts) == 2:
                        yield _normal(json.loads(parts["json"]), folder, stem), parts["mask.png"]
                        parts = {}
                if parts:
                    raise ValueError(f"{shard.name} is cut short: sample {key} has no {_missing(parts)}")
        except tarfile.TarError as error:
            raise ValueError(f"{shard.name} is damaged: {error}") from None


def _normal(facts: dict[str, Any], folder: str, stem: str) -> dict[str, Any]:
    """Facts as :class:`WebDatasetWriter` writes them; what is missing is taken from the sample's key."""
    objects = facts.get("objects", [])
    if isinstance(objects, dict):
        objects = [{"id": int(number), **found} for number, found in objects.items()]
    sequence = str(facts.get("sequence") or folder or "video")
    return facts | {"sequence": sequence, "name": str(facts.get("name", stem)), "objects": objects}


def _missing(parts: dict[str, bytes]) -> str:
    return "json" if "json" not in parts else "mask.png"


def _record(facts: dict[str, Any], data: bytes) -> FrameRecord:
    found = record_of_labels(decode_labels(data), int(facts["frame"]), str(facts["name"]))
    visible = {o.object_id: o.counts for o in found.objects}
    nothing = np.array([found.size[0] * found.size[1]], dtype=np.int64)
    facts_by_id = {int(o["id"]): o for o in facts["objects"]}
    objects = tuple(
        ObjectMask(
            k,
            visible.get(k, nothing),
            facts_by_id.get(k, {}).get("score"),
            facts_by_id.get(k, {}).get("source"),
        )
        for k in sorted({*visible, *facts_by_id})
    )
    return FrameRecord(
        found.index, found.name, found.size, objects, facts.get("file_name"), facts.get("time")
    )
