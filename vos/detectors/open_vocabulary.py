"""Plain detectors as detectors: boxes for names, from Grounding DINO and OWLv2 through transformers.

Their scores and boxes are read from the model's output directly: a name's score is that of its own tokens
or query, so two names never run into one phrase.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..backbones.weights.pretrained import load_pretrained
from ..errors import PromptError
from ..ops.boxes import box_iou
from .base import Detection

GROUNDING_DINO = "IDEA-Research/grounding-dino-tiny"
OWLV2 = "google/owlv2-base-patch16-ensemble"
OWLV2_TEMPLATE = "a photo of a {}"
MAX_DETECTIONS = 100
"""So many detections are kept at most, the best ones: detectors of hundreds of queries repeat themselves."""
SAME_BOX = 0.7
"""IoU of two boxes of one name from which on they are one detection."""


class _Detector:
    """A model of transformers with its processor, and the score that its boxes need.

    Args:
        model: of the class that the detector is for.
        processor: its processor.
        min_score: 0..1; None: what suits the detector.
    """

    usual_score: float

    def __init__(self, model: Any, processor: Any, *, min_score: float | None = None) -> None:
        self.model = model.eval()
        self.processor = processor
        self.min_score = self.usual_score if min_score is None else min_score


D = TypeVar("D", bound=_Detector)


class GroundingDinoDetector(_Detector):
    """``GroundingDinoForObjectDetection``: all names in one sentence, a score for every token of it."""

    usual_score = 0.35
    """Its authors' box threshold."""

    @torch.inference_mode()
    def detect(self, image: NDArray[np.uint8], names: Sequence[str]) -> list[Detection]:
        """See :meth:`vos.detectors.base.Detector.detect`.

        Raises:
            PromptError: for a name without a word the model knows, or more names than its sentence holds.
        """
        text, spans = self._sentence(names)
        inputs = self.processor(images=image, text=text, return_tensors="pt").to(self.model.device)
        outputs = self.model(**inputs)
        tokens = outputs.logits[0].float().sigmoid()
        scores = torch.stack([tokens[:, list(span)].amax(dim=1) for span in spans], dim=1)
        height, width = image.shape[:2]
        return _detections(scores, outputs.pred_boxes[0], names, image, (width, height), self.min_score)

    def _sentence(self, names: Sequence[str]) -> tuple[str, list[list[int]]]:
        """ "red car. dog." and, for each name, the positions of its tokens."""
        text, places = "", []
        for name in names:
            plain = " ".join(name.lower().replace(".", " ").split())
            places.append((len(text), len(text) + len(plain)))
            text += f"{plain}. "
        text = text.rstrip()
        tokenizer = self.processor.tokenizer
        encoded = tokenizer(text, return_offsets_mapping=True)
        length, longest = len(encoded["input_ids"]), int(self.model.config.max_text_len)
        if length > longest:
            raise PromptError(
                f"{len(names)} class names take {length} tokens, but the limit of the model is {longest}; "
                "name fewer classes, or use shorter names"
            )
        spans = []
        for name, (start, stop) in zip(names, places, strict=True):
            span = [
                i for i, (a, b) in enumerate(encoded["offset_mapping"]) if a < stop and b > start and b > a
            ]
            _refuse_unknown(name, [encoded["input_ids"][i] for i in span], tokenizer)
            spans.append(span)
        return text, spans


