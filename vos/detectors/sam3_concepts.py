"""SAM 3's concept prompts as a detector: masks of all instances of a name (Carion et al. 2025).

Through transformers' image model, one pass of its trunk per image, whatever the number of names. Scores are
read as its video program reads them: how well a query fits, times the probability that the name is in the
image at all; masks that overlap are suppressed here, by one implementation on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ..backbones.weights.pretrained import load_pretrained
from ..errors import PromptError
from ..ops.nms import suppress
from .base import Detection, Exemplar
from .open_vocabulary import MAX_DETECTIONS

SAM3 = "facebook/sam3"
OVERLAP = 0.1
"""IoU of two masks of one name above which the better one stays (its authors' value)."""
LONGEST = 32
"""Tokens of a name that the text encoder reads."""


class Sam3ConceptDetector:
    """``Sam3Model``: a name, exemplar boxes in the image, or both.

    Args:
        model: of transformers.
        processor: its processor.
        min_score: 0..1; None: 0.5, its authors' value.
    """

    usual_score = 0.5
    takes_exemplars = True

    def __init__(self, model: Any, processor: Any, *, min_score: float | None = None) -> None:
        self.model = model.eval()
        self.processor = processor
        self.min_score = self.usual_score if min_score is None else min_score
        self._texts: dict[str, tuple[Any, torch.Tensor]] = {}

    @torch.inference_mode()
    def detect(
        self, image: NDArray[np.uint8], names: Sequence[str], exemplars: Sequence[Exemplar] = ()
    ) -> list[Detection]:
        """See :meth:`vos.detectors.base.Detector.detect`; every detection has a mask.

        Args:
            image: (H, W, 3) uint8 RGB.
            names: what to find.
            exemplars: boxes in this image of things that do, or do not, count among their name.

        Raises:
            PromptError: for a name that is longer than the model reads, or exemplars of other names.
        """
        for exemplar in exemplars:
            if exemplar.name not in names:
                raise PromptError(
                    f"an exemplar is of {exemplar.name!r}, which is not among the classes: "
                    f"{', '.join(map(repr, names))}"
                )
        texts = [self._text(name) for name in names]
        pixels = self.processor(images=image, return_tensors="pt").pixel_values
        vision = self.model.get_vision_features(pixels.to(self.model.device, self.model.dtype))
        found: list[Detection] = []
        for name, (text, mask) in zip(names, texts, strict=True):
            boxes = self._boxes([one for one in exemplars if one.name == name], image.shape[:2])
            out = self.model(vision_embeds=vision, text_embeds=text, attention_mask=mask, **boxes)
            found += self._instances(name, out, image.shape[:2])
        return sorted(found, key=lambda entry: -entry.score)[:MAX_DETECTIONS]

    def _text(self, name: str) -> tuple[Any, torch.Tensor]:
        """Features of a name, encoded once, and which of its tokens count."""
        if name not in self._texts:
            tokenizer = self.processor.tokenizer
            length = len(tokenizer(name)["input_ids"])
            if length > LONGEST:
                raise PromptError(
                    f"{name!r} takes {length} tokens, but the limit of the model is {LONGEST}; use a "
                    f"shorter name"
                )
            tokens = tokenizer(name, return_tensors="pt", padding="max_length", max_length=LONGEST)
            tokens = tokens.to(self.model.device)
            features = self.model.get_text_features(
                input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, return_dict=True
            )
            self._texts[name] = features, tokens.attention_mask
        return self._texts[name]

    def _boxes(self, exemplars: Sequence[Exemplar], size: tuple[int, int]) -> dict[str, torch.Tensor]:
        """Exemplars as the model takes them: centre and size as shares of the image, and 1 or 0."""
        if not exemplars:
            return {}
        height, width = size
        corners = torch.tensor([one.box for one in exemplars], dtype=torch.float32)
        corners[:, 2:] += 1  # inclusive pixel indices to edges
        corners /= torch.tensor([width, height, width, height])
        boxes = torch.cat(((corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]), dim=1)
        labels = torch.tensor([int(one.positive) for one in exemplars])
        device = self.model.device
        return {"input_boxes": boxes[None].to(device), "input_boxes_labels": labels[None].to(device)}

    def _instances(self, name: str, out: Any, size: tuple[int, int]) -> list[Detection]:
        """Finds of one name: queries with enough of a score, without those that repeat a better one."""
        scores = out.pred_logits[0].float().sigmoid() * out.presence_logits[0].float().sigmoid()
        good = (scores >= self.min_score).nonzero()[:, 0]
        good = good[scores[good].argsort(descending=True, stable=True)][:MAX_DETECTIONS]
        masks = out.pred_masks[0][good].float()
        kept = suppress((masks > 0).cpu().numpy(), scores[good].tolist(), threshold=OVERLAP)
        found: list[Detection] = []
        for row in kept:
            logits = F.interpolate(masks[row][None, None], size, mode="bilinear", align_corners=False)
            plane = logits[0, 0].cpu().numpy()
            rows, columns = np.nonzero(plane > 0)
            if len(rows):
                box = int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())
                found.append(Detection(name, float(scores[good[row]]), box, None, None, plane))
        return found


def load_sam3_concepts(
    *,
    weights: str | Path | None = None,
    min_score: float | None = None,
    device: str = "cpu",
) -> Sam3ConceptDetector:
    """SAM 3 from a folder as the Hub has it, or from the local cache; nothing is downloaded.

    Raises:
        ModelError: if the weights are not there or are of another kind.
    """
    from transformers import Sam3Model, Sam3Processor

    model, processor = load_pretrained(
        Sam3Model,
        Sam3Processor,
        SAM3 if weights is None else weights,
        "Access to SAM 3 is gated, and its SAM License forbids some uses: accept it and request access at "
        f"https://huggingface.co/{SAM3}, fetch it with `hf download {SAM3} --local-dir DIR`, and name the "
        "folder: --detector-weights DIR.",
    )
    return Sam3ConceptDetector(model.to(device), processor, min_score=min_score)
