"""The clips that can be rendered, by the names that ``vos demo --clip`` has for them."""

from __future__ import annotations

from . import stress, train
from .story import Story

STORIES: dict[str, Story] = {"toys": stress.STORY, "train": train.STORY}
