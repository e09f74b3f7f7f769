"""Tables: one row per object and frame, from the frame in which the object is first known on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..ops.rle import check_counts, check_size, counts_centroid, decompress
from .appending import join_tables
from .reading import Annotations, BoxPrompt, IdMap, Request, choose_sequence, load_text
from .records import UNNAMED, FrameRecord, Join, ObjectMask, RecordedVideo, RecordWriter

COLUMNS = (
    "sequence",
    "frame",
    "name",
    "time",
    "id",
    "label",
    "visible",
    "x",
    "y",
    "width",
    "height",
    "area",
    "cx",
    "cy",
    "score",
    "state",
)
_BATCH = 4096
"""Rows that are in memory at a time."""


def _rows(video: RecordedVideo) -> Iterator[tuple[FrameRecord, ObjectMask, dict[str, Any]]]:
    known: set[int] = set()
    for record in video.frames():
        objects = {found.object_id: found for found in record.objects}
        known |= set(objects)
        nothing = np.array([record.size[0] * record.size[1]], dtype=np.int64)
        for object_id in sorted(known):
            found = objects.get(object_id) or ObjectMask(object_id, nothing)
            row: dict[str, Any] = dict.fromkeys(COLUMNS)
            row |= {
                "sequence": video.sequence,
                "frame": record.index,
                "name": record.name,
                "time": record.time,
                "id": found.object_id,
                "label": video.category(found.object_id),
                "visible": int(found.area > 0),
                "score": found.confidence,
                "state": None if object_id not in objects else "anchor" if found.is_given else "tracked",
            }
            centre = counts_centroid(found.counts, record.size[0])
            if centre is not None:
                x0, y0, x1, y1 = record.box(found)
                row |= {"x": x0, "y": y0, "width": x1 - x0 + 1, "height": y1 - y0 + 1, "area": found.area}
                row |= {"cx": round(centre[0], 3), "cy": round(centre[1], 3)}
            yield record, found, row


class CsvWriter(RecordWriter):
    """``objects.csv``; fields of an object that is not visible are empty."""

    joins: ClassVar[Mapping[str, Join]] = {"": join_tables}

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """Row by row."""
        with out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for _, _, row in _rows(video):
                writer.writerow(row)
        self.losses["masks"] = "boxes only"


def read_csv(path: Path, request: Request) -> Annotations:
    """Boxes of one sequence as prompts."""
    rows = list(csv.DictReader(io.StringIO(load_text(path)), strict=True))
    missing = [c for c in ("frame", "id", "x", "y", "width", "height") if not rows or c not in rows[0]]
    if missing:
        raise ValueError(f"it has no column {missing[0]!r}" if rows else "it has no rows")
    short = next((n for n, row in enumerate(rows, 1) if None in row.values()), None)
    if short is not None:
        raise ValueError(f"row {short} has fewer fields than there are columns")
    sequence = choose_sequence(
        list(dict.fromkeys(r.get("sequence") or "video" for r in rows)), request.sequence
    )
    rows = [row for row in rows if (row.get("sequence") or "video") == sequence]
    ids = IdMap(row["id"] for row in rows)
    boxes = []
    for row in rows:
        if row["x"]:
            x, y, width, height = (int(row[key]) for key in ("x", "y", "width", "height"))
            index = int(row["frame"])
            name = row.get("name") or f"{index:05d}"
            boxes.append(BoxPrompt(index, name, ids[row["id"]], (x, y, x + width - 1, y + height - 1)))
    categories = {ids[row["id"]]: row["label"] for row in rows if row.get("label", UNNAMED) != UNNAMED}
    return Annotations(lambda: iter(()), sequence, {}, categories, None, boxes, ids.notes(), ids.changed)


class ParquetWriter(RecordWriter):
    """``objects.parquet``: the columns of the CSV, the object's name, the frame's size and file name, and the
    mask as COCO's compressed run lengths."""

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """In batches of rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = _schema(pa)
        with pq.ParquetWriter(str(out), schema) as writer:
            batch: list[dict[str, Any]] = []
            for record, found, row in _rows(video):
                row |= {
                    "object_name": video.name(found.object_id) or None,
                    "file_name": record.file_name,
                    "frame_height": record.size[0],
                    "frame_width": record.size[1],
                    "rle": found.text,
                    "source": found.source,
                }
                batch.append(row)
                if len(batch) == _BATCH:
                    writer.write_table(pa.Table.from_pylist(batch, schema))
                    batch.clear()
            writer.write_table(pa.Table.from_pylist(batch, schema))


def _schema(pa: Any) -> Any:
    whole, text, real = pa.int64(), pa.string(), pa.float64()
    kinds = dict(
        zip(
            COLUMNS, [text, whole, text, real, whole, text, *[whole] * 6, real, real, real, text], strict=True
        )
    )
    kinds |= {
        "object_name": text,
        "file_name": text,
        "frame_height": whole,
        "frame_width": whole,
        "rle": text,
        "source": text,
    }
    return pa.schema(list(kinds.items()))


def read_parquet(path: Path, request: Request) -> Annotations:
    """What :class:`ParquetWriter` wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(str(path)) as file:
            missing = set(_schema(pa).names) - set(file.schema_arrow.names)
            if missing:
                raise ValueError(f"it has no column {min(missing)!r}")
            columns = ["sequence", "id", "label", "object_name"]
            heads = file.read(columns).to_pylist()
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None
    if not heads:
        return Annotations(lambda: iter(()), path.stem)
    sequence = choose_sequence(list(dict.fromkeys(str(row["sequence"]) for row in heads)), request.sequence)
    heads = [row for row in heads if row["sequence"] == sequence]
    ids = IdMap(row["id"] for row in heads)

    def records() -> Iterator[FrameRecord]:
        objects: list[ObjectMask] = []
        current: dict[str, Any] | None = None
        try:
            with pq.ParquetFile(str(path)) as file:
                for batch in file.iter_batches(_BATCH):
                    for row in batch.to_pylist():
                        if row["sequence"] != sequence:
                            continue
                        if current is not None and row["frame"] != current["frame"]:
                            yield _record(current, objects)
                            objects = []
                        current = row
                        size = check_size([row["frame_height"], row["frame_width"]])
                        counts = check_counts(decompress(row["rle"]), size)
                        objects.append(ObjectMask(ids[row["id"]], counts, row["score"], row["source"]))
        except pa.ArrowException as error:
            raise ValueError(str(error)) from None
        if current is not None:
            yield _record(current, objects)

    names = {ids[row["id"]]: row["object_name"] for row in heads if row["object_name"]}
    categories = {ids[row["id"]]: row["label"] for row in heads if row["label"] not in (None, UNNAMED)}
    categories = {k: text for k, text in categories.items() if text != names.get(k)}
    return Annotations(records, sequence, names, categories, notes=ids.notes(), ids=ids.changed)


def _record(row: dict[str, Any], objects: list[ObjectMask]) -> FrameRecord:
    size = (row["frame_height"], row["frame_width"])
    ordered = tuple(sorted(objects, key=lambda found: found.object_id))
    return FrameRecord(row["frame"], row["name"], size, ordered, row["file_name"], row["time"])
