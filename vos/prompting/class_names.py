"""``--class NAME``: from the name of a thing to the masks of all its instances in a frame.

::

    name -> detector: attention map -> a point on it and one off it, a box     (a detector gives the box only)
         -> backbone -> cascaded refinement -> non-maximum suppression -> masks

Which detections are objects that are tracked already is decided in :mod:`vos.prompting.association`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import PromptError
from ..frame import Frame
from ..ops.overlap import nested_logits_to_labels
from ..prompts import Prompt
from ..results import MAX_OBJECTS, Labels

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..detectors.base import Detection, Detector, Exemplar


EXPLAINED = 0.6
"""Share of a mask's pixels that draw attention to its name, at least, relative to the best mask of the
name."""


@dataclass(frozen=True)
class ClassNames:
    """Classes to track, by name: every instance of each, unless the settings limit them.

    Raises:
        PromptError: without a name, with an empty one, with one that is given twice, or with exemplars of
            other names.
    """

    names: tuple[str, ...]
    """As the user wrote them; the ids of a frame's objects follow this order."""
    exemplars: tuple[Exemplar, ...] = ()
    """Boxes that show what the names mean, for detectors that take them."""
    frame_index: int | None = None
    """Frame of the exemplars, where the run begins; None: the first one that is read."""

    def __post_init__(self) -> None:
        for exemplar in self.exemplars:
            if exemplar.name not in self.names:
                raise PromptError(
                    f"an exemplar is of {exemplar.name!r}, which is not among the classes; add the class, "
                    f"or use one of {', '.join(map(repr, self.names))}"
                )
        if not self.names:
            raise PromptError("no class is named: give at least one, such as --class dog")
        plain = [name.strip().lower() for name in self.names]
        for name in plain:
            if not name:
                raise PromptError("a class name is empty; give a word, such as --class dog")
            if plain.count(name) > 1:
                raise PromptError(f"class {name!r} is named twice; name every class once")
        if len(plain) > MAX_OBJECTS:
            raise PromptError(f"{len(plain)} classes are named, but at most {MAX_OBJECTS} can be followed")


