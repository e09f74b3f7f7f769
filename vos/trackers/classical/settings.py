"""Settings of the classical tracker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..flow_warping import WarpingSettings
from .appearance import AppearanceSettings
from .components import ComponentSettings
from .emergence import EmergenceSettings
from .local_colours import LocalColourSettings
from .long_term_flow import LongTermFlowSettings
from .lookalikes import LookalikeSettings
from .mean_field import CrfSettings
from .motion import MotionSettings
from .novelty import NoveltySettings
from .occlusion import OcclusionSettings
from .online_update import OnlineUpdateSettings
from .reappearance import ReappearanceSettings
from .shape import ShapeSettings
from .unary import FusionSettings


@dataclass(frozen=True)
class ClassicalSettings:
    """Settings of the classical tracker; nothing is chosen per video. What each is worth:
    ``docs/engine-experiments.md``."""

    RENAMED: ClassVar = {
        "max_given": "max_references",
        "carry": "warping",
        "local": "local_colours",
        "smooth": "crf",
        "parts": "components",
        "steady": "area_stability",
        "learn_gap": "background_gap",
        "usual_rate": "usual_area_rate",
        "adaptation": "online_update",
    }

    pixels: int = 100_000
    """Size of the working crop: half the resolution of 854x480. 60,000 loses 1.4 points."""
    margin: float = 0.6
    """Margin around the objects, as a fraction of the longest side of the largest."""
    margin_pixels: int = 40
    """Pixels added to that margin: small objects move by more than their own size."""
    gaps: tuple[int, ...] = (4,)
    """Labels are also warped directly from this many frames before: chained step by step they drift. Worth 4
    points."""
    max_references: int = 4
    """Reference frames (the first and the newest corrections) that the classifier learns from."""
    area_stability: float = 0.7
    """The online update uses only objects whose area changed by no more than this factor, and only frames
    that have such an object."""
    background_gap: float = 4.0
    """Background nearer to an object than this, in pixels of the working crop, is left out of the online
    update."""
    usual_area_rate: float = 0.03
    """How fast an object's usual area shrinks with it; it grows at once."""
    warping: WarpingSettings = field(default_factory=WarpingSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    lookalikes: LookalikeSettings = field(default_factory=LookalikeSettings)
    shape: ShapeSettings = field(default_factory=ShapeSettings)
    reappearance: ReappearanceSettings = field(default_factory=ReappearanceSettings)
    occlusion: OcclusionSettings = field(default_factory=OcclusionSettings)
    emergence: EmergenceSettings = field(default_factory=EmergenceSettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    novelty: NoveltySettings = field(default_factory=NoveltySettings)
    long_term_flow: LongTermFlowSettings = field(default_factory=LongTermFlowSettings)
    local_colours: LocalColourSettings = field(default_factory=LocalColourSettings)
    crf: CrfSettings = field(default_factory=CrfSettings)
    components: ComponentSettings = field(default_factory=ComponentSettings)
    appearance: AppearanceSettings = field(default_factory=AppearanceSettings)
    online_update: OnlineUpdateSettings = field(default_factory=OnlineUpdateSettings)
