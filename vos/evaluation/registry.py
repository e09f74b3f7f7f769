"""Metrics and protocols, by name."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["METRICS", "PROTOCOLS", "Metric", "Protocol"]


@dataclass(frozen=True)
class Metric:
    """A measure of two masks."""

    function: str
    """``module:function`` of ``(truth, prediction, void=None)``, each (H, W), to a fraction; not 0 is the
    object, and pixels of ``void`` do not count."""
    help: str
    """One line for people."""


METRICS: dict[str, Metric] = {
    "J": Metric("vos.evaluation.region:region_similarity", "region similarity, IoU (DAVIS)"),
    "F": Metric("vos.evaluation.boundary:contour_accuracy", "contour accuracy (DAVIS)"),
    "bIoU": Metric("vos.evaluation.boundary_band:boundary_iou", "boundary IoU"),
}
"""Name (``vos evaluate --metric``) -> entry. To add a metric, write one file here and add one entry."""


@dataclass(frozen=True)
class Protocol:
    """How one data set is laid out and scored."""

    annotations: str = "Annotations"
    """Folder of the annotations below the root."""
    images: str = "JPEGImages"
    """Folder of the images below the root."""
    per_object: bool = False
    """Binary PNGs in a folder per object, in place of index PNGs."""
    without_last: bool = True
    """The last annotated frame is not scored."""
    dotted: bool = False
    """J and F of MOSEv2."""
    by_category: bool = False
    """The score is G over seen and unseen categories, where they are known."""


PROTOCOLS: dict[str, Protocol] = {
    "youtube-vos": Protocol(without_last=False, by_category=True),
    "lvos": Protocol(by_category=True),
    "mose": Protocol(),
    "mosev2": Protocol(dotted=True),
    "sa-v": Protocol(annotations="Annotations_6fps", images="JPEGImages_24fps", per_object=True),
}
"""Name of a layout -> its protocol, described in :mod:`vos.evaluation.vos_sets`. To add one, add an entry."""
