"""What files say of their frames is checked before anything is made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from annotated_clips import annotations_of, hard_clip

from vos import formats
from vos.errors import FormatError
from vos.formats.checking import guarded
from vos.formats.records import FrameRecord
from vos.formats.registry import FORMATS


def changed(change: Callable[[FrameRecord], FrameRecord]) -> list[FrameRecord]:
    """The frames of a clip with ``change`` applied to each, read as if from a file."""
    given = annotations_of(hard_clip(2))
    records = lambda: map(change, given.records())  # noqa: E731
    return list(guarded(replace(given, records=records), Path("file"), "masks").records())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../../escaped"}, r"has a / or \\"),
        ({"name": ".."}, "stands for a folder"),
        ({"name": "x" * 250}, "250 bytes long"),
        ({"file_name": "/etc/cron.d/x.png"}, r"has a / or \\"),
        ({"index": 0}, "two frames 0"),
        ({"name": "a"}, "two frames 'a'"),
        ({"time": "1"}, "the time '1' of frame 00000 is no number"),
        ({"time": float("nan")}, "the time nan of frame 00000 is no number"),
    ],
)
def test_frames_that_cannot_be(change: dict[str, object], message: str) -> None:
    """Names that lead elsewhere, two frames that would be one file, and times that are none are refused."""
    with pytest.raises(FormatError, match=f"cannot read file as masks: .*{message}"):
        changed(lambda record: replace(record, **change))


def test_scores_that_are_no_numbers() -> None:
    """JSON could not hold them."""
    with pytest.raises(FormatError, match="the score nan of object 1 is no number"):
        changed(lambda r: replace(r, objects=tuple(replace(o, confidence=np.nan) for o in r.objects)))


@pytest.mark.parametrize("name", ["npz", "parquet", "webdataset"])
def test_no_mask_outside_of_the_output(name: str, tmp_path: Path) -> None:
    """Formats that store names of frames as they like do not lead out of the folder that is written."""
    for package in FORMATS[name].requires:
        pytest.importorskip(package)
    path = tmp_path / FORMATS[name].default_name
    formats.write(annotations_of(hard_clip(1), stems=["../../escaped"]), path, name)
    for target in ("masks", "labelme", "voc"):
        with pytest.raises(FormatError, match="escaped"):
            formats.write(formats.read(path, name), tmp_path / "a" / "b" / target, target)
    assert [p.name for p in tmp_path.rglob("escaped*")] == []


def test_rates_and_texts(tmp_path: Path) -> None:
    """A rate that is text is a number, and halves of surrogate pairs are joined or replaced."""
    path = tmp_path / "a.json"
    formats.write(annotations_of(hard_clip(1), names={1: "NAME"}), path, "coco-video")
    content = json.loads(path.read_text())
    content["videos"][0]["fps"] = "12.5"
    path.write_text(json.dumps(content).replace("NAME", r"\ud83d\udc15 \ud800"))
    found = formats.read(path)
    assert found.fps == 12.5
    assert found.names[1] == "\U0001f415 \ufffd"
    formats.write(found, tmp_path / "mots", "mots-txt")
    for rate in ("often", -1):
        content["videos"][0]["fps"] = rate
        path.write_text(json.dumps(content))
        with pytest.raises(FormatError, match=str(rate)):
            formats.read(path)
