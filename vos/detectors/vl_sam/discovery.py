"""Find the objects of an image without class names: VL-SAM end to end (Lin et al. 2024).

::

    view (the image, its tiles) -> question -> answer -> names -> attention flow of each name -> map
         -> point pairs -> backbone, refinements A and B -> masks, on the whole image
    all views, questions and names -> non-maximum suppression -> best first
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...backbones.base import Backbone
from ...ops.boxes import tight_box
from ...ops.nms import suppress
from .attention_flow import Regularisation
from .instances import RefineSettings, find_instances
from .tiles import Tile, views
from .vlm import QUESTION, VisionLanguageModel


@dataclass(frozen=True)
class DiscoverSettings:
    """Settings of discovery, and what the paper leaves open. The names are those of flags and recipe keys.

    Raises:
        ValueError: for a value out of range.
    """

    questions: int = 1
    """Questions per view: 1 asks for a list of all objects; with more the model suggests them (paper: 10)."""
    tiles: bool = False
    """Process the four corner tiles as well (paper: yes)."""
    regularisation: Regularisation = "per_layer"
    """Where the columns of the attention are weighted against collapse."""
    refine: RefineSettings = field(default_factory=RefineSettings)
    """From maps to masks."""
    same_object: float = 0.5
    """IoU of two masks above which non-maximum suppression drops the weaker one."""
    class_aware: bool = False
    """Whether non-maximum suppression is applied within a name only; off for recall, on for precision by
    class."""
    seed: int = 0
    """Of sampling, 0 or more and below 2^32; every question of a view has a seed of its own."""

    def __post_init__(self) -> None:
        if self.questions < 1:
            raise ValueError(f"questions must be 1 or more, got {self.questions}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be 0 or more and below 2^32, got {self.seed}")
        if not 0 < self.same_object <= 1:
            raise ValueError(f"same_object must be above 0 and at most 1, got {self.same_object}")


@dataclass(frozen=True, eq=False)
class Discovery:
    """A discovered object."""

    name: str
    """Lower case, singular: what the model calls it."""
    score: float
    """The backbone's estimate of the mask times the model's mean probability of the name, 0..1."""
    mask: NDArray[np.bool_]
    """(H, W) bool, some pixel is True."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 around the mask, inclusive pixel indices."""
        box = tight_box(self.mask)
        assert box is not None
        return box


def discover(
    image: NDArray[np.uint8],
    model: VisionLanguageModel,
    backbone: Backbone,
    settings: DiscoverSettings = DiscoverSettings(),
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Discovery]:
    """The objects in an (H, W, 3) uint8 RGB image, best first; an empty list if the model names none.

    Args:
        image: any size.
        model: names objects, and gives the attention of these words.
        backbone: makes masks of points.
        settings: see :class:`DiscoverSettings`.
        progress: called after every question with the number of questions answered, and of all.

    Raises:
        PromptError: if a question and its answer are longer than the model reads.
    """
    tiles = views(image.shape[0], image.shape[1], tiles=settings.tiles)
    found: list[Discovery] = []
    for number, tile in enumerate(tiles):

        def report(done: int, of: int, before: int = number) -> None:
            if progress is not None:
                progress(before * settings.questions + done, len(tiles) * settings.questions)

        found += _in_view(tile, image, model, backbone, settings, report)
    if not found:
        return []
    kept = suppress(
        np.stack([entry.mask for entry in found]),
        [entry.score for entry in found],
        names=[entry.name for entry in found] if settings.class_aware else None,
        threshold=settings.same_object,
    )
    return [found[row] for row in kept]


def _in_view(
    tile: Tile,
    image: NDArray[np.uint8],
    model: VisionLanguageModel,
    backbone: Backbone,
    settings: DiscoverSettings,
    progress: Callable[[int, int], None],
) -> list[Discovery]:
    """All detections of a view, masks on the whole image; what is found twice is in there twice."""
    view = np.ascontiguousarray(tile.cut(image))
    questions = questions_about(view, model, settings)
    features = None
    found: list[Discovery] = []
    for number, question in enumerate(questions):
        attention, names = model.objects(
            view, question, seed=settings.seed + number, regularisation=settings.regularisation
        )
        for name in names:
            assert attention is not None  # there is one where there are names
            if features is None:
                features = backbone.encode(view)
            values = attention.name_map(name, (tile.height, tile.width))
            likely = attention.name_probability(name)
            for instance in find_instances(backbone, features, values, settings.refine):
                score = float(np.clip(instance.quality, 0, 1)) * likely
                found.append(Discovery(name.name, score, tile.mask_to_image(instance.mask)))
        progress(number + 1, len(questions))
    return found


def questions_about(
    view: NDArray[np.uint8], model: VisionLanguageModel, settings: DiscoverSettings
) -> list[str]:
    """The plain question alone, or those the model suggests; the plain one too where these are too few."""
    if settings.questions == 1:
        return [QUESTION]
    suggested = model.suggest_questions(view, settings.questions, seed=settings.seed)
    return suggested if len(suggested) == settings.questions else [QUESTION, *suggested][: settings.questions]
