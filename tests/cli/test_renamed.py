"""Flags and settings of earlier versions, which are still understood."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vos_cli.renamed import RENAMED_FLAGS, with_current_flags

from vos.backbones import registry as backbones
from vos.prompting.class_names import ClassSettings
from vos.settings import override
from vos.trackers import registry as trackers
from vos.trackers.classical.settings import ClassicalSettings
from vos.trackers.nano.tracker import NanoSettings
from vos.trackers.persam.step import PersamTrackerSettings
from vos.trackers.registry import split_model

ROOT = Path(__file__).resolve().parents[2]


def test_an_old_flag_becomes_the_new_one(capsys: pytest.CaptureFixture[str]) -> None:
    """With its value, in either form of writing, and with a notice that names both, unless -q is given."""
    current = with_current_flags(["track", "--finder=blip", "--finder-weights", "folder"])
    assert current == ["track", "--detector=blip", "--detector-weights", "folder"]
    assert [line.split(";")[0] for line in capsys.readouterr().err.splitlines()] == [
        "vos: flag --finder is called --detector now",
        "vos: flag --finder-weights is called --detector-weights now",
    ]
    with_current_flags(["track", "-q", "--finder", "blip"])
    assert capsys.readouterr().err == ""


def test_what_follows_the_end_of_options_is_left_alone() -> None:
    """It is a file of that name."""
    assert with_current_flags(["track", "--", "--finder"]) == ["track", "--", "--finder"]


def test_an_old_model_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """A run looks its model up several times."""
    with caplog.at_level(logging.WARNING):
        assert split_model("builtin") == split_model("builtin") == ("classical", None)
        assert split_model("target", "builtin") == ("persam", "classical")
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "model builtin is called classical now",
        "model target is called persam now",
        "backbone builtin is called classical now",
    ]


def test_an_old_setting_becomes_the_new_one(caplog: pytest.LogCaptureFixture) -> None:
    """Nested, too, with a notice that names both."""
    with caplog.at_level(logging.WARNING):
        settings = override(ClassicalSettings(), {"fusion": {"looks": 1.5}, "max_given": 3})
        classes = override(ClassSettings(), {"finder": "owlv2"})
    assert (settings.fusion.appearance, settings.max_references, classes.detector) == (1.5, 3, "owlv2")
    assert "setting fusion.looks is called fusion.appearance now" in caplog.text


def every_old_setting(settings: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Old and new names, with the parts that they are in."""
    for old, new in getattr(settings, "RENAMED", {}).items():
        yield f"{where}{old}", f"{where}{new}"
    for field in dataclasses.fields(settings):
        part = getattr(settings, field.name)
        if dataclasses.is_dataclass(part) and field.name != "classical":  # nano's, listed by themselves
            yield from every_old_setting(part, f"{where}{field.name}.")


def test_old_names_are_documented() -> None:
    """docs/upgrading.md has a row for every flag, model, backbone and setting."""
    page = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    rows = [*RENAMED_FLAGS.items()]
    rows += [(f"--model {old}", f"--model {new}") for old, new in trackers.RENAMED.items()]
    rows += [(f"backbone `{old}", f"backbone `{new}") for old, new in backbones.RENAMED.items()]
    for settings in (ClassSettings(), ClassicalSettings(), NanoSettings(), PersamTrackerSettings()):
        rows += every_old_setting(settings)
    assert [row for row in rows if f"{row[0]}` | " not in page or f"{row[1]}` |" not in page] == []


@pytest.mark.parametrize(
    "settings", [ClassicalSettings(), NanoSettings(), PersamTrackerSettings(), ClassSettings()]
)
def test_old_settings_lead_to_settings_that_there_are(settings: Any) -> None:
    """In every part of a tracker's settings; and no setting has the old name of another."""
    parts = [settings]
    while parts:
        part = parts.pop()
        fields = {field.name for field in dataclasses.fields(part)}
        renamed = getattr(part, "RENAMED", {})
        assert set(renamed.values()) <= fields
        assert not set(renamed) & fields
        parts += [value for value in vars(part).values() if dataclasses.is_dataclass(value)]
