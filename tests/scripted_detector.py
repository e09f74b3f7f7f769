"""A detector that knows the true masks of a scene: a stand-in for a vision-language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vos.detectors.base import Detection
from vos.detectors.points import point_pair
from vos.errors import PromptError
from vos.ops.boxes import tight_box
from vos.testing import Scene


class ScriptedDetector:
    """Finds the objects of a scene by the names they are given, with boxes, or with points as well.

    Args:
        scene: images are recognised by their pixels.
        names: object id -> name; what has none is never found.
        blind: frame indices in which nothing is found.
        score: of an object, by id.
        points: whether finds have a map and points, as attention gives.
    """

    def __init__(
        self,
        scene: Scene,
        names: Mapping[int, str],
        *,
        blind: Sequence[int] = (),
        score: Mapping[int, float] | None = None,
        points: bool = False,
    ) -> None:
        self.asked: list[tuple[int, tuple[str, ...]]] = []
        """(frame index, names) of every call."""
        self._scene = scene
        self._names = dict(names)
        self._blind = set(blind)
        self._score = dict(score or {})
        self._points = points
        self._index = {frame.image.tobytes(): frame.index for frame in reversed(scene.frames)}

    def detect(self, image: NDArray[np.uint8], names: Sequence[str]) -> list[Detection]:
        """See :class:`vos.detectors.base.Detector`."""
        index = self._index[image.tobytes()]
        self.asked.append((index, tuple(names)))
        for name in names:
            if name == "unheard of":
                raise PromptError(
                    f"the vocabulary of the model lacks {name!r}; it knows: {set(self._names.values())}"
                )
        found = []
        for object_id, name in self._names.items():
            mask = self._scene.labels[index] == object_id
            box = tight_box(mask)
            if name not in names or index in self._blind or box is None:
                continue
            values = mask.astype(np.float32)
            pair = point_pair(values) if self._points else None
            score = self._score.get(object_id, 0.9)
            found.append(Detection(name, score, box, values if self._points else None, pair))
        return sorted(found, key=lambda entry: -entry.score)
