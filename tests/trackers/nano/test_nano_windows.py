"""The decoder looks at the part of the crop around each object."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.backbones.nano.cues import CUES, MASK, MASK_LOGIT
from vos.backbones.nano.network import NanoConfig, NanoNetwork, Pyramid
from vos.trackers.nano.windows import Window, WindowSettings, decoded, object_window

SETTINGS = WindowSettings(room=0.5, min_room=8, max_share=0.6)
CONFIG = NanoConfig((8, 8, 12, 16, 16), (0, 0, 1, 1, 0), 12, memory=8, keys=8)


def cues_of(rows: slice, columns: slice, size: tuple[int, int] = (320, 320)) -> np.ndarray:
    """(2, h, w) mask and warped mask of a rectangle."""
    cues = np.full((2, *size), -1, np.float32)
    cues[:, rows, columns] = 1
    return cues


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (slice(100, 140), slice(110, 120), (slice(64, 160), slice(64, 160))),  # half of 40 around it
        (slice(0, 10), slice(310, 320), (slice(0, 32), slice(288, 320))),  # at the border, 8 around it
        (slice(20, 300), slice(10, 310), None),  # nearly all of it
    ],
)
def test_room_around_an_object(rows: slice, columns: slice, expected: Window | None) -> None:
    """In proportion to its size, with a minimum; from and to multiples of 32."""
    assert object_window(cues_of(rows, columns), (320, 320), SETTINGS) == expected


def test_where_the_object_may_be() -> None:
    """Where its mask has a probability of 5 %, or its warped mask is; the whole crop where it is nowhere."""
    cues = cues_of(slice(100, 110), slice(100, 110))
    cues[0, 200, 200] = -0.49
    assert object_window(cues, (320, 320), SETTINGS) == (slice(32, 256), slice(32, 256))
    cues[0] = -1
    assert object_window(cues, (320, 320), SETTINGS) == (slice(64, 128), slice(64, 128))
    cues[1] = 0
    assert object_window(cues, (320, 320), SETTINGS) is None


def test_the_input_goes_on_beyond_the_crop() -> None:
    """Padding at the right and below is part of the window of an object beside it."""
    cues = cues_of(slice(285, 300), slice(285, 300), (300, 300))
    assert object_window(cues, (320, 320), SETTINGS) == (slice(256, 320), slice(256, 320))


@torch.inference_mode()
def test_decoded_part_by_part() -> None:
    """An object's change is what the decoder makes of its window, and 0 elsewhere; others are not touched."""
    torch.manual_seed(0)
    network = NanoNetwork(CONFIG).eval()
    torch.nn.init.normal_(network.decoder.masks.weight, std=0.5)
    pyramid = network.encoder(torch.rand(1, 3, 160, 192))
    cues, read = torch.rand(3, len(CUES), 160, 192), torch.rand(3, 8, 10, 12)
    window = (slice(32, 128), slice(64, 192))
    found = decoded(network, pyramid, cues, read, [None, window, None])

    def expected(pyramid: Pyramid, cues: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        return network.decoder(pyramid, cues, read)[0].mean(dim=1) - MASK_LOGIT * cues[:, MASK]

    whole = expected(pyramid, cues, read)
    torch.testing.assert_close(found[[0, 2]], whole[[0, 2]])
    rows, columns = window
    levels = tuple(
        level[:, :, 32 // s : 128 // s, 64 // s : 192 // s]
        for level, s in zip(pyramid.levels, (2, 4, 8, 16, 32), strict=True)
    )
    part = expected(
        Pyramid(levels, pyramid.columns[:, :, 4:16, 8:24]),
        cues[1:2, :, rows, columns],
        read[1:2, :, 2:8, 4:12],
    )
    torch.testing.assert_close(found[1][rows, columns], part[0])
    outside = torch.ones(160, 192, dtype=torch.bool)
    outside[rows, columns] = False
    assert not found[1][outside].any()
    assert found[1][rows, columns].abs().mean() > 0.01
    without = decoded(network, pyramid, cues, None, [None, window, None])
    assert not torch.equal(without[1], found[1])


@pytest.mark.parametrize(
    "wrong", [{"room": -1.0}, {"room": np.nan}, {"room": np.inf}, {"min_room": -1}, {"max_share": 1.1}]
)
def test_impossible_windows(wrong: dict[str, float]) -> None:
    """They name the setting."""
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        WindowSettings(**wrong)
