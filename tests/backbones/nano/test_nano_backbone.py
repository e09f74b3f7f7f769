"""The compact network behind the Backbone seam, on a tiny checkpoint that nobody trained."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from prompts_of_each_kind import noise, prompts_of_each_kind
from safetensors.torch import load_file

from vos.backbones.base import Guidance
from vos.backbones.nano.backbone import MAX_BATCH, NanoBackbone, input_size
from vos.backbones.nano.cues import BOX, CUES, MASK, MASK_LOGIT, OFF, ON, ROUGH, SIMILAR, prompt_cues
from vos.backbones.nano.network import (
    NanoConfig,
    NanoNetwork,
    half_precision,
    network_from,
    read_memory,
    similarity_cue,
)
from vos.backbones.registry import build_backbone
from vos.backbones.weights.location import locate_packaged
from vos.errors import ModelError, PromptError
from vos.prompts import Prompt
from vos.testing import tiny_nano_checkpoint, tiny_sam_checkpoint

LOW_RES = (16, 24)
"""Of logits that are not of the backbone's own size."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_nano_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors", seed=3)


@pytest.fixture(scope="module")
def nano(checkpoint: Path) -> NanoBackbone:
    backbone = build_backbone("nano", checkpoint=checkpoint)
    assert isinstance(backbone, NanoBackbone)
    return backbone


def test_fits_its_budget() -> None:
    """At most 4 M parameters, and 10 MB in half precision."""
    network = NanoNetwork()
    assert sum(p.numel() for p in network.parameters()) <= 4_000_000
    assert sum(v.numel() * v.element_size() for v in half_precision(network).values()) <= 10_000_000


