"""Batches: crops of recorded clips, rotated, in other light, with the cues of a tracker or of a prompt.

Sample i of step s is a function of (seed, s, i) and of the recordings alone, so a run that is resumed sees
what it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vos.arrays import Floats
from vos.backbones.nano.cues import APPEARANCE, BOX, CUES, MASK, OFF, ON, ROUGH, WARPED, point_plane
from vos.errors import InputError
from vos.ops.boxes import tight_box
from vos.trackers.nano.cues import ENGINE_CUES, made_up_cues
from vos.trackers.nano.mask_perturbation import PerturbationSettings, perturb_mask
from vos.trackers.nano.region_errors import with_region_errors

from .photographs import Photographs

ROUGHNESS = (0.05, 0.5)
"""Least and greatest strength of the perturbed masks that are the cues of photographs."""
STILL_PIXELS = 45_000
"""Photographs are brought to about the size of the recordings."""


@dataclass(frozen=True)
class SampleSettings:
    """How samples are drawn from recordings."""

    side: int = 160
    """Of the square images, a multiple of 32."""
    still: float = 0.6
    """Share of samples that are photographs as they are, where there are any: what is whole in them has its
    own shadow and its own surroundings, and is a person, an animal, a thing."""
    region_errors: float = 0.8
    """Share of the samples of clips whose cues get errors of whole image regions."""
    prompted: float = 0.3
    """Share of samples with the cues of a prompt in place of a tracker's."""
    scale: tuple[float, float] = (0.7, 1.25)
    """Pixels of a sample for one of the recording, when the object fits."""
    turn: float = 0.2
    """Largest turn in radians."""
    dropped: float = 0.08
    """Chance that a tracker's cue is left out; ``similar`` is left out twice as often."""
    appearance_dropped: float = 0.3
    """Chance that the appearance cue is left out: colours separate objects better in synthetic clips than in
    real ones."""
    softened: float = 0.3
    """Share of samples whose mask cue is made less certain."""
    gain: float = 0.25
    """Spread of contrast, in both images of a sample; a fifth of it between them."""
    bias: float = 20.0
    """Spread of brightness, in grey levels."""
    least_area: int = 30
    """Truths with fewer pixels in view are taken only now and then."""

    def __post_init__(self) -> None:
        if self.side < 32 or self.side % 32:
            raise ValueError(f"side must be a multiple of 32, got {self.side}")


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step sees."""

    images: Tensor
    """(B, 3, S, S) float32 in -1..1."""
    references: Tensor
    """(B, 3, S, S): the same objects in the reference frame."""
    reference_masks: Tensor
    """(B, S, S) float32, 0 or 1."""
    cues: Tensor
    """(B, C, S, S) float32; ``similar`` is 0: it is the network's own."""
    truth: Tensor
    """(B, S, S) float32, 0 or 1."""
    ambiguous: Tensor
    """(B,) bool: prompted by points or a box alone, which may mean several things."""
    similar: Tensor
    """(B,) bool: whether the network is shown its own similarity."""


