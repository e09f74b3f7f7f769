"""What is remembered of an object, and what a correction makes it forget."""

from __future__ import annotations

import pytest
import torch

from vos.trackers.persam.memory import ObjectMemory


def columns(*angles: float) -> torch.Tensor:
    """(2, m) unit columns at these angles in degrees."""
    radians = torch.deg2rad(torch.tensor(angles))
    return torch.stack([torch.cos(radians), torch.sin(radians)])


def test_the_oldest_recent_frame_goes() -> None:
    memory = ObjectMemory(1, (columns(0),), torch.ones(2))
    for angle in (10, 20, 30):
        memory = memory.remembering(columns(angle), 2)
    seen = torch.cat(memory.columns(), dim=1)
    torch.testing.assert_close(seen, columns(0, 20, 30))
    assert memory.remembering(columns(40), 0).recent == ()


def test_a_correction_keeps_the_first_reference_and_the_newest() -> None:
    """Recent frames are forgotten: they may hold the error."""
    memory = ObjectMemory(1, (columns(0),), torch.ones(2), recent=(columns(5),))
    none = columns()
    for angle in (10, 20, 30):
        memory = memory.is_corrected(columns(angle), none, 3)
    assert memory.recent == ()
    torch.testing.assert_close(torch.cat(memory.permanent, dim=1), columns(0, 20, 30))


def test_what_a_correction_contradicts_is_forgotten() -> None:
    """Old columns that are nearer to what is not the object; equals stay."""
    memory = ObjectMemory(1, (columns(0, 40, 45, 80),), torch.ones(2))
    corrected = memory.is_corrected(columns(0), columns(90), 4)
    torch.testing.assert_close(corrected.permanent[0], columns(0, 40, 45), atol=1e-5, rtol=0)
    torch.testing.assert_close(corrected.permanent[1], columns(0))


def test_confidence_is_a_product() -> None:
    memory = ObjectMemory(1, (), torch.ones(2), last_score=0.5, last_quality=0.8, reference_confidence=0.9)
    assert memory.confidence == pytest.approx(0.36)
