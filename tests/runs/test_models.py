"""Settings to models, and what is known of their confidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vos.backbones.classical.backbone import GraphCutBackbone
from vos.backbones.feature_cache import FeatureCache
from vos.prompts import Prompt, Target
from vos.runs import TrackSettings, track_video
from vos.runs.models import build_tracker_of, calibrated_sources
from vos.testing import Scene, ScriptedBackbone, ScriptedTracker
from vos.trackers.base import ALL_PROMPTS, TrackerInfo
from vos.video.selection import Video


class Decoding(ScriptedTracker):
    """Decodes points and boxes by itself, as trackers with a memory do."""

    @property
    def info(self) -> TrackerInfo:
        return TrackerInfo(None, accepts=ALL_PROMPTS)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (TrackSettings(model="classical"), ["tracked", "decoded"]),
        (TrackSettings(model="nano"), ["tracked", "decoded"]),
        (TrackSettings(model="classical", key_every=1), ["tracked", "decoded"]),
        (TrackSettings(model="classical", key_every=3), ["decoded"]),
        (TrackSettings(model="nano", checkpoint="other.safetensors"), ["decoded"]),
        (TrackSettings(model="nano", tune=True), ["decoded"]),
        (TrackSettings(model="classical", tracker={"appearance": {"seed": 1}}), ["decoded"]),
        (TrackSettings(model="persam"), ["decoded"]),
    ],
)
def test_sources_whose_confidence_was_fitted(
    clip: Scene, settings: TrackSettings, expected: list[str]
) -> None:
    """By the classical tracker and nano with their own weights on every frame, and by the default decoder."""
    assert calibrated_sources(settings, ScriptedTracker(clip), None) == expected


def test_sources_of_other_decoders(clip: Scene) -> None:
    """Only a decoder with models of its quality counts, and none where the tracker decodes by itself."""
    classical, sam2 = TrackSettings(model="classical"), TrackSettings(model="sam2.1-tiny")
    tracker = ScriptedTracker(clip)
    assert calibrated_sources(classical, tracker, ScriptedBackbone(clip)) == ["tracked"]
    assert calibrated_sources(classical, tracker, FeatureCache(GraphCutBackbone())) == ["tracked", "decoded"]
    assert calibrated_sources(sam2, Decoding(clip), None) == []


@pytest.mark.parametrize(
    ("model", "expected"), [("classical", ["tracked", "decoded"]), ("persam", ["decoded"])]
)
def test_the_record_has_them(
    video: Video, clip: Scene, tmp_path: Path, settings: TrackSettings, model: str, expected: list[str]
) -> None:
    """``calibrated`` in ``run.json``; with PerSAM over the classical backbone only masks from prompts."""
    settings = TrackSettings(model=model, end=1, outputs=("masks",), checkpoint_every=5)
    assert build_tracker_of(settings).info.accepts != ALL_PROMPTS
    given = [Target(1, Prompt(mask=clip.labels[0] == 1), 0)]
    track_video(video, given, tmp_path / "out", settings)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["calibrated"] == expected
