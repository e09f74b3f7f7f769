"""State of the classical tracker between two frames, and its form on disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...ops.crop import Crop
from ...results import Labels, labels_to_masks
from .appearance import Appearance, Examples, ReferenceFrame
from .classifier import OnlineClassifier
from .confidence import ReferenceStatistics
from .emergence import Emerging
from .long_term_flow import LongTermFlow, unknown
from .online_update import OnlineModel
from .reappearance import Trajectory
from .shape import Shape
from .unary import PreviousAppearance

RENAMED = {"given": "references", "adapted": "online", "evidence": "previous_appearance"}
"""Keys of states saved by earlier versions, and what they are called now."""


@dataclass(frozen=True)
class ObjectState:
    """One object between two frames."""

    object_id: int
    score: float
    """Confidence in the newest frame: expected J, in 0..1."""
    frames_lost: int
    """Frames in a row in which the object has covered no pixel."""
    usual_area: float
    """Pixels of the frame that the object covers when nothing hides it."""
    reference: ReferenceStatistics
    """Of the object's newest prompted mask."""
    frames_since: int = 0
    """Frames since that mask."""
    trajectory: Trajectory | None = None
    """None until the object has been seen."""
    shape: Shape | None = None
    """None until then, and where the object has been out of sight since."""
    emerging: Emerging | None = None
    """None where it was in plain view in the frame in which it was prompted."""
    reference_confidence: float = 1.0
    """Confidence of its mask, prompted or tracked, in the newest frame in which any object was prompted."""

    @property
    def is_lost(self) -> bool:
        """Whether it has been seen, but not in the newest frame."""
        return self.frames_lost > 0 and self.usual_area > 0


@dataclass(frozen=True, eq=False)
class PastFrame:
    """An earlier frame and its labels."""

    image: NDArray[np.uint8]
    labels: Labels


@dataclass(frozen=True, eq=False)
class LabelProbabilities:
    """Label probabilities of a frame, in the working crop."""

    crop: Crop
    values: Floats
    """(1 + K, h, w) float32, the background first."""


@dataclass(frozen=True, eq=False)
class ClassicalState:
    """All that a step needs from the frames before."""

    image: NDArray[np.uint8]
    labels: Labels
    objects: tuple[ObjectState, ...]
    """In the order of their ids, as in ``appearance``."""
    references: tuple[ReferenceFrame, ...]
    appearance: Appearance
    online: OnlineModel
    previous_appearance: PreviousAppearance | None
    """None right after a reference frame."""
    past: tuple[PastFrame, ...] = ()
    """Frames before the newest one, oldest first: as many as the longest gap needs."""
    long_term: tuple[LongTermFlow, ...] = ()
    """Of the newest frame, the last one, and of as many before it as the longest gap needs."""
    soft_labels: LabelProbabilities | None = None
    """Soft masks of the newest frame; None after a reference frame and after loading. No step needs it."""

    def probabilities(self) -> Floats:
        """(N, H, W) float32 in 0..1, in the order of ``objects``."""
        if self.soft_labels is None:
            return labels_to_masks(self.labels, [o.object_id for o in self.objects]).astype(np.float32)
        whole = np.zeros((len(self.objects), *self.labels.shape), np.float32)
        crop = self.soft_labels.crop
        whole[:, crop.y0 : crop.y1, crop.x0 : crop.x1] = crop.enlarge(self.soft_labels.values[1:])
        return whole

    def to_dict(self) -> dict[str, Any]:
        """All but the soft labels, as nested dictionaries and lists of arrays."""
        return asdict(replace(self, soft_labels=None))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ClassicalState:
        """The state that :meth:`to_dict` described, in this version or an earlier one."""
        values = {RENAMED.get(key, key): value for key, value in values.items()}
        appearance, previous = values["appearance"], values["previous_appearance"]
        return cls(
            values["image"],
            values["labels"],
            tuple(_object_from(o) for o in values["objects"]),
            tuple(ReferenceFrame(**r) for r in values["references"]),
            Appearance(
                tuple(appearance["ids"]),
                appearance["mean"],
                appearance["spread"],
                tuple(appearance["weights"]),
                Examples(**appearance["examples"]),
            ),
            _online_from(values["online"]),
            previous and PreviousAppearance(Crop(**previous["crop"]), previous["appearance_log_prob"]),
            tuple(PastFrame(**p) for p in values["past"]),
            _long_term_from(values),
        )


def _online_from(values: dict[str, Any]) -> OnlineModel:
    learner = values["learner"]
    return OnlineModel(
        OnlineClassifier(
            tuple(learner["weights"]), tuple(learner["first"]), tuple(learner["second"]), learner["steps"]
        ),
        tuple(Examples(**e) for e in values["recent"]),
        values["updates"],
    )


def _long_term_from(values: dict[str, Any]) -> tuple[LongTermFlow, ...]:
    """Nothing is known in saved states of earlier versions."""
    if "long_term" not in values:
        return (unknown(values["labels"].shape),) * (1 + len(values["past"]))
    return tuple(LongTermFlow(Crop(**f["crop"]), f["x"], f["y"], f["doubt"]) for f in values["long_term"])


def _object_from(values: dict[str, Any]) -> ObjectState:
    """Saved states of earlier versions have neither trajectory nor shape, nor colours of emerging objects."""
    trajectory, shape, emerging = (values.get(key) for key in ("trajectory", "shape", "emerging"))
    inner = {
        "reference": ReferenceStatistics(**values["reference"]),
        "trajectory": trajectory
        and Trajectory(tuple(trajectory["centre"]), trajectory["velocity"] and tuple(trajectory["velocity"])),
        "shape": shape and Shape(**shape),
        "emerging": emerging and Emerging(**emerging),
    }
    return ObjectState(**{**values, **inner})