@pytest.mark.parametrize("size", [(45, 80), (80, 45), (64, 64), (1, 200), (333, 7), (1, 1)])
def test_any_size_of_image(nano: NanoBackbone, size: tuple[int, int]) -> None:
    """The grid covers the image with unit columns, whose lengths are kept; masks have its size."""
    features = nano.encode(noise(*size))
    rows, columns = input_size(size, 410_000)
    assert features.image_size == size
    assert features.grid.shape == (12, rows // 8, columns // 8)
    torch.testing.assert_close(features.grid.norm(dim=0), torch.ones(features.grid.shape[1:]))
    torch.testing.assert_close(features.columns, features.context.pyramid.columns[0])
    point = Prompt(np.zeros((1, 2), np.float32), np.ones(1, np.int64))
    found = nano.decode(features, [point])
    assert found.logits.shape == (1, 3, *size)
    assert torch.isfinite(found.logits).all()
    assert torch.isfinite(found.scores).all()


def test_input_stays_within_bounds() -> None:
    """Multiples of 32 near the image's shape, and no more pixels than asked for, give or take a row of
    cells."""
    assert input_size((480, 854), 410_000) == (480, 864)
    assert input_size((1080, 1920), 410_000) == (480, 864)
    assert input_size((10, 10), 410_000) == (32, 32)
    assert input_size((32, 32_000), 100_000) == (32, 9984)


def test_a_batch_of_different_prompts_is_decoded_as_each_alone(nano: NanoBackbone) -> None:
    """Points, boxes, masks and logits in one call give what each gives by itself; also beyond a batch."""
    features, prompts = nano.encode(noise()), prompts_of_each_kind(LOW_RES)
    together = nano.decode(features, prompts * 2)
    assert 2 * len(prompts) > MAX_BATCH
    assert together.logits.shape == (10, 3, 45, 80)
    assert together.low_res.shape == (10, 3, 8, 16)
    for n, prompt in enumerate(prompts):
        alone = nano.decode(features, [prompt])
        torch.testing.assert_close(together.logits[n], alone.logits[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(together.logits[n + 5], alone.logits[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(together.scores[n], alone.scores[0], atol=1e-5, rtol=1e-5)


def test_one_mask_is_the_best_of_three(nano: NanoBackbone) -> None:
    """Without multimask the candidate of the highest score is left, and picking is the same as asking for
    all."""
    features, prompts = nano.encode(noise()), prompts_of_each_kind(LOW_RES)
    many, one = nano.decode(features, prompts), nano.decode(features, prompts, multimask=False)
    assert one.logits.shape == (5, 1, 45, 80)
    pick = many.scores.argmax(dim=1)
    torch.testing.assert_close(one.logits[:, 0], many.pick_logits(pick))
    torch.testing.assert_close(one.logits[:, 0], many.logits[torch.arange(5), pick])
    assert ((many.scores >= 0) & (many.scores <= 1)).all()


def test_no_prompt_no_mask(nano: NanoBackbone) -> None:
    """An empty sequence gives N = 0."""
    found = nano.decode(nano.encode(noise()), [])
    assert found.logits.shape == (0, 3, 45, 80)
    assert found.scores.shape == (0, 3)
    assert found.low_res.shape[0] == 0


def test_guidance_by_similarity_counts_for_its_own_object(nano: NanoBackbone) -> None:
    """Similarity changes the mask of the object that it is of, and no other."""
    features, prompts = nano.encode(noise()), prompts_of_each_kind(LOW_RES)[:2]
    similarity = torch.rand(features.grid.shape[1:], generator=torch.Generator().manual_seed(0))
    plain = nano.decode(features, prompts).logits
    guided = nano.decode(features, prompts, guidance=[Guidance(similarity), Guidance()]).logits
    assert not torch.allclose(plain[0], guided[0], atol=1e-3)
    torch.testing.assert_close(plain[1], guided[1], atol=1e-4, rtol=1e-4)


def test_a_network_that_knows_nothing_leaves_a_mask_as_it_is() -> None:
    """A fresh network gives a rough mask and low-res logits back."""
    backbone = NanoBackbone(NanoNetwork(NanoConfig((8, 8, 12, 16, 16), (0, 0, 1, 1, 0), 12)))
    mask = np.zeros((64, 96), bool)
    mask[16:40, 24:80] = True
    found = backbone.decode(backbone.encode(noise(64, 96)), [Prompt(mask=mask)])
    assert ((found.logits[0] > 0).numpy() == mask).all()
    again = Prompt(low_res=found.low_res[0, 0].numpy())
    again = backbone.decode(backbone.encode(noise(64, 96)), [again])
    assert ((again.logits[0] > 0).numpy() == mask).mean() > 0.98


def test_prompts_become_planes_at_their_places() -> None:
    """Points, box and mask in image pixels appear at the same place of a network input of another size."""
    prompt = Prompt(
        np.array([[10, 5], [70, 30]], np.float32),
        np.array([1, 0]),
        np.array([20, 10, 59, 29], np.float32),
        np.pad(np.ones((20, 40), bool), ((10, 10), (20, 20))),
    )
    cues = prompt_cues(prompt, (40, 80), (80, 160))
    assert np.unravel_index(cues[ON].argmax(), cues[ON].shape) in {(10, 20), (11, 21), (10, 21), (11, 20)}
    assert np.unravel_index(cues[OFF].argmax(), cues[OFF].shape) in {
        (60, 140),
        (61, 141),
        (60, 141),
        (61, 140),
    }
    inside = np.zeros((80, 160), bool)
    inside[20:60, 40:120] = True
    assert ((cues[BOX] > 0) == inside).all()
    assert (np.abs(cues[BOX]) == 1).all()
    assert ((cues[MASK] > 0) == inside).all()
    assert cues[MASK].max() == ROUGH
    logits = prompt_cues(Prompt(low_res=np.full((5, 9), -3.0, np.float32)), (40, 80), (80, 160))
    assert np.allclose(logits[MASK], -3 / MASK_LOGIT)
    assert not logits[[ON, OFF, BOX, SIMILAR]].any()


def test_similarity_cue_keeps_order_and_ignores_scale() -> None:
    """The same cue whatever the measure's offset and unit; a constant map says nothing."""
    similarity = torch.rand(6, 9, generator=torch.Generator().manual_seed(1))
    cue = similarity_cue(similarity, (12, 18))
    torch.testing.assert_close(cue, similarity_cue(5 * similarity + 3, (12, 18)), atol=1e-4, rtol=1e-4)
    assert (cue.abs() <= 1).all()
    assert not similarity_cue(torch.full((6, 9), 0.3), (12, 18)).any()


def test_memory_gives_back_what_lies_at_a_like_key() -> None:
    """Cells read the values of the remembered cells whose keys are theirs, each object its own."""
    keys = 20 * torch.eye(4).reshape(1, 4, 4)
    values = torch.arange(2 * 3 * 4).reshape(2, 3, 4).float()
    query = keys.reshape(1, 4, 2, 2)
    read = read_memory(query, keys, values)
    torch.testing.assert_close(read, values.reshape(2, 3, 2, 2))


def test_a_network_with_a_memory_is_read_from_its_weights() -> None:
    """Sizes of the memory are found in a checkpoint, and what was read changes what is decoded."""
    torch.manual_seed(0)
    config = NanoConfig((8, 8, 12, 16, 16), (0, 0, 1, 1, 0), 12, memory=6, keys=10)
    network = network_from(half_precision(NanoNetwork(config)), "a test")
    assert network.config == config
    assert network.memory is not None
    torch.nn.init.normal_(network.decoder.masks.weight, std=0.2)
    with torch.inference_mode():
        pyramid = network.encoder(torch.rand(1, 3, 64, 96))
        masks = torch.zeros(2, 2, 64, 96)
        masks[0, 0, :32] = 1
        masks[1, 1, :32] = 1
        values = network.memory.values(pyramid, masks)
        keys = network.memory.keys(pyramid)
        assert keys.shape == (1, 10, 4, 6)
        assert values.shape == (2, 6, 4, 6)
        read = read_memory(keys, keys.flatten(2), values.flatten(2))
        cues = torch.zeros(2, len(CUES), 64, 96)
        with_memory = network.decoder(pyramid, cues, read)[0]
        without = network.decoder(pyramid, cues)[0]
    assert not torch.equal(with_memory, without)
    assert not torch.equal(with_memory[0], with_memory[1])


def test_a_mask_of_another_size_is_refused(nano: NanoBackbone) -> None:
    """The message names both sizes."""
    with pytest.raises(PromptError, match=r"\(45, 80\), got \(10, 10\)"):
        nano.decode(nano.encode(noise()), [Prompt(mask=np.ones((10, 10), bool))])


def test_the_weights_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They load without a network, and are as small as they should be; a package without them says so."""
    monkeypatch.setenv("VOS_OFFLINE", "1")
    backbone = build_backbone("nano")
    assert isinstance(backbone, NanoBackbone)
    assert sum(p.numel() for p in backbone.network.parameters()) <= 6_000_000
    assert locate_packaged("nano").stat().st_size <= 12_000_000
    monkeypatch.setattr(resources, "files", lambda package: tmp_path)
    with pytest.raises(ModelError, match=r"weights of nano are missing.*--checkpoint") as error:
        build_backbone("nano")
    assert error.value.exit_code == 4


def test_other_files_are_refused(tmp_path: Path, checkpoint: Path) -> None:
    """Another model's checkpoint, a part of ours, a file that is missing."""
    with pytest.raises(ModelError, match="not a checkpoint of nano"):
        build_backbone("nano", checkpoint=tiny_sam_checkpoint(tmp_path / "sam.pth"))
    state = load_file(checkpoint)
    del state["decoder.fine.weight"]
    with pytest.raises(ModelError, match=r"half of it is not a checkpoint of nano.*docs/nano\.md"):
        network_from(state, "half of it")
    with pytest.raises(ModelError, match="cannot read checkpoint"):
        build_backbone("nano", checkpoint=tmp_path / "nowhere.safetensors")
    with pytest.raises(ModelError, match="unknown dtype"):
        build_backbone("nano", checkpoint=checkpoint, dtype="int8")


def test_bfloat16_is_about_the_same(checkpoint: Path, nano: NanoBackbone) -> None:
    """Results of lower precision come out in float32, and near."""
    other = build_backbone("nano", checkpoint=checkpoint, dtype="bfloat16")
    found = other.decode(other.encode(noise()), prompts_of_each_kind(LOW_RES)).logits
    expected = nano.decode(nano.encode(noise()), prompts_of_each_kind(LOW_RES)).logits
    assert found.dtype == torch.float32
    assert ((found > 0) == (expected > 0)).float().mean() > 0.95
