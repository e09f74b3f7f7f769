"""Checkpoint files: what is read, and what is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vos.backbones.weights.checkpoints import check_entries, load_state
from vos.errors import ModelError

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(1)}


def _equal(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(torch.equal(found[k], STATE[k]) for k in STATE)


def test_formats_that_are_read(tmp_path: Path) -> None:
    """New and old .pth files, wrapped ones, safetensors whatever their name, and a folder with one."""
    torch.save(STATE, tmp_path / "new.pth")
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"model": STATE, "epoch": 3}, tmp_path / "wrapped.pth")
    save_file(STATE, tmp_path / "model.safetensors")
    save_file(STATE, tmp_path / "renamed.pth")
    for name in ("new.pth", "old.pth", "wrapped.pth", "model.safetensors", "renamed.pth", "."):
        assert _equal(load_state(tmp_path / name)), name


class Malicious:
    """Unpickling this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("old", [False, True])
def test_malicious_pickle_is_refused_and_does_nothing(tmp_path: Path, old: bool) -> None:
    """Code in a checkpoint is not run."""
    trap = tmp_path / "trapped"
    content = {**STATE, "c": Malicious(trap)}
    if old:
        (tmp_path / "bad.pth").write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, tmp_path / "bad.pth")
    with pytest.raises(ModelError, match=r"was refused: it is a pickle of more than tensors") as caught:
        load_state(tmp_path / "bad.pth")
    assert caught.value.exit_code == 4
    assert not trap.exists()
    pickle.loads(pickle.dumps(Malicious(trap)))
    assert trap.exists()  # the trap works, where somebody steps into it


@pytest.mark.parametrize("name", ["cut.pth", "old.pth", "cut.safetensors"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated_files_are_named(tmp_path: Path, name: str, share: float) -> None:
    """A file cut short anywhere is an error that says so."""
    path = tmp_path / name
    big = {"w": torch.randn(300, 10), "v": torch.zeros(50)}
    if name.endswith("safetensors"):
        save_file(big, path)
    else:
        torch.save(big, path, _use_new_zipfile_serialization=name == "cut.pth")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        load_state(path)


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    """Missing and empty files, text, pictures, and pickles of other things."""
    with pytest.raises(ModelError, match=r"cannot read checkpoint .*no such file.*vos models download"):
        load_state(tmp_path / "absent.pth")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(ModelError, match="is empty"):
        load_state(tmp_path / "empty.pth")
    (tmp_path / "text.pth").write_text("<html>404 not found</html>\n")
    with pytest.raises(ModelError, match=r"text\.pth"):
        load_state(tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ModelError, match="holds list"):
        load_state(tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "number.pth")
    with pytest.raises(ModelError, match="holds int under 'epoch' where a tensor is expected"):
        load_state(tmp_path / "number.pth")
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load_state(tmp_path)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (torch.ones(1).to_sparse(), "sparse float32"),
        (torch.ones(1, device="meta"), "missing float32"),
        (torch.ones(1, dtype=torch.int32), "int32"),
        (torch.ones(1, dtype=torch.complex64), "complex64"),
        (torch.ones(1).to(torch.float8_e4m3fn), "float8_e4m3fn"),
    ],
)
def test_values_that_are_no_plain_numbers(made: torch.Tensor, kind: str) -> None:
    """Quantised weights are named, not loaded as if they were the numbers that they stand for."""
    check_entries(STATE, STATE | {"b": torch.ones(1, dtype=torch.bfloat16)}, "file.pt", "sam")
    with pytest.raises(ModelError, match=rf"file.pt cannot be used: b holds {kind} values"):
        check_entries(STATE, STATE | {"b": made}, "file.pt", "sam")
