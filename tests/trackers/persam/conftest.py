"""The model of this folder's tests."""

from __future__ import annotations

import pytest

from vos.backbones.registry import build_backbone
from vos.backbones.sam.backbone import SamBackbone
from vos.testing import tiny_sam_checkpoint


@pytest.fixture(scope="session")
def sam(tmp_path_factory: pytest.TempPathFactory) -> SamBackbone:
    """A small SAM that nobody trained; tests must not change it."""
    path = tiny_sam_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.pth", seed=3)
    backbone = build_backbone("sam-vit-b", checkpoint=path)
    assert isinstance(backbone, SamBackbone)
    return backbone