@dataclass(frozen=True)
class ClassSettings:
    """How objects of named classes are detected. The names are those of the flags and recipe keys.

    Raises:
        ValueError: for a value out of range.
    """

    RENAMED: ClassVar = {"finder": "detector", "reseed": "reidentify", "newcomer": "new_track"}

    detector: str = "blip"
    """A name in :data:`vos.detectors.registry.DETECTORS`."""
    weights: str | None = None
    """Folder with the detector's weights; None: the local cache."""
    tuned: str | None = None
    """Weights that ``vos tune`` wrote for this detector."""
    instances: int | None = None
    """At most this many objects of a class in one frame, the best ones; None: all."""
    min_score: float | None = None
    """Least score of a detection, 0..1; None: the detector's default."""
    same_object: float = 0.5
    """IoU of two masks from which on they count as one object (non-maximum suppression)."""
    search_every: int = 5
    """Stride of the search for a class that was not found yet, in frames."""
    search_frames: int = 500
    """Frames that are searched, from the first one read on."""
    detect_every: int | None = None
    """Frames between two detections of new objects during tracking; None: none are detected."""
    reidentify: bool = True
    """Whether a detection that matches no visible object continues a lost object of its class."""
    new_track: float = 0.9
    """Score that a detection by attention needs to begin a new track during tracking, relative to the best of
    its class so far: attention has a maximum even where nothing new is visible."""

    def __post_init__(self) -> None:
        for name in ("instances", "search_every", "search_frames", "detect_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"classes.{name} must be 1 or more, got {value}")
        if not 0 < self.same_object <= 1:
            raise ValueError(f"classes.same_object must be above 0 and at most 1, got {self.same_object}")
        for name in ("min_score", "new_track"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"classes.{name} must be 0 to 1, got {value}")


@dataclass(frozen=True, eq=False)
class ClassInstance:
    """One object of a named class, found in one frame."""

    name: str
    score: float
    """The detector's, 0..1."""
    logits: NDArray[np.float32]
    """(H, W), cut at 0; some pixel is above."""
    point: tuple[int, int] | None = None
    """(x, y) where the name draws most attention; None from a plain detector."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W) bool."""
        return self.logits > 0


def class_instances(
    frame: Frame,
    names: Sequence[str],
    detector: Detector,
    backbone: Backbone,
    settings: ClassSettings = ClassSettings(),
    exemplars: Sequence[Exemplar] = (),
) -> list[ClassInstance]:
    """The objects of the named classes in a frame, class by class as named, best first within a class.

    Of two detections with nearly the same mask the better one stays, whatever its class.
    ``exemplars`` are boxes in this frame, for detectors that take them.

    Raises:
        PromptError: for a name that the detector cannot know, or names too long or too many for it.
    """
    from ..ops.nms import suppress

    least = settings.min_score or 0.0
    shown: dict[str, Any] = {"exemplars": exemplars} if exemplars else {}
    found = [entry for entry in detector.detect(frame.image, names, **shown) if entry.score >= least]
    if not found:
        return []
    logits = logits_of(frame.image, found, backbone)
    seen = [row for row, mask in enumerate(logits > 0) if mask.any()]
    if not seen:
        return []
    best_first = suppress(
        logits[seen] > 0, [found[row].score for row in seen], threshold=settings.same_object
    )
    kept = [seen[i] for i in best_first]
    instances: list[ClassInstance] = []
    for name in names:
        rows = [row for row in kept if found[row].name == name][: settings.instances]
        instances += [_instance(found[row], logits[row]) for row in rows]
    return instances


def _instance(found: Detection, logits: NDArray[np.float32]) -> ClassInstance:
    point = None if found.pair is None else found.pair.positive
    return ClassInstance(found.name, float(np.clip(found.score, 0, 1)), logits, point)


def prompts_of(found: Detection) -> list[Prompt]:
    """Prompts of a detection, for a backbone: a detector's box; of attention the point pair, and the pair
    with the box around the region, which is right if all of the object draws attention and wrong if a part
    does."""
    box = np.array(found.box, dtype=np.float32)
    if found.pair is None:
        return [Prompt(box=box)]
    pair = found.pair.prompt()
    return [pair, Prompt(points=pair.points, labels=pair.labels, box=box)]


def logits_of(
    image: NDArray[np.uint8], found: Sequence[Detection], backbone: Backbone
) -> NDArray[np.float32]:
    """(N, H, W) logits of N detections: their own where the detector segments, else a backbone's for them
    after the cascade: the prompt, then with the mask, then with its box.

    Of a detection's prompts the one counts whose mask has the highest score, the first of equals. If it
    does not show what draws the name's attention (:data:`EXPLAINED`), the logits show nothing; but the best
    detection of a name falls back on the prompt whose mask does. ``found`` is best first; all prompts of all
    detections are decoded in one call.
    """
    own_logits = [entry.logits for entry in found if entry.logits is not None]
    if len(own_logits) == len(found):
        return np.stack(own_logits)
    from ..backbones.refinement import keep_best, refine

    prompts = [(row, prompt) for row, entry in enumerate(found) for prompt in prompts_of(entry)]
    queries = [prompt for _, prompt in prompts]
    features = backbone.encode(image)
    kept = keep_best(backbone.decode(features, queries))
    for use_box in (False, True):
        kept = refine(backbone, features, queries, kept, use_box=use_box)
    logits: NDArray[np.float32] = kept.logits.float().cpu().numpy()
    rows = [row for row, _ in prompts]
    explained, scores = _explained(found, rows, logits > 0), kept.scores.tolist()
    result = np.full((len(found), *logits.shape[1:]), -1, np.float32)
    named: set[str] = set()
    for row, entry in enumerate(found):
        own = sorted((i for i, its in enumerate(rows) if its == row), key=lambda i: -scores[i])
        if entry.name not in named:
            own = [i for i in own if explained[i]]
        if own and explained[own[0]]:
            result[row] = logits[own[0]]
        named.add(entry.name)
    return result


def _explained(
    found: Sequence[Detection], rows: Sequence[int], masks: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(P,) which of (P, H, W) masks, of detections ``rows``, show something that draws the name's attention.

    A mask that ran away from its region (over the ground, say) holds little of what its name is about.
    The best mask of the name is the measure, for attention may cover an object or only its telling parts.
    """
    names = [found[row].name for row in rows]
    shares = np.zeros(len(rows))
    best: dict[str, float] = {}
    for i, (name, mask) in enumerate(zip(names, masks, strict=True)):
        maps = [other.values > 0 for other in found if other.name == name and other.values is not None]
        if mask.any():
            shares[i] = float(np.any(maps, axis=0)[mask].mean()) if maps else 1.0
        best[name] = max(best.get(name, 0.0), shares[i])
    least = np.array([EXPLAINED * best[name] for name in names])
    return (shares > 0) & (shares >= least)


def label_instances(instances: Iterable[ClassInstance], ids: Sequence[int]) -> Labels:
    """(H, W) labels of at least one instance, overlaps resolved."""
    return nested_logits_to_labels(np.stack([entry.logits for entry in instances]), ids)
