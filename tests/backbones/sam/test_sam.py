"""SAM behind the Backbone seam, on a tiny checkpoint in the original format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from prompts_of_each_kind import noise, prompts_of_each_kind

from vos.backbones.base import Guidance
from vos.backbones.registry import build_backbone
from vos.backbones.sam.backbone import SamBackbone
from vos.backbones.sam.preprocess import mask_to_low_res, resized_size, to_input, upscale
from vos.errors import ModelError, PromptError
from vos.prompts import Prompt
from vos.testing import tiny_sam_checkpoint

LOW_RES = (32, 32)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sam_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.pth", seed=3)


@pytest.fixture(scope="module")
def sam(checkpoint: Path) -> SamBackbone:
    backbone = build_backbone("sam-vit-b", checkpoint=checkpoint)
    assert isinstance(backbone, SamBackbone)
    return backbone


@pytest.mark.parametrize("size", [(45, 80), (80, 45), (64, 64), (1, 200), (333, 7)])
def test_grid_covers_the_image_with_unit_columns(sam: SamBackbone, size: tuple[int, int]) -> None:
    """Padding is cropped; columns have length 1, and their lengths before that are kept."""
    features = sam.encode(noise(*size))
    height, width = resized_size(size, 128)
    assert features.image_size == size
    assert features.grid.shape == (32, max(1, round(height / 16)), max(1, round(width / 16)))
    torch.testing.assert_close(features.grid.norm(dim=0), torch.ones(features.grid.shape[1:]))
    rows, columns = features.grid.shape[1:]
    torch.testing.assert_close(features.columns, features.context.features[0, :, :rows, :columns])


def test_a_batch_of_different_prompts_is_decoded_as_each_alone(sam: SamBackbone) -> None:
    """Points, boxes, masks and logits in one call give what each gives by itself."""
    features, prompts = sam.encode(noise()), prompts_of_each_kind(LOW_RES)
    together = sam.decode(features, prompts)
    assert together.logits.shape == (5, 3, 45, 80)
    assert together.low_res.shape == (5, 3, 32, 32)
    for n, prompt in enumerate(prompts):
        alone = sam.decode(features, [prompt])
        torch.testing.assert_close(together.low_res[n], alone.low_res[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.scores[n], alone.scores[0], atol=1e-5, rtol=1e-5)


def test_splitting_a_batch_changes_nothing(checkpoint: Path, sam: SamBackbone) -> None:
    """More prompts than fit are decoded in several calls, in order."""
    small = SamBackbone(sam.network, max_batch=2)
    features, prompts = sam.encode(noise()), prompts_of_each_kind(LOW_RES)
    torch.testing.assert_close(
        small.decode(features, prompts).low_res, sam.decode(features, prompts).low_res, atol=1e-5, rtol=1e-5
    )


def test_single_mask_is_another_token(sam: SamBackbone) -> None:
    """``multimask=False`` gives one candidate, which is none of the three."""
    features = sam.encode(noise())
    single = sam.decode(features, prompts_of_each_kind(LOW_RES), multimask=False)
    multi = sam.decode(features, prompts_of_each_kind(LOW_RES))
    assert single.logits.shape == (5, 1, 45, 80)
    assert not torch.isclose(multi.low_res, single.low_res).all(dim=(2, 3)).any()


def test_best_upscales_only_what_it_picks(sam: SamBackbone) -> None:
    """Picking before and after all candidates were brought to image size is the same."""
    features = sam.encode(noise())
    lazy, eager = (
        sam.decode(features, prompts_of_each_kind(LOW_RES)),
        sam.decode(features, prompts_of_each_kind(LOW_RES)),
    )
    assert eager.logits.shape[1] == 3
    np.testing.assert_allclose(lazy.best()[0], eager.best()[0], atol=1e-6)
    assert "logits" not in lazy.__dict__


def test_guidance_changes_the_masks_of_its_object_only(sam: SamBackbone) -> None:
    """A target embedding guides the object it is given for; similarity guides too; none is as before."""
    features, prompts = sam.encode(noise()), prompts_of_each_kind(LOW_RES)[:2]
    plain = sam.decode(features, prompts).low_res
    none = sam.decode(features, prompts, guidance=[Guidance(), Guidance()]).low_res
    torch.testing.assert_close(none, plain)
    embedding = torch.ones(32)
    guided = sam.decode(features, prompts, guidance=[Guidance(), Guidance(embedding=embedding)]).low_res
    torch.testing.assert_close(guided[0], plain[0], atol=1e-5, rtol=1e-5)
    assert float((guided[1] - plain[1]).abs().max()) > 1e-3
    similarity = features.grid[0]
    biased = sam.decode(features, prompts, guidance=[Guidance(similarity)] * 2).low_res
    assert float((biased - plain).abs().max()) > 1e-4
    with pytest.raises(ValueError, match="either all objects"):
        sam.decode(features, prompts, guidance=[Guidance(similarity), Guidance()])


def test_guidance_by_a_flat_similarity_depends_on_no_value(sam: SamBackbone) -> None:
    """A map without contrast, or of one cell, has no deviation to divide by: it guides nowhere."""
    features, prompts = sam.encode(noise(1, 200)), prompts_of_each_kind(LOW_RES, (1, 200))[:1]
    grid = features.grid.shape[1:]
    flat = [torch.zeros(grid), torch.full(grid, 0.7), torch.full((1, 1), 0.7), torch.full((1, 1), 0.2)]
    none, high, one, other = (
        sam.decode(features, prompts, guidance=[Guidance(similarity)]).low_res for similarity in flat
    )
    assert torch.isfinite(none).all()
    torch.testing.assert_close(high, none, atol=0.01, rtol=0)  # a deviation of rounding errors
    assert torch.isfinite(one).all()
    torch.testing.assert_close(other, one)


def test_prompts_that_do_not_fit_are_refused(sam: SamBackbone) -> None:
    """Logits of another grid and masks of another size are named with both sizes."""
    features = sam.encode(noise())
    with pytest.raises(PromptError, match=r"low_res must be \(32, 32\), got \(8, 8\)"):
        sam.decode(features, [Prompt(low_res=np.zeros((8, 8), dtype=np.float32))])
    with pytest.raises(PromptError, match=r"mask must have the size of the image, \(45, 80\), got \(4, 4\)"):
        sam.decode(features, [Prompt(mask=np.ones((4, 4), dtype=bool))])


def test_deterministic(sam: SamBackbone) -> None:
    """The same image and prompts give the same bits."""
    first, second = (sam.decode(sam.encode(noise()), prompts_of_each_kind(LOW_RES)) for _ in range(2))
    assert torch.equal(first.low_res, second.low_res)
    assert torch.equal(first.logits, second.logits)


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.25), ("float16", 0.05)])
def test_half_precision_is_near(checkpoint: Path, sam: SamBackbone, dtype: str, tolerance: float) -> None:
    """Fewer bits give nearly the same masks; results are float32 all the same."""
    half = build_backbone("sam-vit-b", checkpoint=checkpoint, dtype=dtype)
    found = half.decode(half.encode(noise()), prompts_of_each_kind(LOW_RES))
    wanted = sam.decode(sam.encode(noise()), prompts_of_each_kind(LOW_RES))
    assert found.logits.dtype == found.low_res.dtype == found.scores.dtype == torch.float32
    assert float((found.low_res - wanted.low_res).abs().max()) < tolerance
    assert float((found.low_res - wanted.low_res).abs().max()) > 0


def test_mobile_sam_from_a_tiny_checkpoint(tmp_path: Path) -> None:
    """A small TinyViT loads and segments; its name is checked."""
    path = tiny_sam_checkpoint(tmp_path / "tiny.pt", kind="tiny-vit")
    mobile = build_backbone("mobile-sam", checkpoint=path)
    features = mobile.encode(noise())
    assert features.grid.shape == (32, 36, 64)
    assert mobile.decode(features, prompts_of_each_kind(LOW_RES)[:2]).logits.shape == (2, 3, 45, 80)
    with pytest.raises(ModelError, match="is a MobileSAM checkpoint, not SAM ViT-B; use --model mobile-sam"):
        build_backbone("sam-vit-b", checkpoint=path)


def test_checkpoints_of_other_models_and_bad_options_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    """The message names what to use instead."""
    with pytest.raises(ModelError, match="not MobileSAM; use --model sam-vit-b"):
        build_backbone("mobile-sam", checkpoint=checkpoint)
    with pytest.raises(ModelError, match="unknown dtype 'int8'; choose one of float32, bfloat16, float16"):
        build_backbone("sam-vit-b", checkpoint=checkpoint, dtype="int8")
    with pytest.raises(ModelError, match="cannot use device 'toaster'"):
        build_backbone("sam-vit-b", checkpoint=checkpoint, device="toaster")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="cannot use device 'cuda'"):
            build_backbone("sam-vit-b", checkpoint=checkpoint, device="cuda")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="not a SAM or MobileSAM checkpoint"):
        build_backbone("sam-vit-b", checkpoint=tmp_path / "other.pth")


def test_missing_weights_say_what_would_help(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights: exit code 4, the command that fetches them, and the flag for a file."""
    monkeypatch.setenv("VOS_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"`vos models download sam-vit-h`.*--checkpoint FILE") as caught:
        build_backbone("sam-vit-h")
    assert caught.value.exit_code == 4


def test_upscaling_is_three_plain_resizes() -> None:
    """What is not computed is only what the crop drops: equal to the last bit."""
    from torch.nn import functional as F

    low_res = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for size in ((45, 80), (80, 45), (128, 128), (300, 171), (1, 90)):
        height, width = resized_size(size, 128)
        square = F.interpolate(low_res, (128, 128), mode="bilinear", align_corners=False)[
            ..., :height, :width
        ]
        wanted = F.interpolate(square, size, mode="bilinear", align_corners=False)
        assert torch.equal(upscale(low_res, size, 128), wanted)


def test_input_is_normalised_and_padded_with_zeros() -> None:
    """White is (255 - mean) / std, and the padding, bottom and right, is 0 after normalisation."""
    pixels = to_input(np.full((10, 20, 3), 255, dtype=np.uint8), 40)
    assert pixels.shape == (1, 3, 40, 40)
    assert float(pixels[0, 0, 0, 0]) == pytest.approx((255 - 123.675) / 58.395)
    assert bool((pixels[0, :, 20:] == 0).all())
    assert bool((pixels[0, :, :20] != 0).all())


def test_mask_becomes_logits() -> None:
    """A mask prompt is confident inside and outside, averaged on its border, and negative in the padding."""
    mask = np.zeros((16, 32), dtype=bool)
    mask[:, :9] = True
    logits = mask_to_low_res(mask, 16, 8.0)
    assert logits.shape == (16, 16)
    assert logits[0].tolist() == [8, 8, 8, 8, 0, *[-8] * 11]
    assert bool((logits[8:] == -8).all())
