"""The classical tracker, refined by the compact network: ``--model nano``.

The classical tracker proposes label probabilities from motion and appearance, and the network refines them.
Its inputs are these probabilities, the warped mask, the appearance scores, and the similarity with the
reference frames in its own features. The refined probabilities enter the rest of the tracker: they are warped
to the next frame, and the online update learns from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...arrays import Floats
from ...backbones.nano.backbone import NanoBackbone, build_nano
from ...backbones.nano.cues import APPEARANCE, MASK, SIMILAR, WARPED
from ...backbones.nano.network import Pyramid, read_memory
from ...ops.crop import Crop
from ...ops.overlap import argmax_rows
from ...settings import override
from ..base import TrackerInfo
from ..classical.appearance import ReferenceFrame
from ..classical.confidence import Confidence, fitted_confidence
from ..classical.frame_context import FrameContext, PreviousFrame
from ..classical.novelty import NoveltySettings
from ..classical.step import crop_of
from ..classical.tracker import ClassicalSettings, ClassicalTracker
from .cues import ENGINE_CUES, against_rivals, changed, engine_cues
from .cues import LEAST as CUE_LEAST
from .frame_memory import Remembered, memory_of, remember
from .network_input import padded, resized, smaller
from .similarity import recollect, similarity_planes
from .tuning import Reference, TuneSettings, tune
from .windows import WindowSettings, decoded, object_window

NONE = 0.1
"""Weight of the network's own assignment where the classical tracker has no object."""
LEAST = 1e-9


