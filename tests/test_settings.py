from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from vos.errors import SettingsError
from vos.settings import load_recipe, override


@dataclass(frozen=True)
class Inner:
    rounds: int = 3
    sigma: float = 1.5


@dataclass(frozen=True)
class Outer:
    name: str = "plain"
    mode: Literal["a", "b"] = "a"
    size: tuple[int, int] | None = None
    levels: tuple[float, ...] = (1.0,)
    on: bool = True
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise ValueError("name must not be 'forbidden'")


def test_the_last_layer_wins_and_none_means_not_given() -> None:
    """Defaults < recipe < flags; a flag that was not given leaves the recipe's value."""
    result = override(Outer(), {"name": "recipe", "on": False}, {"name": "flag", "on": None})
    assert result == Outer(name="flag", on=False)


def test_nested_settings_are_merged_not_replaced() -> None:
    """Two layers may each set one field of the same part."""
    result = override(Outer(), {"inner": {"rounds": 5}}, {"inner": {"sigma": 2}})
    assert result.inner == Inner(rounds=5, sigma=2.0)


def test_yaml_values_become_the_declared_types() -> None:
    """Lists become tuples, and where a float is declared 1 becomes 1.0, and 1e-3 is no text."""
    result = override(Outer(), {"size": [4, 6], "levels": [1, 2, "1e-3"], "mode": "b"})
    assert result.size == (4, 6)
    assert result.levels == (1.0, 2.0, 0.001)
    assert isinstance(result.levels[0], float)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"nmae": "x"}, "unknown setting 'nmae'; did you mean name"),
        ({"inner": {"round": 2}}, "unknown setting 'inner.round'; did you mean rounds"),
        ({"zzzz": 1}, "known: "),
        ({"mode": "c"}, "'mode' must be 'a' or 'b', got 'c'"),
        ({"on": 1}, "'on' must be bool, got 1"),
        ({"inner": 3}, "'inner' must be a mapping"),
        ({"inner": {"rounds": 1.5}}, "'inner.rounds' must be int"),
        ({"inner": {"sigma": float("nan")}}, "'inner.sigma' must be a finite number, got nan"),
        ({"levels": [1.0, float("inf")]}, "'levels' must be a finite number, got inf"),
        ({"size": [1, 2, 3]}, "'size' must be"),
        ({"name": "forbidden"}, "must not be 'forbidden'"),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_name(layer: dict[str, object], message: str) -> None:
    """Nothing unknown is ignored, and the message says what is known."""
    with pytest.raises(SettingsError, match=message):
        override(Outer(), layer)


def test_a_recipe_must_be_a_mapping_and_readable(tmp_path: Path) -> None:
    """A recipe that that is missing, broken or a list is refused by name; an empty one overrides nothing."""
    recipe = tmp_path / "recipe.yaml"
    with pytest.raises(SettingsError, match=r"recipe\.yaml"):
        load_recipe(recipe)
    recipe.write_text("- a\n- b\n")
    with pytest.raises(SettingsError, match="must hold a mapping"):
        load_recipe(recipe)
    recipe.write_text("a: [1\n")
    with pytest.raises(SettingsError, match="cannot read"):
        load_recipe(recipe)
    recipe.write_text("")
    assert load_recipe(recipe) == {}
