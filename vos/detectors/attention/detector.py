"""Segmentation from attention as a detector: connected regions of each class map are its instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..base import Detection
from ..points import point_pair
from .blip import BlipMatcher, EncodedPrompts
from .registry import build_language_model
from .segment import SegmentSettings, segment_images
from .text_prompts import build_prompts, vocabulary_for
from .tuning import load_tuned


@dataclass(frozen=True)
class AttentionDetectorSettings:
    """When a region of a class counts as an instance."""

    min_gate: float = 0.5
    """Matching probability of the name with the image, at least."""
    min_area: float = 0.002
    """Share of the image that an instance covers, at least."""
    min_share: float = 0.2
    """Size of an instance relative to the largest of its name, at least."""
    min_relative: float = 0.8
    """Score of an instance relative to the best of its name, at least: where several regions draw a name's
    attention, those it is not about draw less of it."""


class AttentionDetector:
    """Segmentation From Attention as a detector: connected regions of each class are its instances.

    Args:
        matcher: a BLIP-style model, tuned or not.
        multi_prompt: use the lexicon's synonyms too.
        segment: layers, CRF.
        settings: what counts as an instance.
    """

    def __init__(
        self,
        matcher: BlipMatcher,
        *,
        multi_prompt: bool = False,
        segment: SegmentSettings = SegmentSettings(),  # noqa: B008 (frozen)
        settings: AttentionDetectorSettings = AttentionDetectorSettings(),
    ) -> None:
        self.matcher = matcher
        self.multi_prompt = multi_prompt
        self.segment = segment
        self.settings = settings
        self._encoded: tuple[tuple[str, ...], EncodedPrompts] | None = None

    def detect(self, image: NDArray[np.uint8], names: Sequence[str]) -> list[Detection]:
        """See :meth:`Detector.detect`. The names of the last call stay encoded."""
        key = tuple(names)
        if self._encoded is None or self._encoded[0] != key:
            prompts = build_prompts(vocabulary_for(names, self.matcher.lexicon), multi=self.multi_prompt)
            self._encoded = key, self.matcher.encode_prompts(prompts)
        result = next(segment_images(self.matcher, self._encoded[1], [image], self.segment))
        probability = result.probability().float().cpu().numpy()
        found: list[Detection] = []
        for label, name in enumerate(names, start=1):
            if result.gate[label] < self.settings.min_gate:
                continue
            parts = instance_parts(result.labels == label, self.settings)
            scores = [float(result.gate[label] * probability[label][part].mean()) for part in parts]
            for part, score in zip(parts, scores, strict=True):
                if score < self.settings.min_relative * max(scores):
                    continue
                values = np.where(part, probability[label], 0).astype(np.float32)
                values /= max(float(values.max()), 1e-12)
                pair = point_pair(values, threshold=1e-6)
                if pair is not None:
                    found.append(Detection(name, score, pair.box, values, pair))
        return sorted(found, key=lambda entry: -entry.score)


def instance_parts(
    mask: NDArray[np.bool_],
    settings: AttentionDetectorSettings = AttentionDetectorSettings(),
) -> list[NDArray[np.bool_]]:
    """8-connected parts of an (H, W) mask that are large enough, largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if count < 2:
        return []
    least = max(settings.min_area * mask.size, settings.min_share * float(areas.max()))
    order = np.argsort(-areas, kind="stable")
    return [labels == part + 1 for part in order if areas[part] >= least]


def load_matcher(
    model: str,
    *,
    weights: str | Path | None = None,
    tuned: str | Path | None = None,
    device: str = "cpu",
) -> BlipMatcher:
    """The matching model of that name in :data:`vos.detectors.attention.registry.LANGUAGE_MODELS`, tuned
    where asked for.

    Raises:
        ModelError: if weights or what was tuned are not there or do not fit.
    """
    matcher: BlipMatcher = build_language_model(model, checkpoint=weights, device=device)
    if tuned is not None:
        load_tuned(Path(tuned), matcher)
    return matcher


def load_attention_detector(
    model: str,
    *,
    weights: str | Path | None = None,
    tuned: str | Path | None = None,
    min_score: float | None = None,
    device: str = "cpu",
) -> AttentionDetector:
    """An attention detector over the model of :func:`load_matcher`.

    Its maps are not smoothed: a backbone draws the outlines, and smoothing wipes out what is small.
    ``min_score`` is not needed: the model's own matching gate says what is there, and whoever wants more
    than that looks at the scores.

    Raises:
        ModelError: as of :func:`load_matcher`.
    """
    matcher = load_matcher(model, weights=weights, tuned=tuned, device=device)
    return AttentionDetector(matcher, segment=SegmentSettings(crf="none"))
