"""Annotation formats, one module each, reading and writing, behind :data:`vos.formats.registry.FORMATS`.

::

    from vos import formats

    annotations = formats.read("out")  # a run, or any file or folder of a known format
    for frame, result in annotations:
        ...
    formats.write(annotations, "annotations.xml", "cvat-video", names={1: "dog"})
    formats.write(vos.track("clip.mp4", prompts), "tracked.json", "coco")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .exporting import export as export
    from .frame_images import Images as Images
    from .guessing import guess_format as guess_format
    from .importing import import_masks as import_masks
    from .importing import match_to_video as match_to_video
    from .reading import Annotations as Annotations
    from .registry import FORMATS as FORMATS
    from .transfer import Written as Written
    from .transfer import read as read
    from .transfer import select as select
    from .transfer import write as write
else:
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Annotations": ".reading",
            "FORMATS": ".registry",
            "Written": ".transfer",
            "Images": ".frame_images",
            "export": ".exporting",
            "guess_format": ".guessing",
            "import_masks": ".importing",
            "match_to_video": ".importing",
            "read": ".transfer",
            "select": ".transfer",
            "write": ".transfer",
        },
    )
