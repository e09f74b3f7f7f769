"""A run that is told class names: where it begins, who joins later, who keeps which id."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from run_fakes import DriftingTracker, SceneReader, files
from scripted_detector import ScriptedDetector

from vos.errors import InterruptedRunError, PromptError
from vos.prompting.class_names import ClassNames, ClassSettings
from vos.runs import Progress, TrackSettings, track_video
from vos.scenes.shapes import Path as Way
from vos.scenes.shapes import line
from vos.testing import Scene, ScriptedBackbone, ScriptedTracker, Shape, scene
from vos.video.selection import Video

COUNT = 24
NAMES = {1: "dog", 2: "cat", 3: "dog"}
AWAY = (-100.0, -100.0)


def between(first: int, last: int, x: float, y: float) -> Way:
    """In sight from frame ``first`` up to ``last``."""
    return lambda t: (x, y) if first <= t < last else AWAY


@pytest.fixture(scope="module")
def clip() -> Scene:
    """Nobody before frame 7; 1 from there on, not in 12 to 17; 2 from frame 9, and 3 from frame 13 on."""
    shapes = (
        Shape(1, lambda t: AWAY if t < 7 or 12 <= t < 18 else (12.0, 20.0), 7, "disc"),
        Shape(2, between(9, COUNT, 34.0, 20.0), 6, "box", colour=(60, 80, 200)),
        Shape(3, between(13, COUNT, 54.0, 20.0), 6, "disc", colour=(60, 200, 90)),
    )
    return scene(shapes, num_frames=COUNT, size=(40, 66), camera=line((0, 0), (0.7, 0.3)))


class Run:
    """``track_video`` over the clip with everything scripted."""

    def __init__(self, clip: Scene, folder: Path) -> None:
        self.clip = clip
        self.folder = folder
        (folder / "clip.mkv").write_bytes(b"not really a video")
        self.tracker: Any = ScriptedTracker(clip)
        self.detector = ScriptedDetector(clip, NAMES)
        self.reader = SceneReader(clip, folder / "clip.mkv")
        self.progress: list[Progress] = []

    def __call__(
        self, *names: str, out: str = "out", selection: Mapping[str, Any] | None = None, **classes: Any
    ) -> dict[str, Any]:
        """The record of the run."""
        resume = classes.pop("resume", False)
        selection = dict(selection or {})
        settings = TrackSettings(
            checkpoint_every=5,
            outputs=("masks", "coco"),
            classes=ClassSettings(**{"search_every": 4, **classes}),
            **selection,
        )
        track_video(
            Video(self.reader, **selection),
            ClassNames(names),
            self.folder / out,
            settings,
            tracker=self.tracker,
            backbone=ScriptedBackbone(self.clip),
            detector=self.detector,
            resume=resume,
            progress=self.progress.append,
        )
        record: dict[str, Any] = json.loads((self.folder / out / "run.json").read_text())
        return record

    def labels(self, index: int, out: str = "out") -> np.ndarray:
        """The mask written for a frame."""
        return np.array(Image.open(self.folder / out / "masks" / f"{index:05d}.png"))


@pytest.fixture
def run(clip: Scene, tmp_path: Path) -> Run:
    """A run."""
    return Run(clip, tmp_path)


def test_the_first_frame_is_searched_for(run: Run, clip: Scene) -> None:
    """Every fourth frame, then the frames just before the first find: the run begins where it appears."""
    record = run("dog")
    assert [index for index, _ in run.detector.asked] == [0, 4, 8, 5, 6, 7]
    assert record["found"] == {"1": {"name": "dog", "frame": 7, "score": 0.9}}
    assert not run.labels(6).any()
    assert np.array_equal(run.labels(7) == 1, clip.labels[7] == 1)
    assert {p.stage for p in run.progress} == {"search", "forward"}


def test_names_are_kept(run: Run) -> None:
    """In run.json and as categories; ids follow the order in which classes are named."""
    record = run("cat", "dog", search_every=20, selection={"start": 9})
    assert record["names"] == {"1": "cat", "2": "dog"}
    coco = json.loads((run.folder / "out" / "annotations.json").read_text())
    assert [c["name"] for c in coco["categories"]] == ["cat", "dog"]
    assert [(t["id"], t["name"]) for t in coco["tracks"]] == [(1, "cat"), (2, "dog")]
    assert record["targets"] == {"classes": ["cat", "dog"]}


def test_a_class_that_comes_later_is_searched_for_on(run: Run, clip: Scene) -> None:
    """The run begins with what is there; what is missing joins at the next look, and only that."""
    record = run("dog", "cat")
    assert record["found"]["1"]["frame"] == 7
    assert record["found"]["2"] == {"name": "cat", "frame": 12, "score": 0.9}
    assert record["counts"]["objects"] == [1, 2]
    assert [index for index, _ in run.detector.asked][-1] == 12
    assert np.array_equal(run.labels(12) == 2, clip.labels[12] == 2)


def test_new_objects_are_picked_up(run: Run) -> None:
    """Every third frame from the beginning on; a tracked one keeps its id and its mask."""
    record = run("dog", "cat", detect_every=3, reidentify=False)
    assert {k: (v["name"], v["frame"]) for k, v in record["found"].items()} == {
        "1": ("dog", 7),
        "2": ("cat", 10),
        "3": ("dog", 13),
    }
    assert record["counts"]["objects"] == [1, 2, 3]


def test_a_lost_object_comes_back_as_itself(run: Run, clip: Scene) -> None:
    """A dog out of sight that is found again keeps its id; without reseeding it is a new one."""
    late = np.arange(COUNT)[:, None, None] >= 12
    run.tracker = ScriptedTracker(np.where(late, 0, clip.labels))  # loses object 1 for good
    run.detector = ScriptedDetector(clip, {1: "dog"})
    record = run("dog", detect_every=3)
    assert list(record["found"]) == ["1"]
    assert [(entry["id"], entry["frame"]) for entry in record["returned"]] == [(1, 19), (1, 22)]
    assert np.array_equal(run.labels(19) == 1, clip.labels[19] == 1)
    record = run("dog", detect_every=3, reidentify=False, out="anew")
    assert [entry["frame"] for entry in record["found"].values()] == [7, 19, 22]
    assert record["returned"] == []


def test_no_more_than_asked_for(run: Run, clip: Scene) -> None:
    """With one dog at a time the second dog is nobody while the first is in sight."""
    run.detector = ScriptedDetector(clip, NAMES, score={3: 0.95})
    record = run("dog", detect_every=1, instances=1, reidentify=False, selection={"start": 7, "end": 12})
    assert record["names"] == {"1": "dog"}
    # The other dog is the better one from frame 13 on; it is followed once the first is out of sight.
    record = run("dog", detect_every=1, instances=1, reidentify=False, selection={"start": 7}, out="longer")
    assert record["found"]["2"]["frame"] == 13
    assert list(record["found"]) == ["1", "2"]


@pytest.mark.parametrize(
    ("points", "settings", "dogs"),
    [(True, {}, 1), (True, {"new_track": 0.7}, 2), (False, {}, 2)],
)
def test_a_newcomer_is_as_sure_as_the_first(
    run: Run, clip: Scene, points: bool, settings: dict[str, float], dogs: int
) -> None:
    """Where attention is read a new track needs nine tenths of its class's best score; a box needs none."""
    run.detector = ScriptedDetector(clip, NAMES, score={1: 0.9, 3: 0.7}, points=points)
    record = run("dog", "cat", detect_every=3, **settings)
    assert sorted(record["names"].values()) == ["cat", *["dog"] * dogs]


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (("bird",), {}, "found no 'bird' in frames 0 to 23, looking at every 4th"),
        (("dog", "bird"), {"search_frames": 5}, "found no 'dog' or 'bird' in frames 0 to 4"),
        (("dog",), {"min_score": 0.95}, "--min-score"),
        (("unheard of",), {}, "lacks 'unheard of'"),
    ],
)
def test_nothing_found(run: Run, names: tuple[str, ...], settings: dict[str, Any], message: str) -> None:
    """Nowhere in the frames searched, or not to be known: an error that says so, and nothing is left."""
    with pytest.raises(PromptError, match=message) as caught:
        run(*names, **settings)
    assert caught.value.exit_code == 2
    assert not (run.folder / "out").exists()


