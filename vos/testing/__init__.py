"""Test helpers that are part of the product: synthetic scenes with exact truth, and scripted models.

::

    from vos.testing import ScriptedTracker, scene

    clip = scene("occlusion", num_frames=30, size=(121, 163), seed=3)
    tracker = ScriptedTracker(clip)

Scenes are those of :mod:`vos.scenes`. No torch is imported until :class:`ScriptedBackbone` is used or a
checkpoint is written.
"""

from ..scenes import OUTLINES, SCENES, Scene, Shape, line, loop, scene, shuttle, stream
from .files import write_images, write_labels, write_video
from .scripted import DecodeCall, ScriptedBackbone, ScriptedTracker
from .tiny_interactive import tiny_interactive_checkpoint
from .tiny_nano import tiny_nano_checkpoint
from .tiny_sam import tiny_sam_checkpoint, write_sam_checkpoint
from .tiny_sam2 import (
    tiny_edgetam_folder,
    tiny_efficienttam_checkpoint,
    tiny_sam2_checkpoint,
    tiny_sam3_folder,
)

__all__ = [
    "OUTLINES",
    "SCENES",
    "DecodeCall",
    "Scene",
    "ScriptedBackbone",
    "ScriptedTracker",
    "Shape",
    "line",
    "loop",
    "scene",
    "shuttle",
    "stream",
    "tiny_edgetam_folder",
    "tiny_efficienttam_checkpoint",
    "tiny_interactive_checkpoint",
    "tiny_nano_checkpoint",
    "tiny_sam2_checkpoint",
    "tiny_sam3_folder",
    "tiny_sam_checkpoint",
    "write_images",
    "write_labels",
    "write_sam_checkpoint",
    "write_video",
]
