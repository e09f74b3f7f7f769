"""The quick score out of the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training.nano.contexts import score, store_contexts, stored_contexts
from vos.backbones.nano.backbone import NanoBackbone
from vos.backbones.nano.network import NanoConfig, NanoNetwork
from vos.evaluation.davis_layout import read_davis_set
from vos.trackers.classical.appearance import AppearanceSettings
from vos.trackers.classical.tracker import ClassicalSettings
from vos.trackers.nano.tracker import NanoSettings

ENGINE = ClassicalSettings(appearance=AppearanceSettings(views=2, samples=400, iterations=40, batch=128))


def test_contexts_are_stored_and_scored(tmp_path: Path, small_davis: Callable[[Path], Path]) -> None:
    """A network that knows nothing scores as the engine, and one that sees nothing scores nothing."""
    davis = small_davis(tmp_path / "davis")
    (sequence,) = read_davis_set(davis, "2017/dev").sequences
    store_contexts(davis, sequence, tmp_path / "contexts", every=1, settings=ENGINE)
    frames = stored_contexts(tmp_path / "contexts")
    assert len(frames) == len(sequence.annotations) - 1
    assert all(frame.context.references is frames[0].context.references for frame in frames)
    torch.manual_seed(0)
    network = NanoNetwork(NanoConfig((8, 8, 12, 16, 16), (0, 0, 1, 1, 0), 12))
    settings = NanoSettings(classical=ENGINE)
    engine = score(None, frames, settings)
    assert engine > 60
    assert score(NanoBackbone(network), frames, settings) == pytest.approx(engine, abs=0.5)
    torch.nn.init.constant_(network.decoder.masks.bias, -40.0)
    assert score(NanoBackbone(network), frames, settings) == 0
