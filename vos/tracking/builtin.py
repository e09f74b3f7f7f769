"""The built-in video engine: no learned weights, any object, on the CPU.

Two witnesses speak about every pixel of a new frame, and one energy hears them together:

- *time*: the previous labels, carried along optical flow, trusted as far as flow there and back agree
  (:mod:`vos.tracking.carry`);
- *looks*: a small classifier learned from the given frame alone (:mod:`vos.matching.appearance`).

Their log-probabilities add up, places far from where an object should be cost, and mean field
(:mod:`vos.tracking.smooth`) makes neighbours agree. All objects and the background compete in one label field,
so several objects cost little more than one. The work is done in a window around the objects
(:mod:`vos.tracking.window`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError
from ..frame import Frame
from ..masks import MAX_OBJECTS, Segmentation
from ..matching.appearance import Appearance, AppearanceSettings, Given, fit, log_probabilities
from ..matching.descriptors import blur, describe, to_lab
from .carry import Carried, carry
from .smooth import smooth
from .window import Window, choose_window

Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class BuiltinSettings:
    """Settings of the built-in engine; nothing is chosen per video."""

    pixels: int = 100_000
    """Size of the working picture: half the resolution of 854x480. 60,000 loses 1.4 points."""
    margin: float = 0.6
    """Room around the objects, as a fraction of the longest side of the largest."""
    margin_pixels: int = 40
    """Room around the objects added to that: small objects move by more than their own size."""
    looks: float = 1.5
    """Weight of the classifier's log-probabilities; those of the carried labels have weight 1."""
    certainty: float = 4.0
    """Clip of the classifier's outputs, so that looks alone never overrule all else."""
    doubt: float = 0.02
    """Probability left to every label where the carried labels exclude it."""
    round_trip: float = 1.5
    """Error in pixels of flow there and back at which trust in it has fallen to 0.6."""
    carried_blur: float = 1.5
    """Blur in pixels of carried labels: flow is not better than that along outlines."""
    loose_blur: float = 0.03
    """Blur of carried labels where flow is not trusted, as a fraction of the object's size."""
    free_distance: float = 0.08
    """An object may grow by this fraction of its size in a frame without cost."""
    distance_cost: float = 30.0
    """Cost in nats of lying farther away, per object size."""
    smoothness: float = 3.0
    """Pull of neighbours in nats."""
    smooth_colour: float = 8.0
    """Lab distance at which the pull between neighbours has fallen to 0.6."""
    smooth_rounds: int = 4
    """Rounds of mean field; none costs 3 points."""
    max_given: int = 4
    """Given frames (the first and the newest corrections) that the classifier learns from."""
    appearance: AppearanceSettings = field(default_factory=AppearanceSettings)


@dataclass(frozen=True)
class ObjectState:
    """One object between two frames."""

    object_id: int
    score: float
    """Confidence in the newest frame."""
    frames_lost: int
    """Frames in a row in which the object has covered no pixel."""


@dataclass(frozen=True, eq=False)
class _Video:
    """All that a step needs from the frames before."""

    image: NDArray[np.uint8]
    labels: Labels
    objects: tuple[ObjectState, ...]
    given: tuple[Given, ...]
    looks: Appearance