@dataclass(frozen=True, eq=False)
class _Shot:
    """An image, what is known of one object in it, and the object elsewhere."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    cues: NDArray[np.int8]
    """(3, h, w), or (0, h, w) where no tracker was asked."""
    reference: NDArray[np.uint8]
    reference_mask: NDArray[np.bool_]


class Recordings:
    """The files of a folder that :mod:`training.nano.recordings` wrote.

    Raises:
        InputError: if there are none.
    """

    def __init__(
        self,
        folder: str | Path,
        settings: SampleSettings,
        seed: int = 0,
        photographs: Photographs | None = None,
    ) -> None:
        self.photographs = photographs
        self.files = sorted(Path(folder).glob("*.npz"))
        if not self.files:
            raise InputError(
                f"no recordings in {folder}; make some with `python -m training.nano.recordings --data TRAIN "
                f"--out {folder}`"
            )
        self.settings, self.seed = settings, seed

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step."""
        samples = [self.sample(np.random.default_rng((self.seed, step, i))) for i in range(size)]
        images, references, reference_masks, cues, truth, ambiguous, similar = zip(*samples, strict=True)
        return Batch(
            _planes(images),
            _planes(references),
            torch.from_numpy(np.stack(reference_masks)),
            torch.from_numpy(np.stack(cues)),
            torch.from_numpy(np.stack(truth)),
            torch.tensor(ambiguous),
            torch.tensor(similar),
        )

    def sample(self, rng: np.random.Generator) -> tuple:
        """Image, reference, its mask, cues, truth, and whether it is ambiguous and shown similarity."""
        settings, side = self.settings, self.settings.side
        still = self.photographs is not None and rng.random() < settings.still
        shot = self._still(rng) if still else self._clip(rng)
        transform = _transform(shot.mask if shot.mask.any() else shot.cues[0] > 0, settings, rng)
        image, truth = _warp(shot.image, transform, side), _warp_mask(shot.mask, transform, side)
        back = _transform(shot.reference_mask, settings, rng)
        reference, there = _warp(shot.reference, back, side), _warp_mask(shot.reference_mask, back, side)
        prompted = bool(rng.random() < settings.prompted and truth.any())
        ambiguous = False
        if prompted:
            cues, ambiguous = _prompted(truth, rng)
        elif still:
            cues = _tracked(made_up_cues(truth, image, rng, ROUGHNESS), settings, rng)
        else:
            own = np.stack([_warp_cue(cue, transform, side) for cue in shot.cues])
            if rng.random() < settings.region_errors:
                own = with_region_errors(own, truth, image, rng)
            cues = _tracked(own, settings, rng)
        image, reference = _relit(image, reference, settings, rng)
        similar = rng.random() > (0.5 if prompted else 2 * settings.dropped)
        masks = there.astype(np.float32), truth.astype(np.float32)
        return image, reference, masks[0], cues, masks[1], ambiguous, bool(similar)

    def _clip(self, rng: np.random.Generator) -> _Shot:
        """A frame of a recording."""
        while True:
            with np.load(self.files[int(rng.integers(len(self.files)))]) as clip:
                t = int(rng.integers(sum(name.startswith("truth") for name in clip.files)))
                k = int(rng.integers(len(clip["ids"])))
                mask = clip[f"truth{t}"] == clip["ids"][k]
                if mask.sum() >= self.settings.least_area or rng.random() < 0.2:
                    there = clip["labels"] == clip["ids"][k]
                    return _Shot(clip[f"picture{t}"], mask, clip[f"cues{t}"][k], clip["reference"], there)

    def _still(self, rng: np.random.Generator) -> _Shot:
        """A photograph, at about the size of the recordings; it is its own reference."""
        assert self.photographs is not None
        cutout = self.photographs.cutout(rng, whole=True)
        scale = min(
            1.0, float(np.sqrt(STILL_PIXELS / cutout.mask.size)) * float(np.exp(rng.uniform(-0.2, 0.5)))
        )
        shape = max(1, round(cutout.mask.shape[1] * scale)), max(1, round(cutout.mask.shape[0] * scale))
        image = np.asarray(cv2.resize(cutout.image, shape, interpolation=cv2.INTER_AREA), np.uint8)
        mask = cv2.resize(cutout.mask.astype(np.float32), shape, interpolation=cv2.INTER_AREA) >= 0.5
        return _Shot(image, mask, np.zeros((0, *mask.shape), np.int8), image, mask)


def _tracked(own: Sequence[Floats], settings: SampleSettings, rng: np.random.Generator) -> Floats:
    """(C, S, S) cues of a tracker, some of them dropped or less certain."""
    cues = np.zeros((len(CUES), *own[0].shape), np.float32)
    for channel, cue in zip(ENGINE_CUES, own, strict=True):
        if rng.random() >= (settings.appearance_dropped if channel == APPEARANCE else settings.dropped):
            cues[channel] = cue
    if rng.random() < settings.softened:
        cues[MASK] *= rng.uniform(0.2, 1.0)
    return cues


