"""Checkpoints: names both ways, what is recognised, and one line for each that cannot be used."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoPositionEmbeddingSine

from vos.backbones.weights import catalog
from vos.errors import ModelError
from vos.testing import tiny_edgetam_folder, tiny_sam2_checkpoint, tiny_sam3_folder, tiny_sam_checkpoint
from vos.trackers.memory.architectures import Architecture, detect
from vos.trackers.memory.configurations import HIERA, hiera_config
from vos.trackers.memory.loading import load_network
from vos.trackers.memory.names import sam3_tracker, to_original, to_transformers

pytestmark = pytest.mark.usefixtures("one_thread")

State = dict[str, torch.Tensor]


@pytest.fixture
def state(checkpoint: Path) -> State:
    """Its entries, original names."""
    found: State = torch.load(checkpoint, weights_only=True)["model"]
    return found


@pytest.fixture
def folder(state: State, tmp_path: Path) -> Path:
    """The same as a folder of the Hub."""
    weights = to_transformers(state)
    save_file({k: v.clone().contiguous() for k, v in weights.items()}, tmp_path / "model.safetensors")
    detect(weights, "").config.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]})
    )
    return tmp_path


def test_names_both_ways(state: State) -> None:
    """Nothing is lost or made up, and transformers' names are those that its network has."""
    converted = to_transformers(state)
    back = to_original(converted)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)
    assert "prompt_encoder.point_embed.weight" in converted
    assert converted["prompt_encoder.point_embed.weight"].shape[0] == 4


def test_names_of_edgetam_both_ways(tmp_path: Path) -> None:
    """Keys and values of the perceiver are one entry in the original."""
    pytest.importorskip("timm")
    state = load_file(tiny_edgetam_folder(tmp_path) / "model.safetensors")
    original = to_original(state)
    assert "spatial_perceiver.layers.0.attn.to_kv.weight" in original
    assert "image_encoder.trunk.body.stem.conv1.c.weight" in original
    back = to_transformers(original)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


@pytest.mark.parametrize(
    "trunk",
    [
        pytest.param(trunk, marks=() if trunk.name == "tiny" else pytest.mark.slow, id=trunk.name)
        for trunk in HIERA
    ],
)
def test_every_size_is_recognised(trunk) -> None:  # type: ignore[no-untyped-def]
    """From the shapes alone; July's files lack what September's have."""
    from transformers import Sam2VideoModel

    switches = ("enable_occlusion_spatial_embedding", "enable_temporal_pos_encoding_for_object_pointers")
    for family, on in (("sam2.1", True), ("sam2", False)):
        with torch.device("meta"):
            expected = Sam2VideoModel(hiera_config(trunk, dict.fromkeys(switches, on))).state_dict()
            found = detect(to_transformers(to_original(expected)), "file")
            again = Sam2VideoModel(found.config).state_dict()
        assert found.model == f"{family}-{trunk.name}"
        assert {k: v.shape for k, v in again.items()} == {k: v.shape for k, v in expected.items()}


def test_a_folder_of_the_hub(folder: Path) -> None:
    """Sizes come from its configuration, normalisation from the processor's."""
    network = load_network("sam2.1-tiny", folder)
    assert network.image_size == 256
    assert network.mean == (0.5, 0.5, 0.5)
    assert network.std == (0.25, 0.25, 0.25)


@pytest.mark.parametrize("place", ["shared_image_embedding", "prompt_encoder.shared_embedding"])
def test_positions_that_are_saved_once(place: str, folder: Path, tmp_path: Path) -> None:
    """The network has them in two places; tied weights are saved in one."""
    state = load_file(folder / "model.safetensors")
    saved = state.pop(f"{place}.positional_embedding")
    save_file(state, tmp_path / "tied.safetensors")
    loaded = load_network("sam2.1-tiny", tmp_path / "tied.safetensors").model.state_dict()
    assert torch.equal(loaded[f"{place}.positional_embedding"], saved)


