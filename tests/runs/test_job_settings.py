"""Settings of a run."""

from __future__ import annotations

from typing import Any

import pytest

from vos.errors import SettingsError
from vos.runs import TrackSettings
from vos.settings import override


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"start": -1}, "start must be 0 or more, got -1"),
        ({"start": 5, "end": 5}, r"end must be after start \(5\), got 5"),
        ({"stride": 0}, "stride must be 1 or more"),
        ({"checkpoint_every": 0}, "checkpoint_every must be 1 or more"),
        ({"outputs": ["masks", "gif"]}, "unknown output 'gif'; choose of masks, overlay, coco"),
        ({"overlay": {"alpha": 2.0}}, r"alpha must be in 0\.\.1"),
        ({"overlay": {"alhpa": 0.5}}, "unknown setting 'overlay.alhpa'; did you mean alpha"),
        ({"dtype": "int8"}, "'auto' or 'float32' or 'bfloat16' or 'float16', got 'int8'"),
        ({"modle": "classical"}, "unknown setting 'modle'; did you mean model"),
    ],
)
def test_wrong_settings_are_refused(layer: dict[str, Any], message: str) -> None:
    """A wrong value or key names itself, what is allowed and what was probably meant."""
    with pytest.raises(SettingsError, match=message):
        override(TrackSettings(), layer)


def test_layers() -> None:
    """A recipe lies over the defaults and flags over the recipe; None means that a flag was not given."""
    recipe = {"size": [640, 360], "overlay": {"alpha": 0.25}, "outputs": ["masks"], "stride": 2}
    settings = override(TrackSettings(), recipe, {"stride": 3, "end": None, "size": None})
    assert (settings.size, settings.stride, settings.end) == ((640, 360), 3, None)
    assert (settings.overlay.alpha, settings.overlay.contour) == (0.25, True)
    assert settings.outputs == ("masks",)
    assert override(TrackSettings(), {"size": 480}).size == 480


def test_reading_options() -> None:
    """What concerns reading goes to the reader under the same names."""
    settings = TrackSettings(start=2, stride=3, size=240)
    assert settings.reading() == {
        "start": 2,
        "end": None,
        "stride": 3,
        "size": 240,
        "reader": settings.reader,
    }
