"""Short clips made of photographs, with masks that are exact because they are moved like the pixels.

A clip is a background and layers in front of it, each a cut-out with a motion of its own: affine and
perspective along a smooth path, and elastic. Some layers are targets, the others look-alikes of a target,
bystanders, or things that pass in front. Then the camera: motion blur, exposure, noise, compression.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from vos.arrays import Floats, Image
from vos.ops.boxes import tight_box
from vos.trackers.classical.augmentation import fill

from .photographs import Cutout, Photographs, drawn

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class ClipSettings:
    """What clips are like."""

    height: tuple[int, int] = (176, 224)
    """Least and greatest rows of a frame."""
    aspect: tuple[float, float] = (1.0, 1.6)
    frames: int = 8
    size: tuple[float, float] = (0.2, 0.6)
    """Longest side of an object, as a part of the frame's shorter side."""
    in_place: float = 0.5
    """Share of clips whose target moves in front of its own photograph; slowly: what it hid is painted."""
    second_target: float = 0.25
    look_alike: float = 0.5
    """Share of clips with a copy of the target that is not the target."""
    bystander: float = 0.5
    occluder: float = 0.35
    textures: float = 0.1
    """Share of cut-outs drawn from noise."""
    speed: tuple[float, float] = (0.005, 0.12)
    """Of objects: sizes a frame, least and most."""
    camera_speed: float = 0.025
    """Frame sides a frame, most."""
    elastic: float = 0.05
    """Largest elastic displacement, in object sizes."""
    turn: float = 0.06
    """Largest turn in radians a frame."""
    growth: float = 0.025
    """Largest growth a frame, as a natural logarithm."""
    perspective: float = 0.15
    """Largest tilt: change of scale across the object."""
    motion_blur: float = 0.25
    """Share of clips with an open shutter."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames and their truth."""

    images: tuple[Image, ...]
    """(H, W, 3) uint8 RGB each."""
    labels: tuple[Labels, ...]
    """(H, W) uint8 each: 0, or the target that the pixel shows."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Where a layer is at a time: all coordinates (x, y) in pixels, centres at whole numbers."""

    anchor: tuple[float, float]
    """The layer's own centre, in its source image."""
    size: float
    """Of the thing, in pixels of the frame at time 0."""
    start: tuple[float, float]
    """Where the centre is at time 0."""
    scale: float = 1.0
    """Pixels of the frame for one of the source, at time 0."""
    velocity: tuple[float, float] = (0.0, 0.0)
    swing: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Amplitudes in x and y of an oscillation, and its radians a frame."""
    turn: float = 0.0
    growth: float = 0.0
    tilt: tuple[float, float] = (0.0, 0.0)
    """Change of scale across the thing at time 5, along x and y."""
    waves: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 6)))
    """(M, 6) amplitude x, y in source pixels; waves a source pixel in x, y; phase; radians a frame."""

    def homography(self, time: float) -> NDArray[np.float64]:
        """(3, 3) from source to frame, without the waves."""
        factor = self.scale * np.exp(self.growth * time)
        cosine, sine = factor * np.cos(self.turn * time), factor * np.sin(self.turn * time)
        tilt = np.array(self.tilt) * time / 5 / max(self.size, 1.0) * self.scale
        swing = np.sin(self.swing[2] * time)
        x = self.start[0] + self.velocity[0] * time + self.swing[0] * swing
        y = self.start[1] + self.velocity[1] * time + self.swing[1] * swing
        move = np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])
        lean = np.array([[1, 0, 0], [0, 1, 0], [tilt[0], tilt[1], 1.0]])
        linear = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])
        back = np.array([[1, 0, -self.anchor[0]], [0, 1, -self.anchor[1]], [0, 0, 1.0]])
        return move @ linear @ lean @ back

    def source_of(self, size: tuple[int, int], time: float) -> tuple[Floats, Floats]:
        """Columns and rows (H, W) float32 of the source that the pixels of a frame of ``size`` show."""
        rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
        inverse = np.linalg.inv(self.homography(time)).astype(np.float32)
        depth = inverse[2, 0] * columns + inverse[2, 1] * rows + inverse[2, 2]
        depth = np.where(np.abs(depth) < 1e-3, np.float32(1e-3), depth)
        x = (inverse[0, 0] * columns + inverse[0, 1] * rows + inverse[0, 2]) / depth
        y = (inverse[1, 0] * columns + inverse[1, 1] * rows + inverse[1, 2]) / depth
        shift_x, shift_y = np.zeros_like(x), np.zeros_like(y)
        for along_x, along_y, per_x, per_y, phase, drift in self.waves.astype(np.float32):
            # At time 0 nothing is bent: a clip begins with what the photograph shows.
            wave = np.sin(2 * np.pi * (per_x * x + per_y * y) + phase) * np.sin(drift * np.float32(time))
            shift_x += along_x * wave
            shift_y += along_y * wave
        return x + shift_x, y + shift_y


@dataclass(frozen=True, eq=False)
class Layer:
    """One thing in a clip."""

    image: Image
    mask: Floats
    """(h, w) float32, 0 or 1."""
    label: int
    """0 for what is not a target."""
    motion: Motion


def make_clip(
    photographs: Photographs | None, rng: np.random.Generator, settings: ClipSettings | None = None
) -> Clip:
    """A random clip, of textures alone where there are no photographs; its first frame shows target 1."""
    settings = settings or ClipSettings()
    while True:
        height = int(rng.integers(settings.height[0], settings.height[1] + 1))
        size = (height, int(height * rng.uniform(*settings.aspect)))
        background, layers = _compose(photographs, size, rng, settings)
        labels = render_labels(layers, size, 0.0)
        # A target must be seen in the first frame, and must leave some of it to others.
        if 0.008 < np.mean(labels == 1) < 0.5:
            break
    shutter = rng.uniform(0.3, 0.9) if rng.random() < settings.motion_blur else 0.0
    moments = (-shutter / 2, 0.0, shutter / 2) if shutter else (0.0,)
    images = [
        np.mean([render(background, layers, size, t + moment) for moment in moments], axis=0)
        for t in range(settings.frames)
    ]
    truth = [render_labels(layers, size, float(t)) for t in range(settings.frames)]
    return Clip(tuple(_camera(images, rng)), tuple(truth))


def render(background: Layer, layers: list[Layer], size: tuple[int, int], time: float) -> Floats:
    """(H, W, 3) float32 image of all layers, the last one in front."""
    canvas = _warp(background, size, time)[0]
    for layer in layers:
        colours, mask = _warp(layer, size, time)
        canvas += mask[..., None] * (colours - canvas)
    return canvas


def render_labels(layers: list[Layer], size: tuple[int, int], time: float) -> Labels:
    """(H, W) uint8: the target in front where at least half of a pixel is its."""
    labels = np.zeros(size, np.uint8)
    for layer in layers:
        x, y = layer.motion.source_of(size, time)
        labels[cv2.remap(layer.mask, x, y, cv2.INTER_LINEAR) >= 0.5] = layer.label
    return labels


def _warp(layer: Layer, size: tuple[int, int], time: float) -> tuple[Floats, Floats]:
    """Colours (H, W, 3) and coverage (H, W) of a layer, both float32."""
    x, y = layer.motion.source_of(size, time)
    colours = cv2.remap(layer.image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return colours.astype(np.float32), cv2.remap(layer.mask, x, y, cv2.INTER_LINEAR)


def _compose(
    photographs: Photographs | None, size: tuple[int, int], rng: np.random.Generator, settings: ClipSettings
) -> tuple[Layer, list[Layer]]:
    """The background, and the layers from back to front."""
    target = _cutout(photographs, rng, settings)
    if rng.random() < settings.in_place:
        background, first = _in_place(target, size, rng, settings)
    else:
        image = drawn(rng).image if photographs is None else photographs.image(rng)
        background = _background(image, size, rng, settings)
        first = _placed(target, 1, size, rng, settings)
    layers = [first]
    if rng.random() < settings.second_target:
        layers.append(_placed(_cutout(photographs, rng, settings), 2, size, rng, settings))
    if rng.random() < settings.look_alike:
        layers.append(_placed(_disguised(target, rng), 0, size, rng, settings))
    if rng.random() < settings.bystander:
        layers.append(_placed(_cutout(photographs, rng, settings), 0, size, rng, settings))
    rng.shuffle(layers)  # type: ignore[arg-type]
    if rng.random() < settings.occluder:
        layers.append(_occluder(_cutout(photographs, rng, settings), first, size, rng, settings))
    return background, layers


def _cutout(photographs: Photographs | None, rng: np.random.Generator, settings: ClipSettings) -> Cutout:
    if photographs is None or rng.random() < settings.textures:
        return drawn(rng)
    return photographs.cutout(rng)


def _disguised(cutout: Cutout, rng: np.random.Generator) -> Cutout:
    """A look-alike: mirrored or not, in colours a little different."""
    image = np.clip(cutout.image * rng.uniform(0.8, 1.2, 3) + rng.uniform(-15, 15, 3), 0, 255).astype(
        np.uint8
    )
    step = -1 if rng.random() < 0.5 else 1
    return Cutout(np.ascontiguousarray(image[:, ::step]), np.ascontiguousarray(cutout.mask[:, ::step]))


def _in_place(
    cutout: Cutout, size: tuple[int, int], rng: np.random.Generator, settings: ClipSettings
) -> tuple[Layer, Layer]:
    """A photograph without its thing, and the thing in front of it, where it was at time 0."""
    height, width = cutout.mask.shape
    empty = fill(cutout.image, cutout.mask.astype(np.uint8))
    camera = _camera_motion((height, width), size, rng, settings)
    box = tight_box(cutout.mask)
    assert box is not None
    anchor = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    x, y, depth = camera.homography(0) @ np.array([*anchor, 1.0])
    long_side = max(box[2] - box[0], box[3] - box[1]) + 1
    slow = replace(settings, speed=(settings.speed[0] / 2, settings.speed[1] / 4))
    extent = camera.scale * long_side
    motion = _object_motion(anchor, (x / depth, y / depth), camera.scale, extent, rng, slow)
    drift = motion.velocity[0] + camera.velocity[0], motion.velocity[1] + camera.velocity[1]
    motion = replace(motion, velocity=drift)
    return (
        Layer(empty, np.ones((height, width), np.float32), 0, camera),
        Layer(cutout.image, cutout.mask.astype(np.float32), 1, motion),
    )


def _background(
    image: Image, size: tuple[int, int], rng: np.random.Generator, settings: ClipSettings
) -> Layer:
    """A photograph seen by a moving camera."""
    shape = image.shape[:2]
    return Layer(image, np.ones(shape, np.float32), 0, _camera_motion(shape, size, rng, settings))


def _camera_motion(
    shape: tuple[int, ...], size: tuple[int, int], rng: np.random.Generator, settings: ClipSettings
) -> Motion:
    """A view of an image of ``shape`` that fills a frame of ``size``, moving."""
    cover = max(size[0] / shape[0], size[1] / shape[1])
    scale = cover * float(np.exp(rng.uniform(0.0, 0.5)))
    speed = rng.uniform(0, settings.camera_speed) * min(size) * (rng.random() < 0.8)
    angle = rng.uniform(0, 2 * np.pi)
    return Motion(
        ((shape[1] - 1) / 2, (shape[0] - 1) / 2),
        float(max(size)),
        ((size[1] - 1) / 2, (size[0] - 1) / 2),
        scale,
        (speed * float(np.cos(angle)), speed * float(np.sin(angle))),
        turn=float(rng.uniform(-0.1, 0.1) * settings.turn),
        growth=float(rng.uniform(-0.3, 0.3) * settings.growth),
        tilt=(float(rng.uniform(-0.3, 0.3) * settings.perspective), 0.0),
    )


def _object_motion(
    anchor: tuple[float, float],
    start: tuple[float, float],
    scale: float,
    extent: float,
    rng: np.random.Generator,
    settings: ClipSettings,
) -> Motion:
    """A thing of ``extent`` pixels of the frame on its way from ``start``."""
    slow, fast = np.log(settings.speed)
    speed = float(np.exp(rng.uniform(slow, fast))) * extent
    angle = rng.uniform(0, 2 * np.pi)
    waves = np.zeros((2, 6))
    for wave in waves:
        amplitude = rng.uniform(0, settings.elastic) * extent / scale
        direction = rng.uniform(0, 2 * np.pi)
        per_pixel = rng.uniform(0.4, 1.5) * scale / extent
        towards = rng.uniform(0, 2 * np.pi)
        wave[:] = (
            amplitude * np.cos(direction),
            amplitude * np.sin(direction),
            per_pixel * np.cos(towards),
            per_pixel * np.sin(towards),
            rng.uniform(0, 2 * np.pi),
            rng.uniform(0.1, 0.9),
        )
    swing = rng.uniform(-0.08, 0.08, 2) * extent
    return Motion(
        anchor,
        extent,
        start,
        scale,
        (speed * float(np.cos(angle)), speed * float(np.sin(angle))),
        (float(swing[0]), float(swing[1]), float(rng.uniform(0.2, 1.2))),
        float(rng.uniform(-1, 1) * settings.turn * rng.random()),
        float(rng.uniform(-1, 1) * settings.growth),
        (float(rng.uniform(-1, 1) * settings.perspective), float(rng.uniform(-1, 1) * settings.perspective)),
        waves,
    )


def _placed(
    cutout: Cutout, label: int, size: tuple[int, int], rng: np.random.Generator, settings: ClipSettings
) -> Layer:
    """A thing somewhere in the frame."""
    box = tight_box(cutout.mask)
    assert box is not None
    long_side = max(box[2] - box[0], box[3] - box[1]) + 1
    extent = float(np.exp(rng.uniform(*np.log(settings.size)))) * min(size)
    centre = (float(rng.uniform(0.15, 0.85) * size[1]), float(rng.uniform(0.15, 0.85) * size[0]))
    anchor = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    image, mask = cutout.image, cutout.mask.astype(np.float32)
    scale = extent / long_side
    if scale < 0.7:  # sampling would skip pixels: average first
        shape = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        image = cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
        mask = (cv2.resize(mask, shape, interpolation=cv2.INTER_AREA) >= 0.5).astype(np.float32)
        anchor, scale = (anchor[0] * scale, anchor[1] * scale), 1.0
    return Layer(image, mask, label, _object_motion(anchor, centre, scale, extent, rng, settings))


def _occluder(
    cutout: Cutout, target: Layer, size: tuple[int, int], rng: np.random.Generator, settings: ClipSettings
) -> Layer:
    """A thing that passes in front of the target in the course of the clip."""
    layer = _placed(cutout, 0, size, rng, settings)
    when = rng.uniform(0.3, 1.0) * settings.frames
    x, y, depth = target.motion.homography(when) @ np.array([*target.motion.anchor, 1.0])
    away = rng.uniform(0.7, 1.5) * max(target.motion.size, layer.motion.size)
    angle = rng.uniform(0, 2 * np.pi)
    start = x / depth + away * np.cos(angle), y / depth + away * np.sin(angle)
    velocity = -away * np.cos(angle) / when, -away * np.sin(angle) / when
    motion = Motion(layer.motion.anchor, layer.motion.size, start, layer.motion.scale, velocity)
    return Layer(layer.image, layer.mask, 0, motion)


def _camera(images: list[NDArray[np.floating]], rng: np.random.Generator) -> list[Image]:
    """Exposure that drifts, noise, softness and compression, each in some clips."""
    gain, drift = rng.uniform(0.85, 1.15), rng.uniform(-0.02, 0.02) * (rng.random() < 0.5)
    grain = rng.uniform(0, 5) * (rng.random() < 0.5)
    soft = rng.uniform(0.4, 1.0) * (rng.random() < 0.4)
    quality = int(rng.integers(35, 96))
    result = []
    for t, image in enumerate(images):
        seen = image * (gain + drift * t) + grain * rng.standard_normal(image.shape)
        if soft:
            seen = cv2.GaussianBlur(seen, (0, 0), soft)
        whole = np.clip(seen, 0, 255).astype(np.uint8)
        packed = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        result.append(cv2.imdecode(packed, cv2.IMREAD_COLOR))
    return result
