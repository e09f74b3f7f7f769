"""References of tables, and the error for a name that is not in one."""

from __future__ import annotations

import math
import os.path

import pytest

from vos.errors import ModelError
from vos.registry import load, unknown


def test_a_reference_is_loaded() -> None:
    """Attributes of attributes, too."""
    assert load("math:hypot") is math.hypot
    assert load("os:path.join") is os.path.join
    with pytest.raises(AttributeError):
        load("math:nothing")


def test_an_unknown_name_gets_the_nearest_and_all() -> None:
    error = unknown(ModelError, "model", "clasical", ["classical", "nano", "classic"])
    assert isinstance(error, ModelError)
    assert str(error) == (
        "unknown model 'clasical'; did you mean classical or classic? choose one of classical, nano, classic"
    )
    assert str(unknown(ModelError, "model", "q", ["nano"])) == "unknown model 'q'; choose one of nano"