class Owlv2Detector(_Detector):
    """``Owlv2ForObjectDetection``: a query for every name."""

    usual_score = 0.2
    """Its authors draw boxes from 0.1 or 0.2 on, by taste."""

    @torch.inference_mode()
    def detect(self, image: NDArray[np.uint8], names: Sequence[str]) -> list[Detection]:
        """See :meth:`vos.detectors.base.Detector.detect`.

        Raises:
            PromptError: for a name the model has no word for, or that is longer than it reads.
        """
        queries = [OWLV2_TEMPLATE.format(name) for name in names]
        self._check(names, queries)
        inputs = self.processor(text=[queries], images=image, return_tensors="pt").to(self.model.device)
        outputs = self.model(**inputs)
        scores = outputs.logits[0].float().sigmoid()[:, : len(names)]
        # The image is padded below and on the right to a square, which the boxes are relative to.
        side = max(image.shape[:2])
        return _detections(scores, outputs.pred_boxes[0], names, image, (side, side), self.min_score)

    def _check(self, names: Sequence[str], queries: Sequence[str]) -> None:
        tokenizer = self.processor.tokenizer
        longest = int(self.model.config.text_config.max_position_embeddings)
        for name, query in zip(names, queries, strict=True):
            ids = tokenizer(query)["input_ids"]
            if len(ids) > longest:
                raise PromptError(
                    f"{query!r} takes {len(ids)} tokens, but the limit of the model is {longest}; use a "
                    f"shorter name"
                )
            _refuse_unknown(name, tokenizer(name, add_special_tokens=False)["input_ids"], tokenizer)


def _refuse_unknown(name: str, tokens: Sequence[int], tokenizer: Any) -> None:
    # Tokenizers of CLIP's kind spell any word in known pieces and name their end token as unknown.
    unknown = tokenizer.unk_token_id
    if not tokens or (unknown != tokenizer.eos_token_id and unknown in tokens):
        raise PromptError(
            f"the vocabulary of the model lacks {name!r}; use plain words of the language it was trained on"
        )


def _detections(
    scores: torch.Tensor,
    boxes: torch.Tensor,
    names: Sequence[str],
    image: NDArray[np.uint8],
    scale: tuple[int, int],
    min_score: float,
) -> list[Detection]:
    """Finds of Q queries, best first.

    Args:
        scores: (Q, C), 0..1, of every name.
        boxes: (Q, 4) centre x, centre y, width, height, as shares of ``scale`` (width, height) in pixels.
        names: the C names.
        image: (H, W, 3); boxes are cut at its border.
        scale: what the boxes are shares of.
        min_score: detections below are left out.
    """
    best, label = scores.max(dim=1)
    order = best.argsort(descending=True, stable=True)
    order = order[best[order] >= min_score]
    height, width = image.shape[:2]
    found: list[Detection] = []
    for query in order.tolist():
        x, y, w, h = (boxes[query].float().cpu().numpy() * np.array([*scale, *scale])).tolist()
        # Edges of the box lie between pixels; the last pixel inside is one less.
        x0, y0 = round(x - w / 2), round(y - h / 2)
        x1, y1 = round(x + w / 2) - 1, round(y + h / 2) - 1
        box = max(x0, 0), max(y0, 0), min(x1, width - 1), min(y1, height - 1)
        name = names[int(label[query])]
        if box[2] <= box[0] or box[3] <= box[1]:
            continue
        if any(other.name == name and box_iou(other.box, box) >= SAME_BOX for other in found):
            continue
        found.append(Detection(name, float(best[query]), box, None, None))
        if len(found) == MAX_DETECTIONS:
            break
    return found


def load_grounding_dino(**options: Any) -> GroundingDinoDetector:
    """Grounding DINO from a folder, or from the local cache; options of :func:`_load`."""
    from transformers import GroundingDinoForObjectDetection

    return _load(GroundingDinoDetector, GroundingDinoForObjectDetection, GROUNDING_DINO, **options)


def load_owlv2(**options: Any) -> Owlv2Detector:
    """OWLv2 from a folder, or from the local cache; options of :func:`_load`."""
    from transformers import Owlv2ForObjectDetection

    return _load(Owlv2Detector, Owlv2ForObjectDetection, OWLV2, **options)


def _load(
    detector_class: type[D],
    model_class: Any,
    checkpoint: str,
    *,
    weights: str | Path | None = None,
    min_score: float | None = None,
    device: str = "cpu",
) -> D:
    """The detector with its model; nothing is downloaded.

    Raises:
        ModelError: if the weights are not there or are of another kind.
    """
    from transformers import AutoProcessor

    model, processor = load_pretrained(
        model_class,
        AutoProcessor,
        checkpoint if weights is None else weights,
        f"Fetch them once with `hf download {checkpoint} --local-dir DIR` and name the folder: "
        "--detector-weights DIR.",
    )
    return detector_class(model.to(device), processor, min_score=min_score)
