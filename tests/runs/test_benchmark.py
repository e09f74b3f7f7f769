"""A whole data set tracked and scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from run_fakes import DriftingTracker
from vos_cli.main import cli

from vos.errors import EvaluationError, InterruptedRunError, OutputError, PromptError, SettingsError
from vos.evaluation.davis import evaluate_davis
from vos.formats.index_png import encode_index_png
from vos.frame import Frame
from vos.prompts import Target
from vos.results import FrameResult
from vos.runs import TrackSettings
from vos.runs.benchmark import BENCHMARK_SETTINGS, benchmark_davis, benchmark_vos
from vos.runs.benchmark_targets import first_targets, starting_targets
from vos.settings import override
from vos.testing import scene, write_images, write_labels
from vos.trackers.registry import TRACKERS, TrackerEntry

SETTINGS = override(BENCHMARK_SETTINGS, {"model": "drift", "checkpoint_every": 3})
LENGTHS = {"cat": 6, "dog": 8, "emu": 7}


class Engine(DriftingTracker):
    """Counts frames over all runs, and stops at one if told to."""

    tracked = 0
    stop_at: int | None = None

    def step(self, frame: Frame, prompts: Sequence[Target] = (), *, commit: bool = True) -> FrameResult:
        if Engine.tracked == Engine.stop_at:
            raise KeyboardInterrupt
        Engine.tracked += 1
        return super().step(frame, prompts, commit=commit)


def build_engine(**options: object) -> Engine:
    """The tracker, which has no options."""
    return Engine()


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        TRACKERS,
        "drift",
        TrackerEntry(f"{__name__}:build_engine", "run_fakes:no_settings", "of the tests", "included"),
    )
    monkeypatch.setattr(Engine, "tracked", 0)
    monkeypatch.setattr(Engine, "stop_at", None)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in the layout of DAVIS: 2017/val with ids, 2016/val with 0 and 255."""
    root = tmp_path_factory.mktemp("davis")
    for number, (name, length) in enumerate(LENGTHS.items()):
        clip = scene("crossing", num_frames=length, size=(40, 56), seed=number)
        write_images(clip, root / "JPEGImages/480p" / name, ".jpg")
        write_labels(clip, root / "Annotations/480p" / name)
        for frame, labels in zip(clip.frames, clip.labels, strict=True):
            grey = root / "Annotations/binary" / name / f"{frame.name}.png"
            grey.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.where(labels > 0, 255, 0).astype(np.uint8)).save(grey)
        (root / "JPEGImages/binary").mkdir(exist_ok=True)
        (root / "JPEGImages/binary" / name).symlink_to(root / "JPEGImages/480p" / name)
    for year in ("2016", "2017"):
        (root / "ImageSets" / year).mkdir(parents=True)
        (root / "ImageSets" / year / "val.txt").write_text("\n".join(LENGTHS) + "\n")
    return root


