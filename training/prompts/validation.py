"""Mean IoU of first masks on images that are not trained on, prompted as a user would."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vos.arrays import Bools
from vos.backbones.interactive.backbone import InteractiveBackbone
from vos.backbones.interactive.network import InteractiveNetwork, interactive_from
from vos.ops.boxes import tight_box
from vos.ops.iou import mask_iou
from vos.prompts import Prompt


class FirstFrames:
    """Images ``<name>.jpg`` and masks ``<name>.png`` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.images = []
        for path in sorted(folder.glob("*.jpg")):
            mask = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_GRAYSCALE) > 0
            if mask.any():
                self.images.append((cv2.imread(str(path))[..., ::-1], mask))

    def score(self, network: InteractiveNetwork, device: str) -> dict[str, float]:
        """Mean IoU: one click and its best candidate, three clicks, a box."""
        copied = interactive_from({k: v.detach().cpu() for k, v in network.state_dict().items()}, "training")
        backbone = InteractiveBackbone(copied, device=device)
        rows = [self._one(backbone, *pair) for pair in self.images]
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def _one(self, backbone: InteractiveBackbone, image: NDArray[np.uint8], truth: Bools) -> dict[str, float]:
        features = backbone.encode(np.ascontiguousarray(image))
        scores = {}

        def ask(prompt: Prompt, name: str) -> Bools:
            found = backbone.decode(features, [prompt])
            masks = found.logits[0].numpy() > 0
            scores[f"{name}_best"] = max(mask_iou(mask, truth) for mask in masks)
            chosen: Bools = masks[int(found.scores[0].argmax())]
            scores[name] = mask_iou(chosen, truth)
            return chosen

        points, labels = [_deepest(truth)], [1]
        answer = ask(Prompt(points=np.array(points, np.float32), labels=np.array(labels)), "click")
        for number in (2, 3):
            missed, wrong = truth & ~answer, answer & ~truth
            on = missed.sum() >= wrong.sum()
            points.append(_deepest(missed if on else wrong))
            labels.append(int(on))
            answer = ask(
                Prompt(points=np.array(points, np.float32), labels=np.array(labels)), f"clicks{number}"
            )
        ask(Prompt(box=np.asarray(tight_box(truth), np.float32)), "box")
        return scores


def _deepest(region: Bools) -> tuple[float, float]:
    distance = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(column), float(row)
