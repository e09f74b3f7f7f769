"""``vos track --class`` from the command line to named tracks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from detectors.random_blip import save_random_blip
from detectors.tiny_detectors import SAVED
from detectors.tiny_vlm import tiny_llava
from PIL import Image
from safetensors.torch import load_file, save_file
from scripted_detector import ScriptedDetector
from vos_cli.main import cli

from vos.detectors import open_vocabulary
from vos.detectors.attention.tuning import save_tuned
from vos.detectors.synthetic.detector import load_synthetic
from vos.detectors.synthetic.world import world_scene
from vos.detectors.vl_sam import vlm
from vos.detectors.vl_sam.vlm import VisionLanguageModel
from vos.evaluation import region_similarity
from vos.scenes.shapes import line, shuttle
from vos.testing import Scene, Shape, scene, write_images

COUNT = 12
NAMES = {1: "star", 2: "ball"}


@pytest.fixture(scope="module")
def clip() -> Scene:
    """A star from the start, and a ball that comes in from the left in frame 4."""
    shapes = (
        Shape(1, shuttle((100, 40), (112, 50), 24), 16, "star", colour=(196, 70, 56)),
        Shape(2, lambda t: (-80 if t < 4 else 36 + t, 50.0), 15, "disc", colour=(58, 92, 190)),
    )
    return scene(shapes, num_frames=COUNT, size=(90, 140), seed=3, camera=line((0, 0), (0.6, 0.2)))


@pytest.fixture(scope="module")
def frames(clip: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip as a folder of images."""
    folder = tmp_path_factory.mktemp("clip")
    write_images(clip, folder)
    return folder


