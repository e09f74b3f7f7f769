"""The settings of a run: everything that decides what its results are."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, Literal

from ..formats.drawing import OverlaySettings
from ..formats.registry import writers
from ..prompting.class_names import ClassSettings
from ..prompting.reference import ReferenceSettings


@dataclass(frozen=True)
class TrackSettings:
    """Settings of :func:`vos.track_video`: the words are those of the flags and of the keys of a recipe.

    ``vos config show`` prints all of them with their defaults, and what each is for.

    Raises:
        ValueError: for a value out of range, or a number of frames that is no whole number.
    """

    model: str = "classical"
    """A tracker, or a backbone for PerSAM over it (``vos models list``); or ``auto``, the best that is
    installed and fast enough, which is the default of the command ``vos track``."""
    budget: float | None = None
    """Seconds per frame that the model chosen by ``auto`` may take; None: 2."""
    key_every: int | None = None
    """Run the tracker on every n-th frame, and fill the frames between by optical flow. None: on
    every frame, unless ``auto`` chooses otherwise."""
    backbone: str | None = None
    """What PerSAM runs over, a name in :data:`vos.backbones.registry.BACKBONES`; None: the classical one."""
    device: str = "cpu"
    """Where a network runs: ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What a network computes in; ``auto``: bfloat16 where that is native, else float32."""
    checkpoint: str | None = None
    """File with the network's weights, in place of the weights cache."""
    tune: bool = False
    """Fit the network to the prompted frames (SAM: PerSAM-F)."""
    start: int = 0
    """First frame to read, counted over the whole video."""
    end: int | None = None
    """Frame to stop before; None: the end of the video."""
    stride: int = 1
    """Read every n-th frame, from ``start`` on."""
    size: tuple[int, int] | int | None = None
    """(width, height), or the shorter side, that frames are scaled to; None: not scaled."""
    backward: bool = True
    """Also track objects backward in time, from the first frame they are prompted in."""
    strict: bool = False
    """Refuse a damaged video, instead of tracking its readable frames."""
    reader: str = "auto"
    """How files are read: a name in :data:`vos.video.READERS`."""
    outputs: tuple[str, ...] = ("masks", "overlay", "coco")
    """What to write besides ``run.json``: names in :data:`vos.formats.registry.FORMATS`."""
    options: dict = field(default_factory=dict)
    """Options of the outputs, such as ``edge: soft`` for cut-outs."""
    overlay: OverlaySettings = field(default_factory=OverlaySettings)
    """Appearance of the overlay video."""
    tracker: dict = field(default_factory=dict)
    """The tracker's own settings, laid over its defaults: ``vos config show --model NAME`` lists them."""
    classes: ClassSettings = field(default_factory=ClassSettings)
    """How objects of named classes are detected."""
    reference: ReferenceSettings = field(default_factory=ReferenceSettings)
    """How objects of reference images are found."""
    keep_states: int = 0
    """States kept of the finished run, so that it can be extended: the last one, and others before it, from
    which a correction continues. Each takes some MiB. The command ``vos track`` keeps one by default."""
    checkpoint_every: int = 25
    """Frames between two checkpoints from which an interrupted run can be resumed."""

    def reading(self) -> dict[str, Any]:
        """The options of :func:`vos.open_video` that are settings of a run."""
        names = ("start", "end", "stride", "size", "reader")
        return {name: getattr(self, name) for name in names}

    def __post_init__(self) -> None:
        for name in ("start", "end", "stride", "key_every", "keep_states", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
                raise ValueError(f"{name} must be a whole number, got {value!r:.60}")
        if self.start < 0:
            raise ValueError(f"start must be 0 or more, got {self.start}")
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"end must be after start ({self.start}), got {self.end}")
        if self.stride < 1:
            raise ValueError(f"stride must be 1 or more, got {self.stride}")
        known = tuple(writers())
        for name in self.outputs:
            if name not in known:
                raise ValueError(f"unknown output {name!r}; choose of {', '.join(known)}")
        if self.keep_states < 0:
            raise ValueError(f"keep_states must be 0 or more, got {self.keep_states}")
        if self.budget is not None and not self.budget > 0:
            raise ValueError(f"budget must be above 0 seconds per frame, got {self.budget}")
        if self.key_every is not None and self.key_every < 1:
            raise ValueError(f"key_every must be 1 or more, got {self.key_every}")
        if self.checkpoint_every < 1:
            raise ValueError(f"checkpoint_every must be 1 or more, got {self.checkpoint_every}")
