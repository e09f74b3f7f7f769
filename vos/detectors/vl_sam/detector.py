"""A generative vision-language model as a detector: it names classes, its attention locates them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..attention.detector import AttentionDetectorSettings, instance_parts
from ..base import Detection
from ..points import point_pair
from .attention_flow import Regularisation
from .noun_phrases import ObjectName, singular
from .vlm import VisionLanguageModel

WHICH = (
    "Which of these are in this image: {names}? Answer with a list of those that are, separated by commas."
)


class VlmDetector:
    """A LLaVA- or Qwen-VL-style model as a detector.

    The model is asked which of the names it sees; a name that its answer says is there, and the attention
    flow of the name's tokens is where. Connected regions above the threshold are instances; the score is
    the model's own probability of having said the name.

    Args:
        model: answers and attends.
        regularisation: of the attention flow.
        threshold: share of a map's maximum that a region needs.
        settings: how large a region must be; its gate is not used, the answer decides.
        seed: of sampling.
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        *,
        regularisation: Regularisation = "per_layer",
        threshold: float = 0.5,
        settings: AttentionDetectorSettings = AttentionDetectorSettings(),  # noqa: B008 (frozen)
        seed: int = 0,
    ) -> None:
        self.model = model
        self.regularisation: Regularisation = regularisation
        self.threshold = threshold
        self.settings = settings
        self.seed = seed

    def detect(self, image: NDArray[np.uint8], names: Sequence[str]) -> list[Detection]:
        """See :meth:`vos.detectors.base.Detector.detect`.

        Raises:
            PromptError: if the question with all names and its answer are longer than the model reads.
        """
        question = WHICH.format(names=", ".join(names))
        attention, said = self.model.objects(
            image, question, seed=self.seed, regularisation=self.regularisation
        )
        if attention is None:
            return []
        found: list[Detection] = []
        for name in names:
            mention = mention_of(name, said)
            if mention is None:
                continue
            score = attention.name_probability(mention)
            values = attention.name_map(mention, (image.shape[0], image.shape[1]))
            for part in instance_parts(values >= self.threshold, self.settings):
                pair = point_pair(np.where(part, values, np.float32(0)), self.threshold)
                if pair is not None:
                    found.append(Detection(name, score, pair.box, np.where(part, values, 0), pair))
        return sorted(found, key=lambda entry: -entry.score)


def mention_of(name: str, said: Sequence[ObjectName]) -> ObjectName | None:
    """What a text says that means ``name``: the same words; one word also as the last of several."""
    *first, last = name.lower().split()
    wanted = " ".join([*first, singular(last)])
    same = [entry for entry in said if entry.name == wanted]
    if not first:
        same += [entry for entry in said if entry.name.split()[-1] == wanted]
    return same[0] if same else None


def load_vlm_detector(
    *,
    weights: str | Path | None = None,
    min_score: float | None = None,
    device: str = "cpu",
) -> VlmDetector:
    """A detector over the model in a folder, or in the local cache.

    ``min_score`` is not needed: the model's answer says what is there, and whoever wants more than that
    looks at the scores.

    Raises:
        ModelError: if the weights are not there or are of another kind.
    """
    return VlmDetector(VisionLanguageModel.load(weights, device=device))
