"""Ways to give prompts, by name."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TARGET_SOURCES", "TargetSource"]


@dataclass(frozen=True)
class TargetSource:
    """All that others ask about a way to give prompts."""

    parser: str
    """``module:function`` of (what the user gave, index of the frame that it is for unless it says otherwise)
    to a list of targets."""
    parameter: str
    """The argument of :func:`vos.load_prompts`."""
    flags: tuple[str, ...]
    """Of the commands that take prompts."""
    metavar: str
    help: str
    """One line for people."""
    is_path: bool = False
    """Whether a file or folder is given."""
    has_masks: bool = False
    """Whether mask files are read: the parser takes ``values``, a MaskValues, too."""


TARGET_SOURCES: dict[str, TargetSource] = {
    "mask": TargetSource(
        "vos.prompting.mask:parse_mask",
        "masks",
        ("-m", "--mask"),
        "MASK",
        "Mask: index or 0/255 PNG, .npy, or a folder with one PNG per object.",
        is_path=True,
        has_masks=True,
    ),
    "point": TargetSource(
        "vos.prompting.point:parse_point",
        "points",
        ("--point",),
        "ID:x,y[,+|-]",
        "Click on an object (+, the default) or off it (-). Repeatable.",
    ),
    "box": TargetSource(
        "vos.prompting.box:parse_box",
        "boxes",
        ("--box",),
        "ID:x0,y0,x1,y1",
        "Box around an object, in inclusive pixel indices. Repeatable.",
    ),
    "prompts": TargetSource(
        "vos.prompting.prompt_file:parse_prompt_file",
        "prompt_files",
        ("--prompts",),
        "FILE",
        "Prompts for any objects in any frames, as JSON.",
        is_path=True,
        has_masks=True,
    ),
}
"""Name -> entry. To add a source, write one file here and add one entry."""
