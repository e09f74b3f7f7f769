"""Shared fixtures. Real data is found through VOS_TEST_DATA and is never part of the repository."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import vos.testing
from vos.backbones.registry import BACKBONES
from vos.notices import warn_renamed
from vos.trackers.registry import TRACKERS

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes depends on what else the machine does; folders may serve for several examples.
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A command sets the level and the handlers of our logger for its process: not for the tests after it."""
    logger = logging.getLogger("vos")
    before = logger.level, logger.handlers
    logger.setLevel(logging.NOTSET)
    logger.handlers = []
    warn_renamed.cache_clear()
    yield
    logger.setLevel(before[0])
    logger.handlers = before[1]


def _folder(path: Path, what: str) -> Path:
    if not path.is_dir():
        pytest.skip(f"{what} not found at {path}; set VOS_TEST_DATA to the folder that holds it")
    return path


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder with real videos and ground truth (VOS_TEST_DATA, default ../shared/data)."""
    return _folder(Path(os.environ.get("VOS_TEST_DATA") or ROOT.parent / "shared" / "data"), "test data")


@pytest.fixture(scope="session")
def davis_root(test_data: Path) -> Path:
    """DAVIS 2016 dev sequences at 480p, with masks."""
    return _folder(test_data / "DAVIS", "DAVIS")


@pytest.fixture(scope="session")
def davis_multi_root(test_data: Path) -> Path:
    """One DAVIS 2017 sequence with 7 objects at 432x240."""
    return _folder(test_data / "DAVIS-2017-240p", "DAVIS 2017")


@pytest.fixture(scope="session")
def golden(test_data: Path) -> Path:
    """Recorded inputs and outputs of the reference implementations, beside the data."""
    return _folder(test_data.parent / "golden", "golden data")


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Path]]:
    """Model name -> the options that build it with weights nobody trained; written once a session.

    ``vos.testing.tiny_<name>_checkpoint`` writes them where there is one, and that of a small SAM otherwise.
    """
    folder = tmp_path_factory.mktemp("weights")

    def options(name: str) -> dict[str, Path]:
        entry = BACKBONES.get(name) or TRACKERS[name]
        if entry.weights in ("none", "backbone"):
            return {}
        path = folder / f"{name}.pth"
        if name == "edgetam":
            pytest.importorskip("timm")
            return {"checkpoint": path if path.exists() else vos.testing.tiny_edgetam_folder(path)}
        if name == "sam3":
            return {"checkpoint": path if path.exists() else vos.testing.tiny_sam3_folder(path)}
        if name.startswith("efficienttam") and not path.exists():
            vos.testing.tiny_efficienttam_checkpoint(path)
        if name.startswith("sam2") and not path.exists():
            vos.testing.tiny_sam2_checkpoint(path, july=name.startswith("sam2-"))
        own = getattr(vos.testing, f"tiny_{name.replace('-', '_')}_checkpoint", None)
        if own is not None and not path.exists():
            own(path)
        if not path.exists():
            kind = "vit-hq" if name.startswith("sam-hq-") else "vit"
            vos.testing.tiny_sam_checkpoint(path, kind="tiny-vit" if name == "mobile-sam" else kind)
        return {"checkpoint": path}

    return options


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny networks and small pictures are slower on several threads when the machine is busy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def classical_by_default(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands without ``--model`` take the classical tracker in tests, unless one asks for ``auto``."""
    if "auto_by_default" not in request.fixturenames:
        monkeypatch.setattr("vos_cli.options.DEFAULT_MODEL", "classical")


@pytest.fixture
def auto_by_default() -> None:
    """``vos track`` chooses a model, as it does for users."""
