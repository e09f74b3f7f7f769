"""Training with a memory on composed clips: the parts, and a short run on the CPU."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training.nano import gpu, validation
from training.nano import pack as packing
from training.nano.bank import UNKNOWN, Bank, load_bank
from training.nano.cue_noise import CueNoise, colour_appearance, prompt_planes, tracker_cues
from training.nano.pack import Pack, add_real, add_textures
from training.nano.synthesis import Composer, SynthesisSettings
from training.nano.teacher import CHANNELS, LAST, SIXTEENTH, ImageTeacher
from vos.backbones.nano.backbone import build_nano
from vos.backbones.nano.cues import APPEARANCE, BOX, MASK, ON, WARPED
from vos.backbones.nano.network import NanoConfig, NanoNetwork
from vos.testing import scene

TINY = NanoConfig((8, 8, 12, 16, 16), (0, 0, 1, 1, 0), 12, memory=8, keys=8)
SMALL = SynthesisSettings(side=64, frames=3)


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of textures, one real clip with a track, a teacher of zeros, and one video with masks."""
    folder = tmp_path_factory.mktemp("pack")
    clip = scene("moving", num_frames=4, size=(96, 128))
    arrays = {
        f"frame{t}": cv2.imencode(".jpg", frame.image[..., ::-1])[1] for t, frame in enumerate(clip.frames)
    }
    labels = [(clip.labels[t] == 1).astype(np.uint8) for t in range(4)]
    labels[2][:8] = UNKNOWN
    real = folder / "real"
    real.mkdir()
    np.savez(real / "clip.npz", times0=np.arange(4), labels0=np.stack(labels), **arrays)
    pack = Pack()
    add_textures(pack, 4)
    add_real(pack, real)
    pack.save(folder / "pictures.npz")
    np.savez(folder / "teacher.npz", **_teacher())
    write_video(folder / "validation", 6)
    return folder