@pytest.fixture
def scripted(clip: Scene, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The detector "owlv2" knows the clip by heart; the options it was built with."""
    built: list[dict[str, object]] = []

    def build(**options: object) -> ScriptedDetector:
        built.append(options)
        return ScriptedDetector(clip, NAMES, points=True)

    monkeypatch.setattr(open_vocabulary, "load_owlv2", build)
    return built


def run(*arguments: object) -> Result:
    """``vos track ARGUMENTS``."""
    return CliRunner().invoke(cli, ["track", *map(str, arguments)])


def test_names_to_tracks(
    frames: Path, clip: Scene, scripted: list[dict[str, object]], tmp_path: Path
) -> None:
    """Two classes, one of which comes later: named tracks that follow the truth, with the built-in engine."""
    out = tmp_path / "out"
    names = ("--class", "ball", "--class", "star", "--detector", "owlv2")
    result = run(frames, *names, "--detect-every", 4, "--min-score", 0.5, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert "names:    1 star, 2 ball" in result.stdout
    assert scripted == [{"weights": None, "min_score": 0.5, "device": "cpu"}]
    record = json.loads((out / "run.json").read_text())
    assert {k: v["frame"] for k, v in record["found"].items()} == {"1": 0, "2": 4}
    assert record["settings"]["classes"]["detector"] == "owlv2"
    assert record["settings"]["classes"]["detect_every"] == 4
    for index in (0, 5, COUNT - 1):
        labels = np.array(Image.open(out / "masks" / f"{index:05d}.png"))
        for object_id in (1, 2):
            truth = clip.labels[index] == object_id
            union = ((labels == object_id) | truth).sum()
            if union:
                assert ((labels == object_id) & truth).sum() / union > 0.75, (index, object_id)


def test_going_on_after_it_is_done(frames: Path, scripted: list[dict[str, object]], tmp_path: Path) -> None:
    """--resume of a finished run finds it finished; without it, or with other classes, it is refused."""
    command = (
        frames,
        "--class",
        "star",
        "--detector",
        "owlv2",
        "--end",
        3,
        "--no-overlay",
        "-o",
        tmp_path / "out",
    )
    assert run(*command).exit_code == 0
    assert run(*command, "--resume").exit_code == 0
    assert run(*command).exit_code == 2
    other = run(*command, "--resume", "--class", "ball")
    assert (other.exit_code, "classes" in other.stderr) == (2, True)


def test_going_on_with_other_tuned_weights(tmp_path: Path) -> None:
    """Weights that were tuned anew are others, though their file has the same name."""
    world = world_scene(1_600_002, size=(96, 128), num_frames=2, names=("blue circle",))
    write_images(world.scene, tmp_path / "frames")
    matcher, tuned = load_synthetic(), tmp_path / "tuned.safetensors"
    save_tuned(tuned, matcher, (0, 3), ("blue circle",))
    command = (tmp_path / "frames", "--class", "blue circle", "--detector", "synthetic", "--tuned", tuned)
    assert run(*command, "--no-overlay", "-o", tmp_path / "out").exit_code == 0
    with torch.no_grad():
        matcher.model.text_encoder.encoder.layer[0].crossattention.self.query.bias.add_(1)
    save_tuned(tuned, matcher, (0, 3), ("blue circle",))
    other = run(*command, "--no-overlay", "-o", tmp_path / "out", "--resume")
    assert (other.exit_code, "tuned.sha256" in other.stderr) == (2, True), other.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--class", "bird"), 2, "found no 'bird' in frames 0 to 11"),
        (("--class", "unheard of"), 2, "lacks 'unheard of'"),
        (("--class", "star", "--class", "star"), 2, "named twice"),
        (("--class", "star", "--box", "1:1,1,9,9"), 2, "cannot be combined"),
        (("--class", "star", "--detect-every", "0"), 2, "x>=1"),
    ],
)
def test_mistakes(
    frames: Path,
    scripted: list[dict[str, object]],
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    """One message and exit code 2; nothing is left behind."""
    result = run(frames, "--detector", "owlv2", *arguments, "-o", tmp_path / "out")
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("detector", ["blip", "vlm", "grounding-dino", "owlv2"])
def test_weights_that_are_not_there(frames: Path, tmp_path: Path, detector: str) -> None:
    """Exit code 4, with what to fetch and where to put it, before anything is written."""
    nowhere = ("--detector", detector, "--detector-weights", tmp_path)
    result = run(frames, "--class", "dog", *nowhere, "-o", tmp_path / "out")
    assert result.exit_code == 4, result.stderr
    assert "hf download" in result.stderr
    assert "--detector-weights" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("detector", "home", "checkpoint"),
    [
        ("grounding-dino", open_vocabulary, "GROUNDING_DINO"),
        ("owlv2", open_vocabulary, "OWLV2"),
        ("vlm", vlm, "CHECKPOINT"),
    ],
)
def test_the_cache_is_tried_without_a_folder(
    frames: Path, tmp_path: Path, detector: str, home: Any, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not in it is not fetched: exit code 4 that names the repository to fetch."""
    monkeypatch.setattr(home, checkpoint, "nobody/has-this")
    result = run(frames, "--class", "dog", "--detector", detector, "-o", tmp_path / "out")
    assert (result.exit_code, "nobody/has-this" in result.stderr) == (4, True), result.stderr


def test_a_model_without_cross_attention(frames: Path, tmp_path: Path) -> None:
    """Text and image that never meet inside the model give no maps: exit code 4, said in one line."""
    folder = save_random_blip(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["is_decoder"] = False
    (folder / "config.json").write_text(json.dumps(config))
    result = run(frames, "--class", "red circle", "--detector-weights", folder, "-o", tmp_path / "out")
    assert result.exit_code == 4, result.stderr
    assert "cross-attention" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_class_outside_a_closed_vocabulary(frames: Path, tmp_path: Path) -> None:
    """A model of a closed world lists what it knows: exit code 2."""
    result = run(frames, "--class", "dog", "--detector", "synthetic", "-o", tmp_path / "out")
    assert result.exit_code == 2, result.stderr
    assert "lacks 'dog'" in result.stderr
    assert "purple cross" in result.stderr
    assert not (tmp_path / "out").exists()


def test_more_words_than_the_model_reads(frames: Path, tmp_path: Path) -> None:
    """A name longer than the model's text: exit code 2, saying how much it reads."""
    folder = save_random_blip(tmp_path / "model")
    name = " ".join(["red"] * 12)
    result = run(frames, "--class", name, "--detector-weights", folder, "-o", tmp_path / "out")
    assert (result.exit_code, "limit of the model is 12" in result.stderr) == (2, True), result.stderr


@pytest.fixture(scope="module")
def real_frames(
    clip: Scene, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """Frames of a real video where there is one, else of a synthetic one."""
    try:
        root: Path = request.getfixturevalue("davis_root")
    except pytest.skip.Exception:
        folder = tmp_path_factory.mktemp("instead")
        write_images(clip, folder)
        return folder
    return next(iter(sorted((root / "JPEGImages" / "480p").iterdir())))


@pytest.mark.parametrize("detector", sorted(SAVED))
def test_a_detector_on_a_real_clip(detector: str, real_frames: Path, tmp_path: Path) -> None:
    """Random weights find nonsense, but all the way: weights from a folder, boxes, masks, named tracks."""
    weights = SAVED[detector](tmp_path / "weights")
    arguments = ("--detector", detector, "--detector-weights", weights, "--min-score", 0, "--instances", 2)
    names = ("--class", "dog", "--class", "car")
    reading = ("--end", 3, "--size", 96, "--no-overlay")
    result = run(real_frames, *names, *arguments, *reading, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["counts"]["frames"] == 3
    assert set(record["names"].values()) <= {"dog", "car"}
    assert record["names"]
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 3


@pytest.fixture
def believing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Random weights of a matching model to which everything matches, and of a generative one that names
    two things whatever it is asked: where they look is up to the weights."""
    folders = {"blip": save_random_blip(tmp_path / "blip"), "vlm": tmp_path / "vlm"}
    weights = folders["blip"] / "model.safetensors"
    tensors = load_file(weights)
    tensors["itm_head.bias"] = torch.tensor([-20.0, 20.0])
    save_file(tensors, weights, {"format": "pt"})
    model = tiny_llava()
    model.model.save_pretrained(folders["vlm"])
    model.processor.save_pretrained(folders["vlm"])
    words = model.processor.tokenizer("a red car , two dogs .", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(VisionLanguageModel, "answer", lambda self, image, question, seed: words)
    return folders


@pytest.mark.parametrize(
    ("detector", "names"), [("blip", ("red circle", "blue square")), ("vlm", ("dog", "red car"))]
)
def test_reading_attention_on_a_real_clip(
    detector: str, names: tuple[str, str], davis_root: Path, tmp_path: Path, believing: dict[str, Path]
) -> None:
    """A matching and a generative model, all the way: attention, points, masks, named tracks."""
    # Random weights look at something in a rich picture; in a plain one perhaps at nothing.
    real_frames = min((davis_root / "JPEGImages" / "480p").iterdir())
    classes = ("--class", names[0], "--class", names[1])
    weights = ("--detector", detector, "--detector-weights", believing[detector])
    reading = ("--end", 3, "--size", 96, "--no-overlay", "--instances", 2, "--search-every", 1)
    result = run(real_frames, *classes, *weights, *reading, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["names"]
    assert set(record["names"].values()) <= set(names)
    seen = set()
    for index in range(3):
        seen |= set(np.unique(np.array(Image.open(tmp_path / "out" / "masks" / f"{index:05d}.png"))))
    assert seen == {0, *map(int, record["names"])}


def test_the_synthetic_world_with_nothing_but_the_package(tmp_path: Path) -> None:
    """Real attention, real masks, real tracks: three shapes, one of which comes in later, scored."""
    names = ("blue circle", "purple circle", "blue circle")
    world = world_scene(1_600_002, size=(96, 128), num_frames=11, names=names, enter=(0, 0, 3))
    write_images(world.scene, tmp_path / "frames")
    classes = ("--class", "blue circle", "--class", "purple circle", "--detector", "synthetic")
    result = run(tmp_path / "frames", *classes, "--detect-every", 8, "--no-overlay", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    labels = np.stack([np.array(Image.open(path)) for path in sorted((tmp_path / "out" / "masks").iterdir())])
    for shape, begins in ((1, 0), (2, 0), (3, 8)):
        scores = [
            np.mean(
                [
                    region_similarity(world.scene.labels[t] == shape, labels[t] == int(track))
                    for t in range(begins, 11)
                ]
            )
            for track, name in record["names"].items()
            if name == names[shape - 1]
        ]
        assert max(scores) > 0.8, (shape, scores, record["found"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--exemplar", "star:1,2,30,40"], "name the class too"),
        (["--class", "star", "--exemplar", "1,2,30,40"], "cannot be read; write NAME:x0,y0"),
        (["--class", "star", "--exemplar", "ball:1,2,30,40"], "of 'ball', which is not among the classes"),
        (["--class", "star", "--exemplar", "star:1,2,30,40,-"], "for a detector that takes them; use sam3"),
        (["--class", "star", "--reference", "0", "--reference-mask", "m.png"], "or references"),
        (["--box", "1:2,3,40,50", "--reference", "0", "--reference-mask", "m.png"], "--reference cannot be"),
        (["--reference", "0"], "given are 1 of the one and 0 of the other"),
        (["--box", "1:2,3,40,50", "--features", "dinov2-s"], "classical compares no features"),
    ],
)
def test_flags_that_do_not_go_together(
    flags: list[str], message: str, frames: Path, tmp_path: Path, scripted: list[dict[str, object]]
) -> None:
    """Exemplars need their class and a detector that takes boxes; references stand alone."""
    out = tmp_path / "out"
    result = CliRunner().invoke(cli, ["track", str(frames), *flags, "--detector", "owlv2", "-o", str(out)])
    assert result.exit_code in (2, 4), result.output
    assert message in result.output
    assert not out.exists()


def test_a_reference_from_the_command_line(clip: Scene, frames: Path, tmp_path: Path) -> None:
    """A frame of the video shows the ball, which comes in later than the search begins."""
    mask = tmp_path / "ball.png"
    Image.fromarray(np.uint8(255) * (clip.labels[COUNT - 1] == 2)).save(mask)
    out = tmp_path / "out"
    shown = ["--reference", str(COUNT - 1), "--reference-mask", str(mask), "--search-every", "2"]
    result = CliRunner().invoke(cli, ["track", str(frames), *shown, "-o", str(out), "--no-overlay"])
    assert result.exit_code == 0, result.output
    record = json.loads((out / "run.json").read_text())
    assert record["names"] == {"1": f"frame {COUNT - 1}"}
    last = np.array(Image.open(out / "masks" / f"{COUNT - 1:05d}.png"))
    assert region_similarity(last == 1, clip.labels[COUNT - 1] == 2) > 0.7


def test_weights_of_a_reference_backbone(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they are missing, the flag that is named is theirs, not that of the tracker's weights."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full((90, 140), 255, np.uint8)).save(mask)
    shown = ["--reference", "0", "--reference-mask", str(mask), "--reference-backbone", "mobile-sam"]
    for more in ([], ["--reference-checkpoint", str(tmp_path / "none.pt")]):
        result = CliRunner().invoke(cli, ["track", str(frames), *shown, *more, "-o", str(tmp_path / "out")])
        assert result.exit_code == 4, result.output
        assert "--reference-checkpoint FILE" in result.output or "none.pt" in result.output
        assert " --checkpoint" not in result.output


def test_features_go_where_they_are_used() -> None:
    """To PerSAM, or to what finds references: with a backbone of its own, to both."""
    from vos_cli.reference_options import place_features

    from vos.prompting.reference import ReferenceSettings
    from vos.runs import TrackSettings

    features = {"features": "dinov2-s"}

    def placed(references: bool, **settings: Any) -> tuple[bool, bool]:
        found = place_features(TrackSettings(**settings), features, references=references)
        return found.tracker.get("features") is not None, found.reference.features is not None

    assert placed(False, model="persam") == (True, False)
    assert placed(True, model="mobile-sam") == (True, False)
    assert placed(True, model="sam2.1-tiny") == (False, True)
    assert placed(True, model="auto") == (False, True)
    assert placed(True, model="persam", reference=ReferenceSettings(backbone="mobile-sam")) == (True, True)