def test_a_class_never_found_is_a_warning(run: Run) -> None:
    """The others are followed all the same."""
    record = run("dog", "bird")
    assert record["warnings"] == ["found no 'bird'"]
    assert record["names"] == {"1": "dog"}  # looking for birds brought no other dog


@pytest.mark.parametrize("stop", [3, 8, 11, 14, 20])
def test_a_stopped_run_goes_on(run: Run, clip: Scene, stop: int) -> None:
    """To the byte, whenever it was stopped, without searching again once a checkpoint is there."""
    run.tracker = DriftingTracker()
    run("dog", "cat", out="whole", detect_every=3)
    run.tracker = DriftingTracker()
    reads = []

    def interrupt(progress: Progress) -> None:
        reads.append(progress)
        if progress.stage == "forward" and progress.done == stop:
            raise KeyboardInterrupt

    run.progress = type("Stop", (), {"append": staticmethod(interrupt)})()
    with pytest.raises(InterruptedRunError):
        run("dog", "cat", detect_every=3)
    run.progress, run.detector, run.tracker = [], ScriptedDetector(clip, NAMES), DriftingTracker()
    run("dog", "cat", detect_every=3, resume=True)
    assert ("search" in {p.stage for p in run.progress}) == (stop < 5)
    assert files(run.folder / "out") == files(run.folder / "whole")


def test_other_names_are_another_run(run: Run) -> None:
    """--resume with other classes or another pace is refused, naming the difference."""
    from vos.errors import OutputError

    run("dog")
    with pytest.raises(OutputError, match="classes"):
        run("cat", resume=True)
    with pytest.raises(OutputError, match="detect_every"):
        run("dog", detect_every=5, resume=True)


