"""``interactive``: first masks from points, boxes, strokes and rough masks, by a small network of our own.

The first point is looked for in the whole image, a box in its surroundings, and further points in those of
the mask that they correct, as interactive segmentation does with small objects (FocalClick, Chen et al.,
2022). Points are answered in the order they were given, and each further one changes what lies around it
alone (:mod:`.corrections`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ...arrays import Floats
from ...errors import PromptError
from ...ops.boxes import tight_box
from ...ops.monotone_logistic import load_models
from ...prompts import Prompt
from ..base import Candidates, FrameFeatures, Guidance
from ..classical.backbone import GraphCutBackbone, decode_one, mask_logits
from ..classical.working_crop import RegionCrop, crop_regions
from ..expected_quality import Models
from ..folding import with_folded_norms
from ..image_crop import CropBox, crop_box_around, low_res_of, resized
from ..sam.backbone import check_device, check_dtype
from ..weights.checkpoints import load_state
from ..weights.location import locate_packaged
from .choice import Answer, distinct, rank
from .corrections import corrected, moved, obeyed, obeys
from .crops import PADDING, FeatureCrop, input_size, prompt_planes
from .fusion import Fusion, FusionSettings
from .motion import MotionSettings, ResidualFlow, motion_log_odds, residual_flows
from .network import InteractiveNetwork, interactive_from
from .spreading import SpreadSettings, spread

CANDIDATES = 3
CACHED_CROPS = 4
CACHED_ANSWERS = 8
LOGIT = 8.0
"""Size of the logits beyond a box, and outside a box."""
GIVEN_QUALITY = 0.8
"""Expected IoU of a mask that points correct, before they do."""
LEAST_MARGIN, ROOM = 0.5, 1.7
"""A crop serves for the next point as well while the object has this share of its margin, and the crop at
most this many times the pixels of a new one."""
LEAST_LENGTH = 1e-12
REGION_PIXELS = 100_000
"""Pixels of the crop around a box or a mask whose regions are joined."""


@dataclass(frozen=True)
class InteractiveSettings:
    """Crops, and the answer to further points."""

    whole_pixels: int = 115_000
    """Pixels of the whole image as the network sees it."""
    close_pixels: int = 90_000
    """Pixels of the box around an object."""
    margin: float = 0.35
    """Margin around an object, in mean sides of its box."""
    local: bool = True
    """Whether a further point changes what lies around it alone."""
    spread: SpreadSettings | None = field(default_factory=SpreadSettings)
    """How far a further point reaches beyond what the network changes; None: no further."""
    iterations: int = 3
    """Passes of the network for a first mask, each with the mask of the pass before."""
    fusion: FusionSettings = field(default_factory=FusionSettings)
    """Weights of the cues for the first mask."""
    motion: MotionSettings | None = field(default_factory=MotionSettings)
    """How motion helps with the first prompt; None: it does not."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a prompt was answered with."""

    answers: list[Answer]
    """The best one first."""
    crop: CropBox | None = None
    """In which the last point was decoded; None: in the whole image."""


@dataclass(eq=False)
class InteractiveContext:
    """What the decoder needs of an image."""

    image: NDArray[np.uint8]
    whole: FeatureCrop
    cut: FrameFeatures
    """Those of the classical backbone."""
    crops: dict[tuple[CropBox, bool], FeatureCrop] = field(default_factory=dict)
    """Crops encoded since, and whether they are mirrored; a few."""
    regions: dict[CropBox, RegionCrop] = field(default_factory=dict)
    """Of crops, a few."""
    decoded: dict[bytes, Decoded] = field(default_factory=dict)
    """By prompt, a few: the next point continues from them."""
    flows: Sequence[ResidualFlow] = ()
    """To images near this one in time, where there is a video."""