def pngs(folder: Path) -> dict[str, bytes]:
    """All masks below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def test_the_layout_is_that_of_a_submission(root: Path, tmp_path: Path) -> None:
    """A folder of masks per sequence, first frames included, equal to the annotation; a record each."""
    result = benchmark_davis(root, "2017/val", tmp_path / "out", SETTINGS)
    assert list(pngs(tmp_path / "out")) == [
        f"{s}/{n:05d}.png" for s, length in LENGTHS.items() for n in range(length)
    ]
    for name in LENGTHS:
        ours = np.array(Image.open(tmp_path / "out" / name / "00000.png"))
        truth = np.array(Image.open(root / "Annotations/480p" / name / "00000.png"))
        assert np.array_equal(ours, truth)
        record = json.loads((tmp_path / "out" / "runs" / f"{name}.json").read_text())
        assert record["counts"]["frames"] == LENGTHS[name]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*LENGTHS, "runs"}
    assert list(result.runs) == list(LENGTHS)


def test_the_numbers_are_the_evaluators(root: Path, tmp_path: Path) -> None:
    """The document is that of scoring the folder, with settings, times and runs added."""
    result = benchmark_davis(root, "2017/val", tmp_path / "out", SETTINGS).to_dict()
    scored = evaluate_davis(tmp_path / "out", root, "2017/val").to_dict()
    assert {key: result[key] for key in scored} == scored
    assert set(result) - set(scored) == {"seconds_per_frame", "settings", "runs"}
    assert result["settings"]["model"] == "drift"
    assert result["seconds_per_frame"] > 0
    assert [(run["sequence"], run["frames"], run["objects"]) for run in result["runs"]] == [
        (name, length, 2) for name, length in LENGTHS.items()
    ]


def test_masks_of_0_and_255_are_one_object(root: Path, tmp_path: Path) -> None:
    """In a 2016 set whatever is not background is object 1, in the masks written as well."""
    result = benchmark_davis(root, "2016/val", tmp_path / "out", SETTINGS, resolution="binary")
    assert [row.object for row in result.report.objects] == [1, 1, 1]
    first = np.array(Image.open(tmp_path / "out" / "cat" / "00000.png"))
    truth = np.array(Image.open(root / "Annotations/binary/cat/00000.png"))
    assert np.array_equal(first * 255, truth)


def test_some_sequences(root: Path, tmp_path: Path) -> None:
    """Only the sequences asked for are tracked and scored; unknown ones are refused."""
    result = benchmark_davis(root, "2017/val", tmp_path / "out", SETTINGS, sequences=["emu", "cat"])
    assert list(result.runs) == ["cat", "emu"]
    assert {row.sequence for row in result.report.objects} == {"cat", "emu"}
    with pytest.raises(EvaluationError, match="cow"):
        benchmark_davis(root, "2017/val", tmp_path / "other", SETTINGS, sequences=["cow"])


@pytest.mark.parametrize("stop_at", [0, 4, 9, 17])
def test_stopped_and_gone_on_with(root: Path, tmp_path: Path, stop_at: int) -> None:
    """Stopped anywhere, --resume ends with the same masks and does not track finished sequences again."""
    benchmark_davis(root, "2017/val", tmp_path / "whole", SETTINGS)
    Engine.tracked, Engine.stop_at = 0, stop_at
    with pytest.raises(InterruptedRunError):
        benchmark_davis(root, "2017/val", tmp_path / "out", SETTINGS)
    Engine.stop_at = None
    result = benchmark_davis(root, "2017/val", tmp_path / "out", SETTINGS, resume=True)
    assert pngs(tmp_path / "out") == pngs(tmp_path / "whole")
    assert not (tmp_path / "out" / ".work").exists()
    assert Engine.tracked < sum(LENGTHS.values())
    assert result.runs["dog"].frames == LENGTHS["dog"]
    Engine.tracked = 0
    benchmark_davis(root, "2017/val", tmp_path / "out", SETTINGS, resume=True)
    assert Engine.tracked == 0


def test_results_are_not_mixed(root: Path, tmp_path: Path) -> None:
    """Results that are there are refused before any frame is tracked, unless a flag says what to do."""
    benchmark_davis(root, "2017/val", tmp_path / "out", SETTINGS, sequences=["emu"])
    Engine.tracked = 0
    with pytest.raises(OutputError, match="results of 1 of the 3 sequences, such as emu: give --resume"):
        benchmark_davis(root, "2017/val", tmp_path / "out", SETTINGS)
    assert Engine.tracked == 0
    other = override(SETTINGS, {"checkpoint_every": 4})
    with pytest.raises(OutputError, match=r"settings\.checkpoint_every was 3, is 4"):
        benchmark_davis(root, "2017/val", tmp_path / "out", other, sequences=["emu"], resume=True)
    benchmark_davis(root, "2017/val", tmp_path / "out", other, overwrite=True)
    assert len(pngs(tmp_path / "out")) == sum(LENGTHS.values())


def test_several_processes(root: Path, tmp_path: Path) -> None:
    """With two processes the masks and numbers are those of one, and errors come through."""
    tiny = {"iterations": 5, "samples": 100, "views": 1, "hidden": [4, 4]}
    settings = override(BENCHMARK_SETTINGS, {"tracker": {"appearance": tiny}})
    done: list[str] = []
    one = benchmark_davis(root, "2017/val", tmp_path / "one", settings)
    two = benchmark_davis(
        root,
        "2017/val",
        tmp_path / "two",
        settings,
        jobs=2,
        progress=lambda name, progress: done.append(name),
    )
    assert pngs(tmp_path / "two") == pngs(tmp_path / "one")
    assert two.report.to_dict() == one.report.to_dict()
    assert list(two.runs) == list(LENGTHS)
    assert sorted(done) == sorted(LENGTHS)
    with pytest.raises(SettingsError, match="unknown setting 'pixel'"):
        benchmark_davis(
            root, "2017/val", tmp_path / "x", override(BENCHMARK_SETTINGS, {"tracker": {"pixel": 1}}), jobs=2
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stride": 2}, "setting stride is 2"),
        ({"end": 5}, "setting end is 5"),
        ({"size": 20}, "setting size is 20"),
        ({"outputs": ["coco"]}, "lacks masks"),
    ],
)
def test_all_frames_are_tracked(root: Path, tmp_path: Path, values: dict[str, Any], message: str) -> None:
    """Settings that leave frames out, change their size or write no masks are refused."""
    with pytest.raises(SettingsError, match=message):
        benchmark_davis(root, "2017/val", tmp_path / "out", override(SETTINGS, values))


def test_first_targets(tmp_path: Path) -> None:
    """Ids are kept, void is background, an annotation without objects is refused."""
    labels = np.array([[0, 3, 255], [7, 3, 0]], np.uint8)
    (tmp_path / "a.png").write_bytes(encode_index_png(labels))
    targets = first_targets(tmp_path / "a.png", one_object=False)
    assert [target.object_id for target in targets] == [3, 7]
    assert targets[0].prompt.mask is not None
    assert targets[0].prompt.mask.tolist() == [[False, True, False], [False, True, False]]
    (one,) = first_targets(tmp_path / "a.png", one_object=True)
    assert one.prompt.mask is not None
    assert one.prompt.mask.sum() == 4
    (tmp_path / "b.png").write_bytes(encode_index_png(np.full((2, 2), 255, np.uint8)))
    with pytest.raises(PromptError, match=r"b\.png shows no object"):
        first_targets(tmp_path / "b.png", one_object=False)


def test_the_command(root: Path, tmp_path: Path) -> None:
    """``vos benchmark davis``: a table on stdout, or with --json - the document alone; a file besides."""
    (tmp_path / "recipe.yaml").write_text("model: drift\n")
    usual = ["benchmark", "davis", str(root), "--set", "2017/val", "--config", str(tmp_path / "recipe.yaml")]
    result = CliRunner().invoke(
        cli,
        [
            *usual,
            "-o",
            str(tmp_path / "out"),
            "--json",
            str(tmp_path / "scores.json"),
            "--sequences",
            "cat, dog",
        ],
    )
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert "mean of objects" in result.stdout
    assert "14 frames, " in result.stdout
    document = json.loads((tmp_path / "scores.json").read_text())
    assert document["global"]["J-Mean"] == pytest.approx(
        np.mean([r["J-Mean"] for r in document["per_sequence"]])
    )
    again = CliRunner().invoke(cli, [*usual, "-o", str(tmp_path / "out"), "--json", "-", "--resume"])
    assert set(json.loads(again.stdout)) == set(document)
    refused = CliRunner().invoke(cli, [*usual, "-o", str(tmp_path / "out")])
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    for flag, value, reason in (
        ("--memory", "samurai", "classical is none"),
        ("--features", "dinov2-s", "compares"),
    ):
        flags = ["--model", "classical", flag, value, "-o", str(tmp_path / "other")]
        unfit = CliRunner().invoke(cli, [*usual, *flags])
        assert unfit.exit_code == 2
        assert reason in unfit.stderr


def test_settings_are_those_of_a_run() -> None:
    """A benchmark differs from a run in its outputs alone."""
    assert override(BENCHMARK_SETTINGS, {"outputs": ["masks", "overlay", "coco"]}) == TrackSettings()


@pytest.mark.parametrize("late", [1, 2])
def test_a_late_object_starts_at_its_first_annotated_frame(root: Path, tmp_path: Path, late: int) -> None:
    """Nothing of it is in the frames before, and it is scored after its first."""
    data = tmp_path / "data"
    (data / "ImageSets/2017").mkdir(parents=True)
    (data / "ImageSets/2017/val.txt").write_text("dog\n")
    (data / "JPEGImages/480p").mkdir(parents=True)
    (data / "JPEGImages/480p/dog").symlink_to(root / "JPEGImages/480p/dog")
    folder = data / "Annotations/480p/dog"
    folder.mkdir(parents=True)
    for index in range(LENGTHS["dog"]):
        labels = np.array(Image.open(root / f"Annotations/480p/dog/{index:05d}.png"))
        if index < 3:
            labels[labels == late] = 0
        (folder / f"{index:05d}.png").write_bytes(encode_index_png(labels))
    result = benchmark_davis(data, "2017/val", tmp_path / "out", SETTINGS)
    for index in range(LENGTHS["dog"]):
        ours = np.array(Image.open(tmp_path / f"out/dog/{index:05d}.png"))
        assert (late in ours) == (index >= 3), index
        if index == 3:
            truth = np.array(Image.open(folder / "00003.png"))
            assert np.array_equal(ours == late, truth == late)
    rows = {row.object: row for row in result.report.objects}
    assert rows[late].frames == tuple(range(4, LENGTHS["dog"] - 1))
    assert rows[3 - late].frames == tuple(range(1, LENGTHS["dog"] - 1))


def test_a_set_in_the_layout_of_youtube_vos(root: Path, tmp_path: Path) -> None:
    """Images of all frames, annotations of every second one, a late object: tracked, written and scored."""
    data, images = tmp_path / "data", tmp_path / "data/JPEGImages"
    images.mkdir(parents=True)
    (images / "dog").symlink_to(root / "JPEGImages/480p/dog")
    folder = data / "Annotations/dog"
    folder.mkdir(parents=True)
    for index in range(0, LENGTHS["dog"], 2):
        labels = np.array(Image.open(root / f"Annotations/480p/dog/{index:05d}.png"))
        labels[labels == 2] = 0 if index < 4 else 2
        (folder / f"{index:05d}.png").write_bytes(encode_index_png(labels))
    result = benchmark_vos(data, "youtube-vos", tmp_path / "out", SETTINGS)
    assert [(t.object, t.frames) for t in result.report.tracks] == [
        (1, ("00002", "00004", "00006")),
        (2, ("00006",)),
    ]
    for index in range(LENGTHS["dog"]):
        assert (2 in np.array(Image.open(tmp_path / f"out/dog/{index:05d}.png"))) == (index >= 4)
    assert "youtube-vos" in result.table()


def test_a_set_in_the_layout_of_sa_v(tmp_path: Path) -> None:
    """Images of all frames, a PNG per object and fourth frame; worked by hand.

    The tracker moves every object by a pixel per frame. Object 000 stands still: of 10 columns 6 are met in
    frame 4, J = 60 / 140, and 2 in frame 8, J = 20 / 180. Object 001 is first seen in frame 4, where it is
    given, and moves as the tracker says. The first and the last annotated frame, 0 and 12, are not scored.
    """
    data = tmp_path / "data"
    for index in range(13):
        image = data / f"JPEGImages_24fps/v/{index:05d}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 60), (index, 90, 90)).save(image)
    for index in (0, 4, 8, 12):
        still, moving = np.zeros((2, 60, 80), np.uint8)
        still[10:20, 10:20] = 1
        if index >= 4:
            moving[30:50, 20 + index : 30 + index] = 1
        for name, mask in (("000", still), ("001", moving)):
            file = data / f"Annotations_6fps/v/{name}/{index:05d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask * 255).save(file)
    out = tmp_path / "out"
    result = benchmark_vos(data, "sa-v", out, SETTINGS)
    still_scores, moving_scores = result.report.tracks
    assert (still_scores.object, still_scores.frames) == (0, ("00004", "00008"))
    assert still_scores.j == pytest.approx((60 / 140 + 20 / 180) / 2)
    assert (moving_scores.object, moving_scores.frames) == (1, ("00004", "00008"))
    assert (moving_scores.j, moving_scores.f) == (1.0, 1.0)
    assert {path.relative_to(out / "v").as_posix() for path in (out / "v").rglob("*.png")} == {
        f"{name}/{index:05d}.png" for name in ("000", "001") for index in range(13)
    }
    written = np.array(Image.open(out / "v/001/00006.png"))
    assert np.unique(written).tolist() == [0, 1]
    assert np.flatnonzero(written.any(axis=0)).tolist() == list(range(26, 36))
    assert not np.array(Image.open(out / "v/001/00003.png")).any()
    with pytest.raises(OutputError, match="--resume"):
        benchmark_vos(data, "sa-v", out, SETTINGS)
    (out / "v" / "notes.txt").write_text("mine")
    for flags in ({"resume": True}, {"overwrite": True}):
        again = benchmark_vos(data, "sa-v", out, SETTINGS, **flags)
        assert again.report.global_scores() == result.report.global_scores()
        assert (out / "v" / "notes.txt").read_text() == "mine"
    (data / "Annotations_6fps/v/x").mkdir()
    with pytest.raises(EvaluationError, match="x is not named by an object's number"):
        benchmark_vos(data, "sa-v", tmp_path / "out2", SETTINGS)


def test_masks_of_2016_in_a_set_with_ids(tmp_path: Path) -> None:
    """255 is void there: the message says which sets such masks belong to."""
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 2:5] = 255
    Image.fromarray(mask).save(tmp_path / "00000.png")
    with pytest.raises(PromptError, match=r"no object to follow; .* for 2016 sets only"):
        starting_targets([tmp_path / "00000.png"], ["00000"], one_object=False)
    assert starting_targets([tmp_path / "00000.png"], ["00000"], one_object=True)
