"""Flags and settings of earlier versions, which are still understood."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest
from vos_cli.renamed import with_current_flags

from vos.prompting.class_names import ClassSettings
from vos.settings import override
from vos.trackers.classical.settings import ClassicalSettings
from vos.trackers.nano.tracker import NanoSettings
from vos.trackers.persam.step import PersamTrackerSettings


def test_an_old_flag_becomes_the_new_one(caplog: pytest.LogCaptureFixture) -> None:
    """With its value, in either form of writing, and with a notice that names both."""
    with caplog.at_level(logging.WARNING):
        current = with_current_flags(["track", "--finder=blip", "--finder-weights", "folder"])
    assert current == ["track", "--detector=blip", "--detector-weights", "folder"]
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "flag --finder is called --detector now",
        "flag --finder-weights is called --detector-weights now",
    ]


def test_what_follows_the_end_of_options_is_left_alone() -> None:
    """It is a file of that name."""
    assert with_current_flags(["track", "--", "--finder"]) == ["track", "--", "--finder"]


def test_an_old_setting_becomes_the_new_one(caplog: pytest.LogCaptureFixture) -> None:
    """Nested, too, with a notice that names both."""
    with caplog.at_level(logging.WARNING):
        settings = override(ClassicalSettings(), {"fusion": {"looks": 1.5}, "max_given": 3})
        classes = override(ClassSettings(), {"finder": "owlv2"})
    assert (settings.fusion.appearance, settings.max_references, classes.detector) == (1.5, 3, "owlv2")
    assert "setting fusion.looks is called fusion.appearance now" in caplog.text


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