class InteractiveBackbone:
    """The interactive network behind the :class:`~vos.backbones.base.Backbone` seam.

    With ``multimask`` there are three candidates, ordered from small to large. Every candidate obeys the
    prompt: positive points are inside, negative ones outside, and nothing is outside a box.
    """

    accepts_guidance = False
    refines_itself = True
    """Its masks need no second pass."""

    def __init__(
        self,
        network: InteractiveNetwork,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        settings: InteractiveSettings | None = None,
    ) -> None:
        """
        Raises:
            ModelError: if the device or dtype is not known or not there.
        """
        self.device, self.dtype = check_device(device), check_dtype(dtype)
        self.network = with_folded_norms(network).to(self.device, self.dtype)
        self.network.to(memory_format=torch.channels_last)
        self.settings = settings or InteractiveSettings()
        self.classical = GraphCutBackbone()

    @property
    def quality_models(self) -> Models:
        """For :func:`vos.backbones.expected_quality.expected_quality`; fitted to the packaged weights."""
        return load_models("interactive")

    @torch.inference_mode()
    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """Features of an (H, W, 3) uint8 RGB image."""
        height, width = image.shape[:2]
        whole = self._encode_crop(image, (0, 0, width, height), self.settings.whole_pixels)
        columns = whole.levels[2][0].float()
        lengths = columns.norm(dim=0).clamp_min(LEAST_LENGTH)
        context = InteractiveContext(image, whole, self.classical.encode(image))
        return FrameFeatures(columns / lengths, (height, width), context, lengths)

    def encode_in_video(
        self, image: NDArray[np.uint8], nearby: Callable[[], Sequence[NDArray[np.uint8]]]
    ) -> FrameFeatures:
        """See :class:`~vos.backbones.in_video.SeesMotion`."""
        features = self.encode(image)
        if self.settings.motion is not None:
            features.context.flows = residual_flows(image, nearby(), self.settings.motion)
        return features

    @torch.inference_mode()
    def decode(
        self,
        features: FrameFeatures,
        prompts: Sequence[Prompt],
        *,
        guidance: Sequence[Guidance] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """Masks for N prompts; K = 3, or the best one alone without ``multimask``.

        Raises:
            PromptError: if a mask does not have the size of the image.
        """
        context: InteractiveContext = features.context
        size = features.image_size
        count = CANDIDATES if multimask else 1
        logits = np.empty((len(prompts), count, *size), np.float32)
        scores = np.empty((len(prompts), count), np.float32)
        for row, prompt in enumerate(prompts):
            if prompt.mask is not None and prompt.mask.shape != size:
                raise PromptError(f"mask must have the size of the image, {size}, got {prompt.mask.shape}")
            for place, answer in enumerate(distinct(self._decoded(context, prompt).answers, count)):
                logits[row, place], scores[row, place] = obeyed(answer.logits, prompt), answer.quality
        return Candidates(
            torch.from_numpy(logits), torch.from_numpy(low_res_of(logits)), torch.from_numpy(scores)
        )

    def _decoded(self, context: InteractiveContext, prompt: Prompt) -> Decoded:
        """Candidates for a prompt."""
        key = _key(prompt)
        if key not in context.decoded:
            _make_room(context.decoded, CACHED_ANSWERS)
            earlier = self._earlier(prompt)
            if earlier is None:
                found = Decoded(self._first(context, prompt))
            elif earlier.mask is not None and earlier.box is None and earlier.points is None:
                # Points on a mask correct it: the rest of it stays as it is.
                given = Answer(LOGIT * (2 * earlier.mask.astype(np.float32) - 1), GIVEN_QUALITY)
                found = self._further(context, prompt, Decoded([given]))
            else:
                found = self._further(context, prompt, self._decoded(context, earlier))
            context.decoded[key] = found
        return context.decoded[key]

    def _earlier(self, prompt: Prompt) -> Prompt | None:
        """The prompt without its last point; None if it is answered from nothing."""
        if not self.settings.local or prompt.points is None or prompt.labels is None:
            return None
        placed = prompt.box is not None or prompt.mask is not None or prompt.low_res is not None
        rest = len(prompt.labels) - 1
        at_once = 0 if placed or not (prompt.labels == 1).any() else 1 + int(np.argmax(prompt.labels == 1))
        if rest < at_once or (rest == 0 and not placed):
            return None
        if rest == 0:
            return replace(prompt, points=None, labels=None)
        return replace(prompt, points=prompt.points[:-1], labels=prompt.labels[:-1])

    def _first(self, context: InteractiveContext, prompt: Prompt) -> list[Answer]:
        """Without a previous mask: network, motion, colours and position together; of masks, graph cuts."""
        placed = prompt.box is not None or (prompt.labels is not None and (prompt.labels == 1).any())
        if not placed or prompt.mask is not None or prompt.low_res is not None:
            cut = decode_one(context.cut.context, prompt, None, CANDIDATES)
            answers = [Answer(logits, float(score)) for logits, score in zip(*cut, strict=True)]
            return rank(answers, prompt)
        odds = motion_log_odds(context.flows, prompt, context.whole.image_size, self.settings.motion)
        if prompt.box is None:
            views, regions = [context.whole], context.cut.context.whole
        else:
            box = self._surroundings(context, prompt.box, prompt)
            views = [self._crop(context, box, mirrored) for mirrored in (False, True)]
            regions = self._regions(context, box)
        motion = None if odds is None else views[0].values(odds)
        fusion = Fusion(regions, prompt, motion, self.settings.fusion)
        joined = self._joined(fusion, views, prompt)
        return [Answer(mask_logits(regions, prompt, mask), quality) for mask, quality in fusion.masks(joined)]

    def _joined(self, fusion: Fusion, views: Sequence[FeatureCrop], prompt: Prompt) -> Floats:
        """(n,) log-odds of the regions; the network is asked again with what they are so far."""
        before = None
        for _ in range(self.settings.iterations):
            seen = [np.clip(self._network(view, prompt, before)[0], -LOGIT, LOGIT) for view in views]
            odds = fusion.odds(np.mean(seen, axis=(0, 1)))
            before = resized(odds[fusion.crop.regions.labels], views[0].size)
        return odds

    def _further(self, context: InteractiveContext, prompt: Prompt, before: Decoded) -> Decoded:
        """One point more than what ``before`` answers."""
        assert prompt.points is not None
        assert prompt.labels is not None
        point, label = prompt.points[-1], int(prompt.labels[-1])
        kept = [answer for answer in before.answers if obeys(answer.logits, prompt)]
        if kept and kept[0] is before.answers[0]:
            return Decoded(kept, before.crop)
        old = before.answers[0].logits
        found = tight_box(old > 0)
        crop = context.whole
        if found is not None:
            around = np.asarray(found, np.float32)
            if label == 1:
                around = np.concatenate([np.minimum(around[:2], point), np.maximum(around[2:], point)])
            crop = self._crop(context, self._surroundings(context, around, prompt, before.crop))
        asked = rank(self._ask(crop, prompt, crop.values(old)), prompt)
        answers = [Answer(corrected(old, answer.logits, point, label), answer.quality) for answer in asked]
        if self.settings.spread is not None:
            near = self._regions(context, crop.box)
            wider = spread(near, old, asked[0].logits, prompt, self.settings.spread)
            answers[0] = Answer(moved(answers[0].logits, wider, label), answers[0].quality)
        answers.sort(key=lambda answer: not obeys(answer.logits, prompt))
        return Decoded(answers + kept, crop.box)

    def _encode_crop(
        self, image: NDArray[np.uint8], box: CropBox, pixels: int, mirrored: bool = False
    ) -> FeatureCrop:
        x0, y0, x1, y1 = box
        crop, size = image[y0:y1, x0:x1], input_size(box, pixels)
        if mirrored:
            crop = crop[:, ::-1]
        way = cv2.INTER_AREA if size[0] * size[1] < crop.shape[0] * crop.shape[1] else cv2.INTER_LINEAR
        crop = cv2.resize(np.ascontiguousarray(crop), size[::-1], interpolation=way)
        planes = torch.from_numpy(crop).to(self.device).permute(2, 0, 1)[None].to(self.dtype)
        shown = (planes / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        return FeatureCrop(box, (image.shape[0], image.shape[1]), size, self.network.encoder(shown), mirrored)

    def _crop(self, context: InteractiveContext, box: CropBox, mirrored: bool = False) -> FeatureCrop:
        """The network's features of a crop, or of its mirror image."""
        if box == context.whole.box and not mirrored:
            return context.whole
        if (box, mirrored) not in context.crops:
            _make_room(context.crops, CACHED_CROPS)
            whole = box == context.whole.box
            pixels = self.settings.whole_pixels if whole else self.settings.close_pixels
            context.crops[box, mirrored] = self._encode_crop(context.image, box, pixels, mirrored)
        return context.crops[box, mirrored]

    def _surroundings(
        self,
        context: InteractiveContext,
        box: NDArray[np.floating],
        prompt: Prompt,
        last: CropBox | None = None,
    ) -> CropBox:
        """The surroundings of a box and of the points on the object; the ``last`` crop if it still serves."""
        box, size, margin = _with_points(box, prompt), context.whole.image_size, self.settings.margin
        surroundings = crop_box_around(box, size, margin, PADDING)
        if last is not None:
            x0, y0, x1, y1 = crop_box_around(box, size, LEAST_MARGIN * margin, PADDING)
            within = last[0] <= x0 and last[1] <= y0 and last[2] >= x1 and last[3] >= y1
            if within and _pixels(last) <= ROOM * _pixels(surroundings):
                surroundings = last
        return surroundings

    def _regions(self, context: InteractiveContext, box: CropBox) -> RegionCrop:
        if box not in context.regions:
            _make_room(context.regions, CACHED_CROPS)
            context.regions[box] = crop_regions(context.image, box, REGION_PIXELS)
        return context.regions[box]

    def _ask(self, crop: FeatureCrop, prompt: Prompt, mask: Floats | None) -> list[Answer]:
        """The network's candidates, brought to the size of the image."""
        return [
            Answer(crop.to_image(values, -LOGIT), float(score))
            for values, score in zip(*self._network(crop, prompt, mask), strict=True)
        ]

    def _network(self, crop: FeatureCrop, prompt: Prompt, mask: Floats | None) -> tuple[Floats, Floats]:
        """(3, h, w) logits in the pixels of the crop, and their (3,) expected IoU."""
        planes = prompt_planes(crop, prompt, mask)
        if crop.mirrored:
            planes = np.ascontiguousarray(planes[..., ::-1])
        given = torch.from_numpy(planes)[None].to(self.device, self.dtype)
        found, quality = self.network.decoder(crop.levels, given)
        logits = found[0].float().cpu().numpy()
        expected = torch.sigmoid(quality[0].float()).cpu().numpy()
        return logits[..., ::-1] if crop.mirrored else logits, expected


def _make_room(cache: dict[Any, Any], size: int) -> None:
    while len(cache) >= size:
        cache.pop(next(iter(cache)))


def _key(prompt: Prompt) -> bytes:
    parts = (prompt.points, prompt.labels, prompt.box, prompt.mask, prompt.low_res)
    return b"|".join(b"" if part is None else np.ascontiguousarray(part).tobytes() for part in parts)


def _with_points(box: NDArray[np.floating], prompt: Prompt) -> NDArray[np.floating]:
    """The smallest box around a box and the points on the object."""
    if prompt.points is None or prompt.labels is None or not (prompt.labels == 1).any():
        return np.asarray(box)
    on = prompt.points[prompt.labels == 1]
    return np.concatenate([np.minimum(box[:2], on.min(axis=0)), np.maximum(box[2:], on.max(axis=0))])


def _pixels(box: CropBox) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def build_interactive(
    *, checkpoint: str | Path | None = None, device: str = "cpu", dtype: str = "float32"
) -> InteractiveBackbone:
    """The backbone with the weights that come with the package, or with those in ``checkpoint``.

    Raises:
        ModelError: if weights are missing, unusable or another model's, or device or dtype cannot be used.
    """
    check_device(device)
    check_dtype(dtype)
    path = locate_packaged("interactive") if checkpoint is None else Path(checkpoint)
    return InteractiveBackbone(interactive_from(load_state(path), str(path)), device=device, dtype=dtype)