def test_edgetam_from_a_folder(tmp_path: Path) -> None:
    """A memory is 256 global latents, which have no place, and a grid of 4 by 4, which has."""
    pytest.importorskip("timm")
    network = load_network("edgetam", tiny_edgetam_folder(tmp_path))
    assert network.memory_position.shape == (256 + 16, 64)
    assert not network.memory_position[:256].any()
    sine = Sam2VideoPositionEmbeddingSine(num_position_features=32, normalize=True)
    places = sine(torch.Size((1, 64, 4, 4)), torch.device("cpu"), torch.float32)[0].flatten(1).T
    torch.testing.assert_close(network.memory_position[256:], places)


def test_sam3_from_a_folder(tmp_path: Path) -> None:
    """Alone, and out of a checkpoint that holds detector and tracker; a file is not enough."""
    folder = tiny_sam3_folder(tmp_path / "sam3")
    network = load_network("sam3", folder)
    assert network.mean == (0.5, 0.5, 0.5)
    state = load_file(folder / "model.safetensors")
    both = {"detector_model.text.weight": torch.zeros(1)}
    for name, tensor in state.items():
        if name.startswith("vision_encoder.backbone."):
            both[f"detector_model.{name}"] = tensor
        elif name.startswith("vision_encoder.neck."):
            both[name.replace("vision_encoder.neck.", "tracker_neck.")] = tensor
        else:
            both[f"tracker_model.{name}"] = tensor
    assert sam3_tracker(both).keys() == state.keys()
    with pytest.raises(ModelError, match=r"sam3 is read from a folder of the Hub"):
        load_network("sam3", folder / "model.safetensors")


Break = Callable[[State], State]


def _larger(state: State) -> State:
    return state | {"image_encoder.trunk.patch_embed.proj.weight": torch.zeros(40, 3, 7, 7)}


def _without(state: State) -> State:
    return {k: v for k, v in state.items() if k != "no_mem_embed"}


def _one_less(state: State) -> State:
    return {k: v for k, v in state.items() if k != "memory_encoder.out_proj.bias"}


def _one_more(state: State) -> State:
    return state | {"extra": torch.zeros(1)}


def _other_shape(state: State) -> State:
    return state | {"obj_ptr_proj.layers.2.bias": torch.zeros(7)}