def _prompted(truth: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Floats, bool]:
    """(C, S, S) cues of a prompt for an (S, S) bool mask that is not empty, and whether it is ambiguous."""
    cues = np.zeros((len(CUES), *truth.shape), np.float32)
    kind = rng.choice(["point", "points", "box", "box and point", "mask", "mask and more"])
    if "mask" in kind:
        rough = perturb_mask(truth, rng, PerturbationSettings(blobs=6))
        certainty = ROUGH if rng.random() < 0.5 else rng.uniform(0.2, 1.0)
        cues[MASK] = certainty * (2 * rough - 1)
        if rng.random() < 0.3:
            cues[WARPED] = rng.uniform(0.2, 1) * (2 * perturb_mask(truth, rng) - 1)
    if "point" in kind or "more" in kind:
        on = _places(truth, 1 if kind != "points" else int(rng.integers(1, 4)), rng)
        cues[ON] = point_plane(on, truth.shape)
        if kind in ("points", "mask and more") and (~truth).any():
            cues[OFF] = point_plane(_places(~truth, int(rng.integers(1, 3)), rng), truth.shape)
    if "box" in kind or ("more" in kind and rng.random() < 0.5):
        cues[BOX] = _box(truth, rng)
    return cues, "mask" not in kind


def _box(truth: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """(S, S) cue of a box that is a little off."""
    box = tight_box(truth)
    assert box is not None
    room = 0.06 * max(box[2] - box[0], box[3] - box[1])
    x0, y0, x1, y1 = np.array(box) + rng.normal(0, room / 2, 4) + np.array([-1, -1, 1, 1]) * room / 2
    plane = np.full(truth.shape, -1, np.float32)
    plane[max(0, round(y0)) : max(1, round(y1) + 1), max(0, round(x0)) : max(1, round(x1) + 1)] = 1
    return plane


def _places(mask: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(count, 2) float32 (x, y) in an (h, w) bool mask, rather inside than at its outline."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    weight = np.where(mask, depth, 0).astype(np.float64).ravel()
    at = rng.choice(weight.size, count, p=weight / weight.sum())
    return np.stack([at % mask.shape[1], at // mask.shape[1]], axis=1).astype(np.float32)


def _transform(
    mask: NDArray[np.bool_], settings: SampleSettings, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(2, 3) from the recording to a sample in which the mask fits."""
    box = tight_box(mask) or (0, 0, mask.shape[1] - 1, mask.shape[0] - 1)
    extent = max(box[2] - box[0], box[3] - box[1]) + 1
    scale = float(np.exp(rng.uniform(*np.log(settings.scale))))
    scale = min(max(scale, settings.side / min(mask.shape)), 0.9 * settings.side / extent)
    angle = float(rng.normal(0, settings.turn / 2))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear[:, 0] *= mirror
    half = settings.side / 2 / scale
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    centre += rng.uniform(-0.7, 0.7, 2) * max(4.0, half - extent / 2)
    for axis, length in enumerate((mask.shape[1], mask.shape[0])):  # rather within the image than past it
        centre[axis] = np.clip(centre[axis], half, length - half) if length > 2 * half else length / 2
    return np.column_stack([linear, settings.side / 2 - linear @ centre])


def _warp(image: NDArray[np.uint8], transform: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
    warped: NDArray[np.uint8] = cv2.warpAffine(
        image, transform, (side, side), borderMode=cv2.BORDER_REPLICATE
    )
    return warped


def _warp_mask(mask: NDArray[np.bool_], transform: NDArray[np.float64], side: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = cv2.warpAffine(mask.astype(np.float32), transform, (side, side)) >= 0.5
    return inside


def _warp_cue(cue: NDArray[np.int8], transform: NDArray[np.float64], side: int) -> Floats:
    """A cue continued over the border, as the engine's window would be."""
    values = cue.astype(np.float32) / 127
    warped: Floats = cv2.warpAffine(values, transform, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return warped


def _relit(
    image: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    settings: SampleSettings,
    rng: np.random.Generator,
) -> list[Floats]:
    """Both images in one random light, and a little of their own."""
    gain = 1 + rng.normal(0, settings.gain / 2, 3) * 0.4 + rng.normal(0, settings.gain / 2)
    bias = rng.normal(0, settings.bias / 2)
    result = []
    for pixels in (image, reference):
        own = gain + rng.normal(0, settings.gain / 10)
        result.append(np.clip((pixels - 128.0) * own + 128 + bias, 0, 255).astype(np.float32))
    return result


def _planes(images: Sequence[Floats]) -> Tensor:
    """(B, 3, S, S) float32 in -1..1 from (S, S, 3) in 0..255."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 127.5 - 1
