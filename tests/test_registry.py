"""One file and one entry in a registry are all that an extension takes."""

from __future__ import annotations

import math
import os.path
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from run_fakes import DriftingTracker
from vos_cli.class_options import class_options
from vos_cli.main import cli
from vos_cli.options import engine_options
from vos_cli.prompt_options import GivenPrompts, prompt_options

import vos
from vos.backbones.registry import BACKBONES, BackboneEntry
from vos.detectors.attention.registry import LANGUAGE_MODELS
from vos.detectors.base import Detection
from vos.detectors.registry import DETECTORS, DetectorEntry
from vos.errors import ModelError
from vos.evaluation.registry import METRICS, Metric
from vos.formats.format import Format
from vos.formats.records import RecordedVideo, RecordWriter
from vos.formats.registry import FORMATS
from vos.prompting.registry import TARGET_SOURCES, TargetSource
from vos.registry import load, unknown
from vos.testing import Scene, ScriptedBackbone, scene, write_images, write_labels
from vos.trackers.registry import TRACKERS, TrackerEntry

CLIP = scene("crossing", num_frames=4, size=(48, 64), seed=1)


class Still(DriftingTracker):
    """A tracker."""


def build_still(**options: Any) -> Still:
    """Builds it."""
    return Still()


def build_oracle(**options: Any) -> ScriptedBackbone:
    """Builds a backbone."""
    return ScriptedBackbone(CLIP)


class Centre:
    """A detector."""

    def detect(self, image: np.ndarray, names: list[str]) -> list[Detection]:
        """The box of object 1."""
        rows, columns = np.nonzero(CLIP.labels[0] == 1)
        box = int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())
        return [Detection(name, 0.75, box, None, None) for name in names]


def build_centre(**options: Any) -> Centre:
    """Builds it."""
    return Centre()


def parse_centre(text: str, frame: int) -> list[vos.Target]:
    """A prompt source: X,Y of object 1."""
    x, y = map(float, text.split(","))
    prompt = vos.Prompt(points=np.array([[x, y]], np.float32), labels=np.array([1]))
    return [vos.Target(1, prompt, frame)]


def agreement(truth: np.ndarray, prediction: np.ndarray, void: np.ndarray | None = None) -> float:
    """A metric: the share of pixels that are the same."""
    return float((truth == prediction).mean())


class CountWriter(RecordWriter):
    """A format: the number of frames."""

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """See :meth:`RecordWriter.assemble`."""
        out.write_text(str(sum(1 for _ in video.frames())))


@pytest.fixture
def commands() -> Iterator[None]:
    """Commands are imported anew, for their options are those of the registries; and not kept for others."""
    package = sys.modules["vos_cli"]
    before = {name: module for name, module in sys.modules.items() if name.startswith("vos_cli.")}
    for name in before:
        if name != "vos_cli.main":
            del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.startswith("vos_cli.")]:
        del sys.modules[name]
    sys.modules |= before
    for name, module in before.items():
        setattr(package, name.rpartition(".")[2], module)


