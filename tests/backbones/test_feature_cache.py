"""Each image is encoded once, while it is among those seen last."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from vos.backbones.base import FrameFeatures
from vos.backbones.feature_cache import FeatureCache
from vos.backbones.in_video import encode_frame
from vos.frame import Frame

IMAGES = [np.full((4, 6, 3), value, np.uint8) for value in range(4)]


class Still:
    """A backbone that counts what it encodes and says what it was asked to decode."""

    accepts_guidance = True
    device = "cpu"

    def __init__(self) -> None:
        self.encoded: list[int] = []

    def encode(self, image: np.ndarray) -> FrameFeatures:
        """By the value of the image."""
        self.encoded.append(int(image[0, 0, 0]))
        return FrameFeatures(torch.zeros(1, 1, 1), (4, 6), None)

    def decode(self, *arguments: Any, **options: Any) -> Any:
        """What was given."""
        return arguments, options


class Moving(Still):
    """One that looks at images nearby."""

    def encode_in_video(self, image: np.ndarray, nearby: Any) -> FrameFeatures:
        """Values nearby are noted, too."""
        self.encoded += [100 + int(other[0, 0, 0]) for other in nearby()]
        return self.encode(image)


def test_the_newest_images_are_kept() -> None:
    """As many as there is room for; an array of equal pixels is the same image."""
    cache = FeatureCache(Still(), capacity=2)
    first = cache.encode(IMAGES[0])
    assert cache.encode(IMAGES[0]) is first
    cache.encode(IMAGES[1])
    assert cache.encode(IMAGES[0]) is first
    cache.encode(IMAGES[2])
    assert cache.encode(IMAGES[0]) is not first
    assert cache.encode(IMAGES[0].copy()) is cache.encode(IMAGES[0])
    cache.encode(IMAGES[0][:2])
    assert cache.backbone.encoded == [0, 1, 2, 0, 0]


def test_where_images_nearby_count_an_equal_array_is_another_image() -> None:
    """The same pixels twice in a video move as their own neighbours do."""
    cache = FeatureCache(Moving())
    for index in range(2):
        encode_frame(cache, Frame(index, IMAGES[1].copy(), str(index), nearby=lambda: IMAGES[2:3]))
    cache.encode(IMAGES[1].copy())
    assert cache.backbone.encoded == [102, 1, 102, 1, 1]


def test_images_nearby_are_read_once_and_by_those_alone_that_look_at_them() -> None:
    frame = Frame(1, IMAGES[1], "00001", nearby=lambda: IMAGES[2:4])
    for backbone, seen in ((Moving(), [102, 103, 1]), (Still(), [1])):
        cache = FeatureCache(backbone)
        assert encode_frame(cache, frame) is encode_frame(cache, frame)
        assert cache.encode(frame.image) is encode_frame(cache, frame)
        assert backbone.encoded == seen
    still = Moving()
    encode_frame(still, Frame(2, IMAGES[2], "00002"))
    assert still.encoded == [2]


def test_all_else_is_the_backbone() -> None:
    cache = FeatureCache(Still())
    assert cache.accepts_guidance
    assert not cache.refines_itself
    assert cache.quality_models is None
    arguments, options = cache.decode("features", ["prompt"], guidance=None, multimask=False)
    assert arguments == ("features", ["prompt"])
    assert options == {"guidance": None, "multimask": False}