class BuiltinTracker:
    """The built-in engine as a :class:`~vos.tracking.base.Tracker`.

    Args:
        settings: see :class:`BuiltinSettings`.
        device, dtype: there for symmetry with other engines; only "cpu" and "float32" are possible.

    Raises:
        ModelError: for another device or number format.
    """

    def __init__(
        self, settings: BuiltinSettings | None = None, device: str = "cpu", dtype: str = "float32"
    ) -> None:
        if str(device) != "cpu" or dtype != "float32":
            raise ModelError(
                f"the built-in engine runs on the CPU in float32, not on {device} in {dtype}; "
                "leave out the device and the number format, or choose another model"
            )
        self.settings = settings or BuiltinSettings()
        self._video: _Video | None = None

    def begin(self, frame: Frame, given: Segmentation) -> Segmentation:
        """Start a video; see :class:`~vos.tracking.base.Tracker`."""
        _check_size(frame, given.labels)
        self._video = None
        objects = tuple(ObjectState(k, 1.0, 0) for k in given.ids)
        learned = (self._as_given(frame, given.labels),)
        self._video = _Video(
            frame.image,
            given.labels.copy(),
            objects,
            learned,
            fit(learned, given.ids, self.settings.appearance),
        )
        return Segmentation(frame.index, given.labels.copy(), {k: 1.0 for k in given.ids})

    def step(self, frame: Frame, given: Segmentation | None = None) -> Segmentation:
        """Segment the next frame; see :class:`~vos.tracking.base.Tracker`."""
        video = self._video
        if video is None:
            raise InputError("step() before begin(): the built-in engine needs a first frame with masks")
        _check_size(frame, video.labels)
        labels, scores = track(video.image, video.labels, video.looks, frame.image, self.settings)
        known = {o.object_id: o for o in video.objects}
        if given is not None:
            _check_size(frame, given.labels)
            labels = corrected(labels, given)
            scores = {**scores, **{k: 1.0 for k in given.ids}}
        present = set(np.flatnonzero(np.bincount(labels.ravel(), minlength=MAX_OBJECTS + 2)).tolist())
        objects = tuple(
            ObjectState(
                k,
                scores[k] if k in present or (given is not None and k in given.scores) else 0.0,
                0 if k in present else (known[k].frames_lost + 1 if k in known else 0),
            )
            for k in sorted(scores)
        )
        video = replace(video, image=frame.image, labels=labels, objects=objects)
        if given is not None:
            learned = (*video.given, self._as_given(frame, labels))
            if len(learned) > self.settings.max_given:  # the first frame is never forgotten
                learned = (learned[0], *learned[len(learned) - self.settings.max_given + 1 :])
            ids = [o.object_id for o in objects]
            video = replace(video, given=learned, looks=fit(learned, ids, self.settings.appearance))
        self._video = video
        return Segmentation(frame.index, labels.copy(), {o.object_id: o.score for o in objects})

    def get_state(self) -> dict[str, Any]:
        """See :class:`~vos.tracking.base.Tracker`; empty before ``begin``."""
        video = self._video
        if video is None:
            return {}
        return {
            "image": video.image,
            "labels": video.labels,
            "objects": [asdict(o) for o in video.objects],
            "given": [vars(g).copy() for g in video.given],
            "looks": {
                **vars(video.looks),
                "ids": list(video.looks.ids),
                "weights": list(video.looks.weights),
            },
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """See :class:`~vos.tracking.base.Tracker`."""
        if not state:
            self._video = None
            return
        looks = state["looks"]
        self._video = _Video(
            state["image"],
            state["labels"],
            tuple(ObjectState(**o) for o in state["objects"]),
            tuple(Given(**g) for g in state["given"]),
            Appearance(tuple(looks["ids"]), looks["mean"], looks["spread"], tuple(looks["weights"])),
        )

    def _as_given(self, frame: Frame, labels: Labels) -> Given:
        return Given(frame.image, labels.copy(), _window(labels, self.settings).scale)


def track(
    previous: NDArray[np.uint8],
    labels: Labels,
    looks: Appearance,
    image: NDArray[np.uint8],
    settings: BuiltinSettings,
) -> tuple[Labels, dict[int, float]]:
    """Labels (H, W) uint8 of ``image`` and the score of every object, from the frame before and its labels."""
    if not looks.ids:
        return np.zeros_like(labels), {}
    window = _window(labels, settings)
    picture = window.cut(image)
    masks = np.stack([window.cut((labels == k).astype(np.float32)) for k in looks.ids])
    carried = carry(
        cv2.cvtColor(window.cut(previous), cv2.COLOR_RGB2GRAY),
        cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY),
        masks,
        settings.round_trip,
    )
    log_looks = log_probabilities(looks, describe(picture), settings.certainty)
    scores = settings.looks * log_looks + from_the_past(carried, settings)
    belief = smooth(
        scores, to_lab(picture), settings.smoothness, settings.smooth_colour, settings.smooth_rounds
    )
    lookup = np.array([0, *looks.ids], dtype=np.uint8)
    found = np.zeros_like(labels)
    found[window.y0 : window.y1, window.x0 : window.x1] = lookup[window.enlarge(belief).argmax(axis=0)]
    return found, dict(zip(looks.ids, confidence(belief, carried, log_looks), strict=True))


def from_the_past(carried: Carried, settings: BuiltinSettings) -> Floats:
    """(1 + K, h, w) float32 log-scores of background and objects from the carried labels and their distance."""
    masks = np.stack([blur(m, settings.carried_blur) for m in carried.masks])
    scores = np.empty((1 + len(masks), *carried.trust.shape), dtype=np.float32)
    cost = np.zeros_like(scores)
    for k, mask in enumerate(masks, start=1):
        size = max(4.0, float(np.sqrt(mask.sum())))
        loose = blur(mask, max(2.0, settings.loose_blur * size))
        scores[k] = carried.trust * mask + (1 - carried.trust) * loose
        inside = mask >= 0.5
        if inside.any():
            distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
            cost[k] = settings.distance_cost * np.maximum(0, distance / size - settings.free_distance)
    scores[0] = np.maximum(0, 1 - scores[1:].sum(axis=0))
    return np.log(scores + np.float32(settings.doubt)) - cost


def confidence(belief: Floats, carried: Carried, log_looks: Floats) -> list[float]:
    """Score in 0..1 of each object: inside its mask, trusted belief times probability by looks; 0 if it is not seen."""
    scores = []
    for k in range(1, len(belief)):
        mask = belief[k] > 0.5
        if not mask.any():
            scores.append(0.0)
            continue
        trusted = float((carried.trust * belief[k])[mask].mean())
        scores.append(min(1.0, trusted * float(np.exp(log_looks[k][mask]).mean())))
    return scores


def corrected(labels: Labels, given: Segmentation) -> Labels:
    """``labels`` where the objects in ``given`` have exactly the masks given, and keep what they do not claim."""
    result = labels.copy()
    result[np.isin(labels, given.ids)] = 0
    claimed = np.isin(given.labels, given.ids)
    result[claimed] = given.labels[claimed]
    return result


def _window(labels: Labels, settings: BuiltinSettings) -> Window:
    return choose_window(labels, settings.margin, settings.margin_pixels, settings.pixels)


def _check_size(frame: Frame, labels: Labels) -> None:
    if frame.size != labels.shape:
        raise InputError(
            f"frame {frame.name!r} is {frame.size[1]}x{frame.size[0]} pixels, the masks are "
            f"{labels.shape[1]}x{labels.shape[0]}; all frames and masks of a video must have one size"
        )
