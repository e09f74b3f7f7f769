"""Flags and prompt files, and what they make together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vos.errors import PromptError
from vos.frame import Frame, VideoInfo
from vos.prompting.parsing import load_prompts
from vos.prompting.registry import TARGET_SOURCES


class Clip:
    """A video of 16 x 12 pixels whose first frame is number 5."""

    info = VideoInfo(16, 12, None, None)

    def __iter__(self):
        for index in (5, 6):
            yield Frame(index, np.zeros((12, 16, 3), np.uint8), f"{index:05d}")


def save_mask(path: Path, rows: slice, value: int = 255, size: tuple[int, int] = (12, 16)) -> Path:
    """An image whose rows have this value."""
    values = np.zeros(size, np.uint8)
    values[rows] = value
    Image.fromarray(values).save(path)
    return path


def write_prompts(folder: Path, *targets: Any, **more: Any) -> Path:
    """A prompt file with these targets."""
    path = folder / "prompts.json"
    path.write_text(json.dumps({"version": 1, "targets": list(targets)} | more))
    return path


def test_points() -> None:
    """Points of one object add up, in the order given, with their signs."""
    one, two = load_prompts(points=["2:3,4", "1:0,0,+", "2: 5.5, 6 ,-"])
    assert (one.object_id, two.object_id) == (1, 2)
    assert two.prompt.points is not None
    assert two.prompt.labels is not None
    assert two.prompt.points.tolist() == [[3, 4], [5.5, 6]]
    assert two.prompt.labels.tolist() == [1, 0]
    assert two.prompt.points.dtype == np.float32


def test_box_and_points_are_one_prompt() -> None:
    """All that is said of one object in one frame is one target."""
    (target,) = load_prompts(boxes=["7:1,2,8,9"], points=["7:3,3"])
    assert target.object_id == 7
    assert target.prompt.box is not None
    assert target.prompt.box.tolist() == [1, 2, 8, 9]
    assert target.prompt.points is not None


def test_a_box_of_one_pixel() -> None:
    """Indices are inclusive: the corners of a box may be one pixel, in a corner of the image too."""
    for text in ("1:2,1,2,1", "1:0,0,0,0", "1:15,11,15,11", "1:3,2,3,8"):
        (target,) = load_prompts(boxes=[text], video=Clip())
        assert target.prompt.box.tolist() == [int(v) for v in text[2:].split(",")]


def test_ids_above_254(tmp_path: Path) -> None:
    """Points, boxes and prompt files take ids of 16 bits."""
    file = tmp_path / "prompts.json"
    file.write_text('{"version": 1, "targets": [{"id": 65534, "box": [1, 2, 3, 4]}]}')
    targets = load_prompts(points=["300:1,1"], boxes=["60000:1,2,8,9"], prompt_files=[file])
    assert [target.object_id for target in targets] == [300, 60000, 65534]


def test_frame() -> None:
    """The frame is the one given, else the video's first, else 0."""
    assert [t.frame_index for t in load_prompts(points=["1:1,1"], frame=6, video=Clip())] == [6]
    assert [t.frame_index for t in load_prompts(points=["1:1,1"], video=Clip())] == [5]
    assert [t.frame_index for t in load_prompts(points=["1:1,1"])] == [0]


MALFORMED = [
    ("points", "3,4", "has no object id"),
    ("points", "x:3,4", "object id 'x' .* not a whole number"),
    ("points", "1.5:3,4", "object id '1.5'"),
    ("points", "0:3,4", "0 is the background; ids are 1 to 65534 without 255"),
    ("points", "255:3,4", "255 is void"),
    ("points", "65535:3,4", "out of range"),
    ("points", "1:3", "write ID:x,y"),
    ("points", "1:3,4,5", "write ID:x,y"),
    ("points", "1:3,4,+,-", "write ID:x,y"),
    ("points", "1:a,4", "coordinate 'a' .* not a number"),
    ("points", "1:nan,4", "outside the image"),
    ("points", "1:-3,4", "outside the image"),
    ("boxes", "1:1,2,3", "3 coordinates, not 4"),
    ("boxes", "1:9,2,3,8", "inverted.*did you mean 3,2,9,8"),
    ("boxes", "1:3,8,9,2", "inverted"),
    ("boxes", "0:1,1,3,3", "0 is the background"),
]


@pytest.mark.parametrize(("flag", "text", "message"), MALFORMED)
def test_malformed_flags(flag: str, text: str, message: str) -> None:
    """The message holds what was written and how to write it."""
    with pytest.raises(PromptError, match=message) as caught:
        load_prompts(**{flag: [text]})
    assert text in str(caught.value) or text.split(":")[0] in str(caught.value)