@dataclass(frozen=True)
class NanoSettings:
    """Settings of the nano tracker."""

    RENAMED: ClassVar = {"looks": "appearance", "engine": "classical"}

    strength: float = 1.0
    """Weight of the network's residual, in logits: 0 is the classical tracker alone."""
    appearance: float = 0.5
    """Factor of the appearance cue. Colours separate objects better in synthetic clips than in real ones, so
    the network relies on them too much."""
    pixels: int = 80_000
    """Pixels of the network's input; larger ones than in training help little."""
    windows: WindowSettings = field(default_factory=WindowSettings)
    collapse: float = 0.25
    """An object whose area in the classical tracker's mask falls below this share of the previous one is
    segmented from the network's memory alone."""
    found: float = 0.1
    """What the memory finds of it counts from this share of its least area in the reference frames on."""
    columns: int = 256
    """Feature columns stored per object and reference frame; of the background four times as many."""
    tune: bool = False
    """Fit a small part of the network to the reference frames."""
    tuning: TuneSettings = field(default_factory=TuneSettings)
    classical: ClassicalSettings = field(
        default_factory=lambda: ClassicalSettings(novelty=NoveltySettings(discount=0))
    )
    """Without novelty: the network itself sees what is new (drift-turn +0.9 with it, three others +-0.2)."""

    def __post_init__(self) -> None:
        for name in ("strength", "appearance", "collapse", "found"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in 0..1, got {getattr(self, name)}")
        for name in ("pixels", "columns"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class _Known:
    """What follows from the reference frames: it is recomputed when they change, and is no state."""

    given: tuple[ReferenceFrame, ...]
    remembered: tuple[Tensor, ...]
    """Feature columns (C, m) of the background and of every object."""
    network: NanoBackbone
    memory: Remembered | None
    """What the network's memory holds of the reference frames."""
    areas: NDArray[np.float64]
    """(K,) least area of every object in the reference frames that show it, in pixels of the frame."""


@dataclass(frozen=True, eq=False)
class _Encoded:
    """The crop of a frame, as the network has encoded it."""

    backbone: NanoBackbone
    image: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB, the whole frame."""
    crop: Crop
    pyramid: Pyramid
    inner: tuple[int, int]
    """Rows and columns of the network's input that show the crop."""


class NanoRefiner:
    """A :data:`~vos.trackers.classical.frame_context.Refiner`: the classical tracker's probabilities, refined
    by the network."""

    def __init__(self, backbone: NanoBackbone, settings: NanoSettings) -> None:
        self.backbone = backbone
        self.settings = settings
        self._known: _Known | None = None
        self._newest: _Encoded | None = None
        """What was encoded last: the next frame remembers it. No state, for it can be encoded again."""

    def __call__(self, context: FrameContext) -> Floats:
        """(1 + K, h, w) float32 probabilities."""
        known = self._learned(context)
        own = engine_cues(context)
        change = self._change(known, context, own)
        refined = changed(context.probabilities, np.float32(self.settings.strength) * change)
        return shared_out(refined, context.probabilities)

    @torch.inference_mode()
    def _change(self, known: _Known, context: FrameContext, own: Floats) -> Floats:
        """(K, h, w) float32: the network's residual of the logits of the classical tracker's (K, 3, h, w)
        cues."""
        size = context.cropped.shape[:2]
        backbone, network = known.network, known.network.network
        memory = self._memory_with(context, known)
        shown, inner = self._shown(context.cropped)
        pyramid = backbone.network.encoder(backbone.to_input(shown[None]))
        self._newest = _Encoded(backbone, context.image, context.crop, pyramid, inner)
        memory_read = None
        if memory is not None:
            assert network.memory is not None
            memory_read = read_memory(network.memory.keys(pyramid), memory.keys, memory.values)
        cues = torch.zeros(len(own), SIMILAR + 1, *shown.shape[:2])  # of a tracker no other cue is known
        for k, known_of_it in enumerate(own):
            for channel, plane in zip(ENGINE_CUES, known_of_it, strict=True):
                cues[k, channel, : inner[0], : inner[1]] = torch.from_numpy(resized(plane, inner))
        places = [
            object_window(
                one[[MASK, WARPED], : inner[0], : inner[1]].numpy(), shown.shape, self.settings.windows
            )
            for one in cues
        ]
        cues = cues.to(backbone.device)
        cues[:, APPEARANCE] *= self.settings.appearance
        lost = collapsed(context, self.settings.collapse) & (memory_read is not None)
        cues[torch.from_numpy(lost)] = 0
        cues[:, SIMILAR] = similarity_planes(pyramid, known.remembered, shown.shape[:2])
        for k in np.flatnonzero(lost).tolist():  # it may be anywhere
            places[k] = None
        small = decoded(network, pyramid, cues.to(backbone.dtype), memory_read, places)
        planes = small[:, : inner[0], : inner[1]].cpu().numpy()
        change = np.stack([cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR) for plane in planes])
        if lost.any():
            areas = (change > 0).sum(axis=(1, 2)) / context.crop.scale**2
            found = lost & (areas >= self.settings.found * known.areas)
            change[found] -= against_rivals(np.log(context.probabilities + np.float32(CUE_LEAST)))[found]
            # A few cells that resemble an object which is out of sight are not the object.
            change[lost & ~found] = 0
        return change

    def _shown(self, cropped: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """What the network sees of a crop, continued to multiples of 32, and the (h, w) that show it."""
        return padded(resized(cropped, smaller(cropped.shape[:2], self.settings.pixels)))

    def _encoded_before(self, backbone: NanoBackbone, before: PreviousFrame) -> _Encoded:
        """The frame before, which is known if it was the last to be encoded."""
        newest = self._newest
        if (
            newest is not None
            and newest.backbone is backbone
            and newest.image is before.image
            and newest.crop == before.crop
        ):
            return newest
        shown, inner = self._shown(before.crop.cut(before.image))
        pyramid = backbone.network.encoder(backbone.to_input(shown[None]))
        return _Encoded(backbone, before.image, before.crop, pyramid, inner)

    def _memory_with(self, context: FrameContext, known: _Known) -> Remembered | None:
        """The memory of the reference frames and of the frame before; None for a network without one."""
        before = context.previous
        if known.memory is None or before is None:
            return None
        encoded = self._encoded_before(known.network, before)
        masks = [resized(before.crop.cut_mask(before.labels, k), encoded.inner) for k in context.ids]
        return known.memory.with_more(remember(known.network.network, encoded.pyramid, masks))

    def _learned(self, context: FrameContext) -> _Known:
        """What is known of the objects, from the reference frames."""
        known = self._known
        if known is None or [id(g) for g in known.given] != [id(g) for g in context.references]:
            settings, backbone = self.settings, self.backbone
            references = tuple(as_refined(given, settings) for given in context.references)
            if settings.tune:
                backbone = tune(backbone, references, context.ids, settings.tuning)
            remembered = recollect(backbone, references, context.ids, settings.columns)
            memory = memory_of(backbone, references, context.ids)
            areas = least_areas(context.references, context.ids)
            self._known = known = _Known(context.references, remembered, backbone, memory, areas)
        return known


def shared_out(refined: Floats, probabilities: Floats) -> Floats:
    """(1 + K, h, w) probabilities: the foreground of ``refined``, shared among objects by ``probabilities``.

    The network separates objects from the background. Among objects that look alike the tracker decides,
    since it knows where each of them was; where it assigns none, the network does.
    """
    shares = probabilities[1:] + np.float32(NONE) * refined[1:]
    share = (1 - refined[0]) / np.maximum(shares.sum(axis=0), LEAST)
    return np.concatenate([refined[:1], shares * share])


def collapsed(context: FrameContext, least: float) -> NDArray[np.bool_]:
    """(K,) bool: objects whose area is less than ``least`` of that in the previous frame."""
    rows = argmax_rows(context.probabilities)
    areas = np.bincount(rows.ravel(), minlength=len(context.probabilities))[1:]
    if context.previous is None:
        return np.zeros(len(context.ids), bool)
    before = np.array([np.count_nonzero(context.previous.labels == k) for k in context.ids])
    result: NDArray[np.bool_] = areas <= least * before * context.crop.scale**2
    return result


def least_areas(references: Sequence[ReferenceFrame], ids: Sequence[int]) -> NDArray[np.float64]:
    """(K,) least area of every object in the frames that show it, in pixels; 0 where none does."""
    areas = np.array([[np.count_nonzero(given.labels == k) for k in ids] for given in references], float)
    least = np.where(areas > 0, areas, np.inf).min(axis=0)
    return np.where(np.isfinite(least), least, 0.0)


def as_refined(given: ReferenceFrame, settings: NanoSettings) -> Reference:
    """A reference frame in the window, and at the size, in which a frame like it is refined."""
    crop = crop_of(given.labels, settings.classical)
    cropped = crop.cut(given.image)
    size = smaller(cropped.shape[:2], settings.pixels)
    part = np.ascontiguousarray(given.labels[crop.y0 : crop.y1, crop.x0 : crop.x1])
    labels = cv2.resize(part, size[::-1], interpolation=cv2.INTER_NEAREST)
    return Reference(resized(cropped, size), labels)


class NanoTracker(ClassicalTracker):
    """The classical tracker with the network as refiner, as a :class:`~vos.trackers.base.Tracker`.

    Its state is that of the classical tracker: the network's inputs follow from the reference frames.
    """

    def __init__(
        self,
        network: NanoBackbone,
        settings: NanoSettings | None = None,
        confidence: Confidence | None = None,
    ) -> None:
        """``confidence`` as in :class:`~vos.trackers.classical.tracker.ClassicalTracker`."""
        chosen = settings or NanoSettings()
        self.refiner = NanoRefiner(network, chosen)
        super().__init__(
            chosen.classical, refiner=self.refiner, confidence=confidence or fitted_confidence("nano")
        )

    @property
    def info(self) -> TrackerInfo:
        """See :class:`~vos.trackers.base.Tracker`; settings of the network and of the classical tracker."""
        return TrackerInfo(self.refiner.settings, device=str(self.refiner.backbone.device))


def settings_of(settings: Mapping[str, Any]) -> NanoSettings:
    """The settings of the nano tracker with ``settings`` laid over them; or SettingsError."""
    return override(NanoSettings(), settings)


def build(*, settings: NanoSettings, device: str, dtype: str, checkpoint: str | None) -> NanoTracker:
    """The nano tracker.

    Raises:
        ModelError: for weights that cannot be used.
    """
    return NanoTracker(build_nano(device=device, dtype=dtype, checkpoint=checkpoint), settings)