def test_stride_counts_frames_that_are_read(run: Run) -> None:
    """With every second frame read, looking at every fourth means every eighth of the video."""
    record = run("dog", selection={"stride": 2})
    assert [index for index, _ in run.detector.asked] == [0, 8, 2, 4, 6]
    assert record["found"]["1"]["frame"] == 8


def test_settings_are_checked() -> None:
    """Values out of range."""
    for bad in (
        {"instances": 0},
        {"detect_every": 0},
        {"same_object": 0.0},
        {"min_score": 1.5},
        {"new_track": 2.0},
    ):
        with pytest.raises(ValueError, match=next(iter(bad))):
            dataclasses.replace(ClassSettings(), **bad)


@pytest.mark.parametrize(
    ("names", "message"),
    [((), "no class"), (("dog", " "), "empty"), (("dog", "Dog "), "'dog' is named twice")],
)
def test_names_are_checked(names: tuple[str, ...], message: str) -> None:
    """None, an empty one, and one named twice."""
    with pytest.raises(PromptError, match=message):
        ClassNames(names)


def test_tracks_keep_their_pixels(run: Run, clip: Scene) -> None:
    """A new object gets what is left of its mask where a track lies."""
    labels = clip.labels.copy()
    third = (labels == 2) & (np.arange(labels.shape[2]) < 32)
    labels[third] = 1
    run.tracker = ScriptedTracker(labels)
    run("dog", "cat", detect_every=3, reidentify=False)
    assert third[10].any()
    assert np.array_equal(run.labels(10) == 1, labels[10] == 1)
    assert np.array_equal(run.labels(10) == 2, labels[10] == 2)


def test_looking_is_not_a_step(run: Run, clip: Scene) -> None:
    """To compare finds with tracks the engine looks ahead, and goes back: an object drifts once a frame."""
    run.tracker, run.detector = DriftingTracker(), ScriptedDetector(clip, {1: "dog"}, blind=range(9, COUNT))
    run("dog", detect_every=1)
    first = clip.labels[7] == 1
    for index in (8, 10, 15):
        assert np.array_equal(run.labels(index) == 1, np.roll(first, index - 7, axis=1))


def test_a_stopped_run_remembers_where_objects_were(run: Run, clip: Scene) -> None:
    """A dog lost before the stop is told from another one, after it, by where it was seen last."""

    def fresh() -> None:
        lost = (np.arange(COUNT)[:, None, None] >= 9) & np.isin(clip.labels, (1, 3))
        run.tracker = ScriptedTracker(np.where(lost, 0, clip.labels))
        run.detector = ScriptedDetector(clip, NAMES)

    fresh()
    assert run("dog", out="whole", detect_every=6)["returned"]

    def interrupt(progress: Progress) -> None:
        if progress.stage == "forward" and progress.done == 13:
            raise KeyboardInterrupt

    fresh()
    run.progress = type("Stop", (), {"append": staticmethod(interrupt)})()
    with pytest.raises(InterruptedRunError):
        run("dog", detect_every=6)
    fresh()
    run.progress = []
    run("dog", detect_every=6, resume=True)
    assert files(run.folder / "out") == files(run.folder / "whole")


def test_exemplars_are_shown_in_their_frame(run: Run, clip: Scene) -> None:
    """The run begins there; other frames are searched by name alone; not every detector takes boxes."""
    from vos.detectors.base import Exemplar

    shown: dict[int, tuple[Exemplar, ...]] = {}

    class WithBoxes(ScriptedDetector):
        takes_exemplars = True

        def detect(self, image: Any, names: Any, exemplars: Any = ()) -> Any:
            found = super().detect(image, names)
            shown[self.asked[-1][0]] = tuple(exemplars)
            return found

    box = Exemplar("dog", (5, 13, 19, 27))
    asked = ClassNames(("dog",), (box,), 9)
    settings = TrackSettings(outputs=("masks",), classes=ClassSettings(detect_every=3))
    video = Video(run.reader)
    detector = WithBoxes(clip, NAMES)
    backbone = ScriptedBackbone(clip)
    track_video(
        video, asked, run.folder / "out", settings, tracker=run.tracker, backbone=backbone, detector=detector
    )
    record = json.loads((run.folder / "out" / "run.json").read_text())
    assert record["found"]["1"]["frame"] == 9
    assert record["targets"]["exemplars"] == [{"name": "dog", "box": [5, 13, 19, 27], "positive": True}]
    assert shown[9] == (box,)
    assert not any(boxes for index, boxes in shown.items() if index != 9)
    settings = dataclasses.replace(settings, start=5)
    for wrong, message in (
        (run.detector, "a detector that takes them"),
        (detector, "frame 2, which is not read"),
    ):
        asked = ClassNames(("dog",), (box,), 2)
        with pytest.raises(PromptError, match=message):
            track_video(
                video,
                asked,
                run.folder / "no",
                settings,
                tracker=run.tracker,
                backbone=backbone,
                detector=wrong,
            )