@pytest.fixture(autouse=True)
def entries(commands: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of each kind."""
    here = __name__
    still = TrackerEntry(f"{here}:build_still", "run_fakes:no_settings", "of the tests", "none")
    monkeypatch.setitem(TRACKERS, "still", still)
    monkeypatch.setitem(BACKBONES, "oracle", BackboneEntry(f"{here}:build_oracle", "of the tests", "none"))
    monkeypatch.setitem(DETECTORS, "centre", DetectorEntry(f"{here}:build_centre", "of the tests"))
    monkeypatch.setitem(METRICS, "agreement", Metric(f"{here}:agreement", "of the tests"))
    source = TargetSource(f"{here}:parse_centre", "centres", ("--centre",), "X,Y", "Centre of object 1.")
    monkeypatch.setitem(TARGET_SOURCES, "centre", source)
    monkeypatch.setitem(sys.modules, "vos.formats.counting", sys.modules[here])
    monkeypatch.setitem(FORMATS, "count", Format("of the tests", "count.txt", "counting:CountWriter"))


@pytest.fixture
def clip(tmp_path: Path) -> Scene:
    """The frames in ``images``, the masks in ``davis/Annotations/480p/clip``."""
    write_images(CLIP, tmp_path / "images")
    write_labels(CLIP, tmp_path / "davis/Annotations/480p/clip")
    (tmp_path / "davis/ImageSets/2017").mkdir(parents=True)
    (tmp_path / "davis/ImageSets/2017/val.txt").write_text("clip\n")
    return CLIP


def test_references_lead_somewhere() -> None:
    """Every ``module:attribute`` of the registries of detectors, metrics and sources is there."""
    references = [entry.builder for entry in (*DETECTORS.values(), *TRACKERS.values(), *BACKBONES.values())]
    references += [entry.settings for entry in TRACKERS.values()]
    references += [entry.loader for entry in LANGUAGE_MODELS.values()]
    references += [entry.function for entry in METRICS.values()]
    references += [entry.parser for entry in TARGET_SOURCES.values()]
    assert all(callable(load(reference)) for reference in references)


def test_a_tracker_and_a_format(clip: Scene, tmp_path: Path) -> None:
    """``--model`` and ``--write`` take them, and the list of formats names one."""
    mask = tmp_path / "davis/Annotations/480p/clip/00000.png"
    arguments = ["track", tmp_path / "images", "-m", mask, "--model", "still", "--write", "count"]
    result = CliRunner().invoke(cli, [*map(str, arguments), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out/count.txt").read_text() == "4"
    assert "count" in CliRunner().invoke(cli, ["formats"]).output


def test_a_backbone_and_a_detector() -> None:
    """The functions on single images take both; a backbone stands for PerSAM over it."""
    result, names = vos.detect(CLIP.frames[0].image, ["ball"], detector="centre", backbone="oracle")
    assert names == {1: "ball"}
    assert np.array_equal(result.labels == 1, CLIP.labels[0] == 1)
    tracker = vos.load_tracker("oracle")
    first = tracker.start(CLIP.frames[0], [vos.Target(1, vos.Prompt(mask=CLIP.labels[0] == 1), 0)])
    assert np.array_equal(first.labels == 1, CLIP.labels[0] == 1)


def test_a_prompt_source() -> None:
    """It is an argument of ``load_prompts`` and a flag of the commands."""
    (target,) = vos.load_prompts(centres=["3,4"])
    assert target.prompt.points is not None
    assert target.prompt.points.tolist() == [[3, 4]]

    @click.command()
    @prompt_options
    def command(prompts: GivenPrompts) -> None:
        click.echo(prompts.load()[0].prompt.points)

    result = CliRunner().invoke(command, ["--centre", "3,4"])
    assert (result.exit_code, result.output) == (0, "[[3. 4.]]\n")
    assert "Centre of object 1." in CliRunner().invoke(command, ["--help"]).output


def test_a_metric(clip: Scene, tmp_path: Path) -> None:
    """It is a column of ``vos.evaluate_davis``."""
    folder = tmp_path / "davis/Annotations/480p"
    report = vos.evaluate_davis(folder, tmp_path / "davis", "2017/val", metrics=["agreement"])
    assert report.global_scores()["agreement-Mean"] == 1


def test_help_names_them() -> None:
    """The help of commands lists models and detectors from the registries."""

    @click.command()
    @engine_options(default="classical")
    @class_options
    def command(**flags: Any) -> None:
        raise NotImplementedError

    text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    for name in ("still", "oracle", "centre (of the tests)"):
        assert name in text


def test_a_reference_is_loaded() -> None:
    """Attributes of attributes, too."""
    assert load("math:hypot") is math.hypot
    assert load("os:path.join") is os.path.join
    with pytest.raises(AttributeError):
        load("math:nothing")


def test_an_unknown_name_gets_the_nearest_and_all() -> None:
    error = unknown(ModelError, "model", "clasical", ["classical", "nano", "classic"])
    assert isinstance(error, ModelError)
    assert str(error) == (
        "unknown model 'clasical'; did you mean classical or classic? choose one of classical, nano, classic"
    )
    assert str(unknown(ModelError, "model", "q", ["nano"])) == "unknown model 'q'; choose one of nano"