def test_nothing_given() -> None:
    """Without any prompt the ways to give one are listed."""
    with pytest.raises(PromptError, match=r"-m.*--point.*--box.*--prompts"):
        load_prompts()
    with pytest.raises(PromptError, match="frame -1 is negative"):
        load_prompts(points=["1:1,1"], frame=-1)


def test_contradictions(tmp_path: Path) -> None:
    """Two masks, boxes or names for one object in one frame are refused; in two frames they are fine."""
    mask = save_mask(tmp_path / "m.png", slice(0, 3))
    with pytest.raises(PromptError, match="two masks for object 1 in frame 0; give each object an id"):
        load_prompts(masks=[mask, mask])
    with pytest.raises(PromptError, match="two boxes for object 2"):
        load_prompts(boxes=["2:1,1,4,4", "2:2,2,5,5"])
    named = [{"id": 1, "name": name, "points": [[1, 1]]} for name in ("cat", "dog")]
    with pytest.raises(PromptError, match="two names for object 1 in frame 0: 'cat' and 'dog'"):
        load_prompts(prompt_files=[write_prompts(tmp_path, *named)])
    later = write_prompts(tmp_path, {"frame": 9, "mask": "m.png"})
    targets = load_prompts(masks=[mask], prompt_files=[later])
    assert [(t.frame_index, t.object_id) for t in targets] == [(0, 1), (9, 1)]


UNFIT = [
    ({"points": ["1:16,3"]}, "point 16,3 of object 1 .* 16x12: x is 0 to 15, y is 0 to 11"),
    ({"points": ["1:3,12"]}, "outside the image"),
    ({"boxes": ["3:2,2,30,5"]}, "reaches outside .* did you mean 3:2,2,15,5"),
    ({"boxes": ["3:20,2,30,5"]}, "reaches outside the image; the frames as read are 16x12$"),
]


@pytest.mark.parametrize(("prompts", "message"), UNFIT)
def test_prompts_outside_the_frames(prompts: dict[str, list[str]], message: str) -> None:
    """With the video at hand, what does not fit is refused before any work is done."""
    assert load_prompts(**prompts)
    with pytest.raises(PromptError, match=message):
        load_prompts(**prompts, video=Clip())


def test_last_pixel_and_exclusive_ends_fit() -> None:
    """The last pixel is inside, and so is a box that ends one past it, as other tools write it."""
    assert load_prompts(points=["1:15,11", "1:15.9,0"], boxes=["2:0,0,16,12"], video=Clip())


def test_mask_of_another_size(tmp_path: Path) -> None:
    """Both sizes are said."""
    path = save_mask(tmp_path / "m.png", slice(0, 3), size=(24, 32))
    with pytest.raises(PromptError, match=r"is 32x24 pixels, but the frames as read are 16x12.*--size 32x24"):
        load_prompts(masks=[path], video=Clip())


def test_prompt_file(tmp_path: Path) -> None:
    """Everything the flags can say, at any frame; masks are found beside the file."""
    (tmp_path / "masks").mkdir()
    save_mask(tmp_path / "masks" / "dog.png", slice(0, 3))
    save_mask(tmp_path / "both.png", slice(4, 6), 9)
    np.save(tmp_path / "stack.npy", np.stack([np.eye(4, dtype=bool), ~np.eye(4, dtype=bool)]))
    path = write_prompts(
        tmp_path,
        {"id": 3, "name": "dog", "mask": "masks/dog.png"},
        {"id": 2, "frame": 40, "box": [1, 2, 8, 9], "points": [[3, 4], [5, 6, "-"], [7, 8, "+"]]},
        {"id": 9, "frame": 41, "mask": "both.png"},
        {"frame": 42, "mask": "stack.npy"},
    )
    targets = load_prompts(prompt_files=[path], frame=7)
    assert [(t.frame_index, t.object_id, t.name) for t in targets] == [
        (7, 3, "dog"),
        (40, 2, None),
        (41, 9, None),
        (42, 1, None),
        (42, 2, None),
    ]
    assert targets[0].prompt.mask is not None
    assert targets[0].prompt.mask.sum() == 48
    box = targets[1].prompt
    assert box.box is not None
    assert box.points is not None
    assert box.labels is not None
    assert (box.box.tolist(), box.points.tolist()) == ([1, 2, 8, 9], [[3, 4], [5, 6], [7, 8]])
    assert box.labels.tolist() == [1, 0, 1]