def write_video(folder: Path, frames: int) -> None:
    """``scene.mp4`` and its masks."""
    clip = scene("moving", num_frames=frames, size=(96, 128))
    (folder / "scene").mkdir(parents=True)
    writer = cv2.VideoWriter(str(folder / "scene.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 24, (128, 96))
    for t, frame in enumerate(clip.frames):
        writer.write(np.ascontiguousarray(frame.image[..., ::-1]))
        mask = (clip.labels[t] == 1).astype(np.uint8) * 255
        cv2.imwrite(str(folder / "scene" / f"{t:05d}.png"), mask)
    writer.release()


def _teacher(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of a random MobileNetV2."""
    rng = np.random.default_rng(seed)
    blocks = [(16, 1, 1), (24, 6, 2), (32, 6, 3), (64, 6, 4), (96, 6, 3), (160, 6, 3), (320, 6, 1)]
    shapes, inputs = [(32, 3, 3, 3)], 32
    for width, growth, count in blocks:
        for _ in range(count):
            inner = inputs * growth
            shapes += [(inner, inputs, 1, 1)] if growth > 1 else []
            shapes += [(inner, 1, 3, 3), (width, inner, 1, 1)]
            inputs = width
    arrays = {}
    for number, shape in enumerate(shapes):
        spread = (2 / np.prod(shape[1:])) ** 0.5
        arrays[f"{number:02d}.weight"] = rng.normal(0, spread, shape).astype(np.float32)
        arrays[f"{number:02d}.bias"] = np.zeros(shape[0], np.float32)
    return arrays


def test_the_teacher_has_features_at_two_strides() -> None:
    """Features of images of any size, that differ where images differ."""
    teacher = ImageTeacher(_teacher())
    features = teacher(torch.rand(2, 3, 64, 96) * 2 - 1)
    assert features[SIXTEENTH].shape == (2, CHANNELS[SIXTEENTH], 4, 6)
    assert features[LAST].shape == (2, CHANNELS[LAST], 2, 3)
    assert (features[SIXTEENTH][0] - features[SIXTEENTH][1]).abs().mean() > 1e-3


def test_a_pack_is_read_as_it_was_written(packed: Path) -> None:
    """Pack, label maps, cut-outs and tracks survive packing."""
    bank = load_bank(packed / "pictures.npz", "cpu", 1)
    assert bank.images.shape == (4 + 4, 3, packing.CANVAS, packing.CANVAS)
    assert bank.tracks.shape == (1, 2, 4)
    assert len(bank.cutouts) == 4 + 1
    image, number, value, x0, y0, x1, y1 = bank.cutouts[-1]
    assert image == bank.tracks[0, 0, 0]
    mask = bank.labels[number].numpy() == value
    rows, columns = np.nonzero(mask)
    assert (x0, y0, x1, y1) == (columns.min(), rows.min(), columns.max(), rows.max())


def test_clips_show_their_targets(packed: Path) -> None:
    """Labels are 0, 1, 2 or unknown; the first target is there in most first frames; frames differ."""
    composer = Composer(load_bank(packed / "pictures.npz", "cpu", 1), SMALL, seed=0)
    frames, labels = composer.clips(8)
    assert frames.shape == (8, 3, 3, 64, 64)
    assert float(frames.min()) >= 0
    assert float(frames.max()) <= 255
    assert set(labels.unique().tolist()) <= {0, 1, 2, UNKNOWN}
    assert int((labels[:, 0] == 1).flatten(1).any(dim=1).sum()) >= 6
    assert (frames[:, 0] - frames[:, 1]).abs().mean() > 1


def test_masks_move_like_pixels() -> None:
    """A thing of one colour on another is labelled where its colour is, in every frame."""
    side = packing.CANVAS
    images = torch.zeros(2, 3, side, side, dtype=torch.uint8)
    images[0, 0] = 250
    images[1, 2] = 250
    labels = torch.zeros(2, side, side, dtype=torch.uint8)
    labels[0, 100:250, 120:300] = 1
    sizes = np.array([[side, side], [side, side]])
    real = np.array([3, 3])  # no texture: what is cut out comes from the table alone
    cutouts = np.array([[0, 0, 1, 120, 100, 299, 249]])
    bank = Bank(images, labels, sizes, real, cutouts, np.zeros((0, 2, 1), np.int64))
    settings = SynthesisSettings(
        side=96, frames=3, tracked=0, natural=0, second=0, look_alike=0, bystander=0, size=(0.3, 0.5)
    )
    composer = Composer(bank, settings, seed=2)
    composer._cutout = lambda blobs=True: cutouts[0]  # type: ignore[method-assign]
    composer._by_set = {**composer._by_set, "real": np.array([1])}
    frames, shown = composer.clips(4)
    assert (shown == 1).any()
    red = frames[:, :, 0] > frames[:, :, 2]
    agreed = (red == (shown == 1)).float().mean()
    assert agreed > 0.98


def test_cues_of_a_tracker_follow_the_mask() -> None:
    """Without mistakes cues are the mask's; lost objects have none; bare samples have no cue at all."""
    torch.manual_seed(0)
    mask = torch.zeros(6, 64, 64)
    mask[:, 16:48, 20:44] = 1
    image = torch.where(mask[:, None] > 0, 200.0, 60.0).expand(-1, 3, -1, -1).contiguous()
    other = torch.zeros_like(mask)
    calm = CueNoise(
        strength=(0, 0), patches=0, rival=0, lost=0, dropped=0, appearance_dropped=0, bare=0, prompted=0
    )
    cues = tracker_cues(mask, other, image, (image, mask), calm)
    assert cues.abs().max() <= 1
    for channel in (MASK, WARPED, APPEARANCE):
        wrong = ((cues[:, channel] > 0) != (mask > 0)).float().mean()
        assert wrong < 0.03
    lost = tracker_cues(mask, other, image, (image, mask), CueNoise(lost=1, bare=0, rival=0))
    assert not (lost[:, [MASK, WARPED]] > 0).any()
    bare = tracker_cues(mask, other, image, (image, mask), CueNoise(bare=1))
    assert not bare.any()


def test_appearance_tells_colours_apart() -> None:
    """Colours of the object in the first frame count as its own elsewhere."""
    first, later = torch.full((1, 3, 64, 64), 50.0), torch.full((1, 3, 64, 64), 50.0)
    mask = torch.zeros(1, 64, 64)
    mask[:, 8:32, 8:32] = 1
    first[:, 0, 8:32, 8:32] = 220
    later[:, 0, 36:60, 36:60] = 220
    appearance = colour_appearance(later, first, mask)[0]
    assert appearance[40:56, 40:56].min() > 0.5
    assert appearance[4:28, 4:28].max() < -0.5


def test_prompts_lie_on_the_object() -> None:
    """Points on lie in the mask, boxes around it; an empty mask has no prompt."""
    torch.manual_seed(1)
    mask = torch.zeros(40, 64, 64)
    mask[:39, 20:40, 10:30] = 1
    cues = prompt_planes(mask)
    assert not cues[39].any()
    for plane, row in zip(cues[:39, ON], mask[:39], strict=True):
        if plane.any():
            assert row.flatten()[plane.flatten().argmax()] == 1
    boxed = cues[:39, BOX].flatten(1).any(dim=1)
    assert boxed.any()
    assert (cues[:39][boxed][:, BOX, 22:38, 12:28] == 1).all()


def test_a_short_run_writes_weights_that_can_be_used(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command trains, validates and exports; the weights build the backbone, memory and all."""
    recipe = gpu.Recipe
    monkeypatch.setattr(gpu, "Recipe", lambda **changes: recipe(network=TINY, **changes))
    monkeypatch.setattr(validation, "VALIDATION_SIZE", (64, 96))
    out = tmp_path / "run"
    command = f"gpu --pack {packed} --out {out} --device cpu --batch 2 --side 64 --steps 2 --log-every 1"
    monkeypatch.setattr(sys, "argv", [*command.split(), "--workers", "1", "--seconds", "1000"])
    gpu.main()
    with (out / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert all(np.isfinite(float(row["masks"])) for row in rows)
    with (out / "validation.csv").open() as file:
        (score,) = csv.DictReader(file)
    assert 0 <= float(score["alone"]) <= 100
    backbone = build_nano(checkpoint=out / "last.safetensors")
    assert backbone.network.config == TINY
    assert backbone.network.memory is not None


def test_training_teaches(packed: Path) -> None:
    """Steps on the same clips make their loss smaller, and the memory and the teacher have a part in it."""
    torch.manual_seed(0)
    bank = load_bank(packed / "pictures.npz", "cpu", 1)
    student = gpu.Student(NanoNetwork(TINY))
    teacher = ImageTeacher(_teacher())
    recipe = gpu.Recipe(network=TINY, clips=SMALL, batch=2)
    optimiser = torch.optim.AdamW(student.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        torch.manual_seed(1)
        loss, _ = gpu.learn(student, teacher, Composer(bank, SMALL, seed=0), recipe, 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    memory = student.network.memory
    assert memory is not None
    assert memory.value.weight.grad is not None
    assert float(memory.value.weight.grad.abs().sum()) > 0
    assert float(student.heads["last"].weight.grad.abs().sum()) > 0
