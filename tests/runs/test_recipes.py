"""Recipes, shown and checked."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from vos.errors import ModelError, SettingsError
from vos.runs.recipes import COMMANDS, as_yaml, changed, field_docs, read_recipe, with_groups
from vos.runs.settings import TrackSettings
from vos.settings import override
from vos.trackers.registry import TRACKERS, tracker_settings


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_what_is_shown_is_a_recipe_of_the_defaults(command: str, tmp_path: Path) -> None:
    """It reads back, and changes nothing."""
    path = tmp_path / "shown.yaml"
    path.write_text(as_yaml(read_recipe(command)))
    assert changed(read_recipe(command, path)) == []


@pytest.mark.parametrize("model", sorted(TRACKERS))
def test_settings_of_every_tracker(model: str, tmp_path: Path) -> None:
    """They are shown below ``tracker``, without its weights, and the tracker takes what is shown."""
    path = tmp_path / "shown.yaml"
    path.write_text(as_yaml(read_recipe("track", model=model)))
    shown = yaml.safe_load(path.read_text())
    assert shown["model"] == model
    assert tracker_settings(model, shown["tracker"]) == tracker_settings(model, {})
    override(TrackSettings(), shown)


def test_changes_are_named(tmp_path: Path) -> None:
    """Nested ones by their whole path, with the default beside them."""
    path = tmp_path / "mine.yaml"
    path.write_text("stride: 2\ntracker: {crf: {strength: 4}}\nclasses: {detector: owlv2}\n")
    settings = read_recipe("track", path)
    named = {".".join(s.path): (s.value, s.default) for s in changed(settings)}
    assert named == {
        "stride": (2, 1),
        "tracker.crf.strength": (4.0, 3.0),
        "classes.detector": ("owlv2", "blip"),
    }
    short = yaml.safe_load(as_yaml(with_groups(changed(settings), settings)))
    assert short == {"stride": 2, "tracker": {"crf": {"strength": 4.0}}, "classes": {"detector": "owlv2"}}
    assert "# The default is 1." in as_yaml(settings)


def test_every_setting_of_a_run_says_what_it_is_for() -> None:
    """In words without the markup of docstrings."""
    docs = field_docs(TrackSettings)
    assert set(docs) == set(TrackSettings.__dataclass_fields__)
    assert not any("`" in text or "None" in text for text in docs.values())


SHOWN = [
    *((command, None, None) for command in COMMANDS),
    *(("track", model, None) for model in TRACKERS),
    ("track", None, "parity"),
]


@pytest.mark.parametrize(("command", "model", "recipe"), SHOWN)
def test_every_setting_shown_says_what_it_is_for(command: str, model: str | None, recipe: str | None) -> None:
    """Those of commands and of all trackers, nested ones and groups too, have a comment of some words."""
    settings = read_recipe(command, recipe, model)
    silent = [".".join(s.path) for s in settings if len(s.help.split()) < 2 or s.help.startswith(s.path[-1])]
    assert silent == []
    lines = as_yaml(settings).splitlines()
    assert all("#" in before for before, line in pairwise(["", *lines]) if not line.lstrip().startswith("#"))


def test_what_is_wrong_is_refused(tmp_path: Path) -> None:
    """Unknown commands, keys and models, and settings of another tracker."""
    path = tmp_path / "mine.yaml"
    path.write_text("tracker: {max_conditioning: 2}\n")
    with pytest.raises(SettingsError, match="tracker classical: unknown setting 'max_conditioning'"):
        read_recipe("track", path)
    assert changed(read_recipe("track", path, "sam2.1-tiny"))
    with pytest.raises(SettingsError, match=r"'trac'.*track"):
        read_recipe("trac")
    with pytest.raises(ModelError, match="samm"):
        read_recipe("track", model="samm")


@pytest.mark.parametrize("model", [name for name, entry in TRACKERS.items() if entry.variants])
def test_variants_are_those_that_the_tracker_has(model: str) -> None:
    """Each has settings of its own; without one they are those of the first."""
    kinds = [type(tracker_settings(model, {"variant": variant})) for variant in TRACKERS[model].variants]
    assert len(set(kinds)) == len(kinds)
    assert type(tracker_settings(model, {})) is kinds[0]
    for variant in TRACKERS[model].variants:
        settings = read_recipe("track", model=model)
        (shown,) = [s for s in settings if s.path == ("tracker", "variant")]
        assert variant in shown.help