BAD_FILES = [
    ("[]", "must hold an object"),
    ("{", "is not JSON"),
    ('{"targets": []}', 'has version None; write "version": 1'),
    ('{"version": 2, "targets": []}', "has version 2"),
    ('{"version": true, "targets": []}', "has version True"),
    ('{"version": 1}', '"targets" .* must be a list with at least one'),
    ('{"version": 1, "target": []}', 'unknown key "target" .* did you mean "targets"'),
    ('{"version": 1, "targets": [3]}', r"targets\[0\] of .* must be an object"),
    ('{"version": 1, "targets": [{"id": 1, "point": [[1, 2]]}]}', 'unknown key "point" .* "points"'),
    ('{"version": 1, "targets": [{"id": 1, "zzz": 1}]}', 'known: "id", "frame"'),
    ('{"version": 1, "targets": [{"id": 1}]}', 'needs a "mask", "points" or a "box"'),
    ('{"version": 1, "targets": [{"points": [[1, 2]]}]}', 'needs an "id"'),
    ('{"version": 1, "targets": [{"id": 0, "box": [1, 2, 3, 4]}]}', "0 is the background"),
    ('{"version": 1, "targets": [{"id": true, "box": [1, 2, 3, 4]}]}', "object id True"),
    ('{"version": 1, "targets": [{"id": 1, "frame": -1, "box": [1, 2, 3, 4]}]}', '"frame" .* got -1'),
    ('{"version": 1, "targets": [{"id": 1, "frame": 1.5, "box": [1, 2, 3, 4]}]}', "got 1.5"),
    ('{"version": 1, "targets": [{"id": 1, "name": 5, "box": [1, 2, 3, 4]}]}', '"name" .* got 5'),
    ('{"version": 1, "targets": [{"id": 1, "box": [1, 2, 3]}]}', r"must be \[x0, y0, x1, y1\]"),
    ('{"version": 1, "targets": [{"id": 1, "box": [5, 2, 3, 9]}]}', "inverted"),
    ('{"version": 1, "targets": [{"id": 1, "points": [1, 2]}]}', r"list of \[x, y\]"),
    ('{"version": 1, "targets": [{"id": 1, "points": [[1, 2, "x"]]}]}', r"list of \[x, y\]"),
    ('{"version": 1, "targets": [{"id": 1, "points": []}]}', r"list of \[x, y\]"),
    ('{"version": 1, "targets": [{"id": 1, "points": [[null, 2]]}]}', "None .* not a number"),
    ('{"version": 1, "targets": [{"id": 1, "mask": 3}]}', "relative to"),
    ('{"version": 1, "targets": [{"id": 1, "mask": "no.png"}]}', "there is no mask file .*no.png"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_bad_prompt_files(tmp_path: Path, text: str, message: str) -> None:
    """The message says where in which file, what is wrong, and what is allowed."""
    path = tmp_path / "prompts.json"
    path.write_text(text)
    with pytest.raises(PromptError, match=message) as caught:
        load_prompts(prompt_files=[path])
    assert str(tmp_path) in str(caught.value)


def test_prompt_file_asks_for_an_object_that_the_mask_lacks(tmp_path: Path) -> None:
    """Among several objects the id must occur; a single one is renamed."""
    np.save(tmp_path / "m.npy", np.array([[0, 1, 0, 2]]))
    with pytest.raises(PromptError, match="shows objects 1, 2, and not 3"):
        load_prompts(prompt_files=[write_prompts(tmp_path, {"id": 3, "mask": "m.npy"})])
    (target,) = load_prompts(prompt_files=[write_prompts(tmp_path, {"id": 2, "mask": "m.npy"})])
    assert target.prompt.mask is not None
    assert target.prompt.mask.tolist() == [[False, False, False, True]]


def test_missing_prompt_file(tmp_path: Path) -> None:
    """A missing file, and a folder in its place."""
    with pytest.raises(PromptError, match=r"there is no prompt file .*no.json"):
        load_prompts(prompt_files=[tmp_path / "no.json"])
    with pytest.raises(PromptError, match="cannot read the prompt file"):
        load_prompts(prompt_files=[tmp_path])


def test_every_source_refuses_nonsense() -> None:
    """Every source in the table raises PromptError for text that means nothing."""
    for source in TARGET_SOURCES.values():
        with pytest.raises(PromptError):
            load_prompts(**{source.parameter: ["no such thing"]})
    with pytest.raises(TypeError, match="'scribbles'"):
        load_prompts(scribbles=["a.png"])
