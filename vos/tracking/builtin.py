"""The built-in video engine: no learned weights, any object, on the CPU.

Two witnesses speak about every pixel of a new frame, and one energy hears them together:

- *time*: the previous labels, carried along optical flow, trusted as far as flow there and back agree
  (:mod:`vos.tracking.carry`);
- *looks*: a small classifier learned from the given frame (:mod:`vos.matching.appearance`), beside a copy of
  it that goes on learning from the engine's own results (:mod:`vos.matching.adaptation`).

Their log-probabilities add up (:mod:`vos.tracking.fusion`), colours on both sides of the outline correct it
(:mod:`vos.matching.local_colours`), mean field makes neighbours agree (:mod:`vos.tracking.smooth`), and
pieces that came from nowhere are dropped (:mod:`vos.tracking.parts`). All objects and the background
compete in one label field, so several objects cost little more than one. The work is done in a window
around the objects (:mod:`vos.tracking.window`). One frame of it is in :mod:`vos.tracking.builtin_step`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError
from ..frame import Frame
from ..masks import Segmentation
from ..matching.adaptation import Adapted, unadapted
from ..matching.appearance import Appearance, Examples, Given, fit
from ..matching.network import Learner
from .builtin_step import BuiltinSettings, ObjectState, Past, Video, advance, window_of
from .fusion import Evidence
from .given import check_size, corrected
from .sight import Finish
from .window import Window

__all__ = ["BuiltinSettings", "BuiltinTracker", "ObjectState"]

Labels = NDArray[np.uint8]


class BuiltinTracker:
    """The built-in engine as a :class:`~vos.tracking.base.Tracker`.

    Args:
        settings: see :class:`BuiltinSettings`.
        device, dtype: there for symmetry with other engines; only "cpu" and "float32" are possible.
        finish: has the last word about every frame; see :class:`~vos.tracking.sight.Sight`.

    Raises:
        ModelError: for another device or number format.
    """

    def __init__(
        self,
        settings: BuiltinSettings | None = None,
        device: str = "cpu",
        dtype: str = "float32",
        finish: Finish | None = None,
    ) -> None:
        if str(device) != "cpu" or dtype != "float32":
            raise ModelError(
                f"the built-in engine runs on the CPU in float32, not on {device} in {dtype}; "
                "leave out the device and the number format, or choose another model"
            )
        self._settings = settings or BuiltinSettings()
        self._finish = finish
        self._video: Video | None = None

    @property
    def settings(self) -> object:
        """What a run is recorded with."""
        return self._settings

    def begin(self, frame: Frame, given: Segmentation) -> Segmentation:
        """Start a video; see :class:`~vos.tracking.base.Tracker`.

        Raises:
            InputError: if the masks have another size than the frame.
        """
        check_size(frame, given.labels)
        self._video = None
        self._video = self._taught(frame.image, given.labels.copy(), (), (), given)
        return Segmentation(frame.index, given.labels.copy(), dict.fromkeys(given.ids, 1.0))

    def step(self, frame: Frame, given: Segmentation | None = None) -> Segmentation:
        """Segment the next frame; see :class:`~vos.tracking.base.Tracker`.

        Raises:
            InputError: before ``begin``, or if frame or masks have another size than the first frame.
        """
        if self._video is None:
            raise InputError("step() before begin(): the built-in engine needs a first frame with masks")
        check_size(frame, self._video.labels)
        if given is not None:
            check_size(frame, given.labels)
        video = advance(self._video, frame.image, self._settings, self._finish)
        if given is not None:
            labels = corrected(video.labels, given)
            video = self._taught(frame.image, labels, video.objects, video.given, given)
        self._video = video
        return Segmentation(frame.index, video.labels.copy(), {o.object_id: o.score for o in video.objects})

    def get_state(self) -> dict[str, Any]:
        """See :class:`~vos.tracking.base.Tracker`; empty before ``begin``."""
        return {} if self._video is None else asdict(self._video)

    def set_state(self, state: dict[str, Any]) -> None:
        """See :class:`~vos.tracking.base.Tracker`."""
        self._video = _video_from(state) if state else None

    def _taught(
        self,
        image: NDArray[np.uint8],
        labels: Labels,
        objects: tuple[ObjectState, ...],
        told: tuple[Given, ...],
        given: Segmentation,
    ) -> Video:
        """The video after the user has said ``given`` of the newest frame, with which ``labels`` agree."""
        known = {o.object_id: o for o in objects}
        for object_id in given.ids:
            area = float(np.count_nonzero(labels == object_id))
            known[object_id] = ObjectState(object_id, 1.0, 0, area)
        told = (*told, Given(image, labels.copy(), window_of(labels, self._settings).scale))
        if len(told) > self._settings.max_given:  # the first frame is never forgotten
            told = (told[0], *told[len(told) - self._settings.max_given + 1 :])
        ids = sorted(known)
        looks = fit(told, ids, self._settings.appearance)
        return Video(image, labels, tuple(known[k] for k in ids), told, looks, unadapted(looks), None)


def _video_from(state: dict[str, Any]) -> Video:
    """The value that ``asdict`` took apart."""
    looks, adapted, evidence = state["looks"], state["adapted"], state["evidence"]
    learner = adapted["learner"]
    return Video(
        state["image"],
        state["labels"],
        tuple(ObjectState(**o) for o in state["objects"]),
        tuple(Given(**g) for g in state["given"]),
        Appearance(
            tuple(looks["ids"]),
            looks["mean"],
            looks["spread"],
            tuple(looks["weights"]),
            Examples(**looks["examples"]),
        ),
        Adapted(
            Learner(
                tuple(learner["weights"]),
                tuple(learner["first"]),
                tuple(learner["second"]),
                learner["steps"],
            ),
            tuple(Examples(**e) for e in adapted["recent"]),
            adapted["updates"],
        ),
        None if evidence is None else Evidence(Window(**evidence["window"]), evidence["log_looks"]),
        tuple(Past(**p) for p in state["past"]),
    )