def _not_finite(state: State) -> State:
    return state | {"no_mem_embed": torch.full_like(state["no_mem_embed"], torch.nan)}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            _larger,
            "no published size: its trunk is 40 channels wide with 8 blocks; known are 96 and 12 .tiny.",
        ),
        (_without, "is not a checkpoint of SAM 2.1"),
        (_one_less, "1 missing .such as memory_encoder.projection.bias"),
        (_one_more, "1 unknown .such as extra"),
        (_other_shape, "object_pointer_proj.proj_out.bias has shape .7,. where .128,. is needed"),
        (_not_finite, "NaN or infinite"),
    ],
)
def test_a_checkpoint_that_does_not_fit(broken: Break, message: str, state: State, tmp_path: Path) -> None:
    """The message names the file and what is wrong, in one line."""
    path = tmp_path / "broken.pt"
    torch.save({"model": broken(state)}, path)
    with pytest.raises(ModelError, match=message) as error:
        load_network("sam2.1-tiny", path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_truncated_file(checkpoint: Path, tmp_path: Path) -> None:
    """Not a traceback of the pickle module."""
    path = tmp_path / "half.pt"
    path.write_bytes(checkpoint.read_bytes()[:100_000])
    with pytest.raises(ModelError, match=r"truncated"):
        load_network("sam2.1-tiny", path)


def test_a_file_that_is_not_the_published_one(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other bytes under the published name and size are refused; another name is the user's own file."""
    weights = catalog.WEIGHTS["sam2.1-tiny"]
    path = tmp_path / weights.file
    path.write_bytes(checkpoint.read_bytes())
    size = path.stat().st_size
    monkeypatch.setitem(catalog.WEIGHTS, "sam2.1-tiny", type(weights)(**vars(weights) | {"size": size}))
    with pytest.raises(ModelError, match=r"is not the published file of sam2.1-tiny"):
        load_network("sam2.1-tiny", path)
    load_network("sam2.1-tiny", path.rename(tmp_path / "mine.pt"))


def test_another_model_than_its_name(checkpoint: Path, tmp_path: Path) -> None:
    """July under September's name and the other way round, another family, another size, a SAM."""
    july = tiny_sam2_checkpoint(tmp_path / "july.pt", july=True)
    with pytest.raises(ModelError, match=r"of July 2024 .*use --model sam2-small"):
        load_network("sam2.1-small", july)
    with pytest.raises(ModelError, match=r"of September 2024 .*use --model sam2.1-tiny"):
        load_network("sam2-tiny", checkpoint)
    with pytest.raises(ModelError, match=r"not of edgetam; use --model sam2.1-tiny"):
        load_network("edgetam", checkpoint)
    with pytest.raises(ModelError, match=r"is not a checkpoint of SAM 2.1"):
        load_network("sam2.1-tiny", tiny_sam_checkpoint(tmp_path / "sam.pth"))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "has no config.json, which describes its weights"),
        ("preprocessor_config.json", None, "has no preprocessor_config.json with image_mean"),
        ("config.json", "{", "cannot read .*config.json"),
        ("config.json", '{"model_type": "bert"}', "a model of type 'bert'; trackers are of type"),
        ("model.safetensors", None, "has no model.safetensors; fetch the whole repository"),
    ],
)
def test_a_folder_that_is_not_whole(file: str, content: str | None, message: str, folder: Path) -> None:
    """The file that is missing or damaged is named."""
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(ModelError, match=message):
        load_network("sam2.1-tiny", folder)


def test_without_timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EdgeTAM says which package is missing, before anything else."""
    pytest.importorskip("timm")
    path = tmp_path / "edgetam.pt"
    torch.save(
        {"model": to_original(load_file(tiny_edgetam_folder(tmp_path / "f") / "model.safetensors"))}, path
    )
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModelError, match=r"pip install timm"):
        load_network("edgetam", path)


def test_weights_that_are_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file wanted is named, and how to get it; nothing is fetched."""
    monkeypatch.setenv("VOS_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"sam2.1_hiera_small.pt; fetch them .184 MB. with `vos models"):
        load_network("sam2.1-small")
    with pytest.raises(ModelError, match=r"edgetam.pt: edgetam is not fetched for you: get it from https"):
        load_network("edgetam")
    with pytest.raises(ModelError, match=r"SAM License.* Access is gated: log in there"):
        load_network("sam3")


def test_the_mask_decoder_is_configured_in_its_own_class(
    state: State, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers 5.17 makes a prompt encoder's configuration of a dict, so it is never given one."""
    import transformers

    given = []

    class Watched(transformers.Sam2VideoConfig):
        def __init__(self, **fields: object) -> None:
            given.append(type(fields["mask_decoder_config"]))
            super().__init__(**fields)

    monkeypatch.setattr(transformers, "Sam2VideoConfig", Watched)
    detect(to_transformers(state), "")
    Architecture.from_config(json.loads((folder / "config.json").read_text()), "folder")
    assert given == [transformers.Sam2VideoMaskDecoderConfig] * 2


@pytest.mark.parametrize("part", ["num_maskmem", "vision_config", "mask_decoder_config"])
def test_a_configuration_with_a_value_of_another_kind(part: str, folder: Path) -> None:
    """One line that names the file, whatever transformers makes of the value."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: "seven"}))
    with pytest.raises(ModelError, match=r"config.json cannot be used: ") as caught:
        load_network("sam2.1-tiny", folder)
    assert "\n" not in str(caught.value)
    assert part in str(caught.value)
