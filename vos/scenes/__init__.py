"""Synthetic scenes with exact truth: textured shapes that move, turn and hide each other.

::

    from vos.scenes import scene

    clip = scene("occlusion", num_frames=30, size=(121, 163), seed=3)
    clip.frames[0].image        # (121, 163, 3) uint8
    clip.labels[0]              # (121, 163) uint8, exact

Everything is drawn with NumPy from a seed, so a scene is the same on every machine.
"""

from .kinds import KINDS
from .scene import Scene, scene, stream
from .shapes import OUTLINES, Shape, line, loop, shuttle

__all__ = ["OUTLINES", "SCENES", "Scene", "Shape", "line", "loop", "scene", "shuttle", "stream"]

SCENES = tuple(KINDS)
"""Names of the ready-made scenes: one for every difficulty a tracker meets."""
