"""SAM and MobileSAM against the recorded arrays of the reference implementation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_persam import Comparison, backbone, check_features, encoded, read_image, synthetic

from vos.backbones.sam.mask_decoder import Injection
from vos.prompts import Prompt

PROMPTS = ("p1", "p2", "box", "box_p2", "mask_p1", "mask_box_p2")
STAGES = {
    "vit_t": {"patch_embed": "patch_embed", **{f"layer{i}": f"layers.{i}" for i in range(4)}},
    "vit_b": {
        "patch_embed": "patch_embed",
        "block0": "blocks.0",
        "block2": "blocks.2",
        "block_last": "blocks.11",
    },
}
CASES = [
    ("vit_t", "carframe_01"),
    ("vit_t", "breakdance_01"),
    pytest.param("vit_b", "carframe_01", marks=pytest.mark.slow),
    pytest.param("vit_b", "breakdance_01", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("model", "image"), CASES)
def test_encoder_matches_the_reference_stage_by_stage(golden: Path, model: str, image: str) -> None:
    """The network input is equal to the last bit; every recorded stage and the features are within 2e-4."""
    recorded = Comparison(golden / "persam" / f"primitives_{model}_{image}.npz")
    path = golden / "persam/inputs/images" / f"{image}.png"
    sam = backbone(model)
    stages: dict[str, torch.Tensor] = {}
    hooks = [
        sam.network.image_encoder.get_submodule(where).register_forward_hook(
            lambda module, args, out, stage=stage: stages.__setitem__(stage, out)
        )
        for stage, where in STAGES[model].items()
    ]
    try:
        features = sam.encode(read_image(path))
    finally:
        for hook in hooks:
            hook.remove()

    pixels = sam.preprocess(read_image(path))[0]
    recorded.close("input_sub", pixels[:, ::37, ::37], "exact")
    recorded.close_stats("input_stats", pixels, "exact")
    for stage, out in stages.items():
        if stage.startswith("layer"):  # the original holds these as (B, h*w, C)
            out = out.permute(0, 2, 3, 1)
        flat = out.flatten()
        recorded.close(
            f"stage.{stage}.flat_sub", flat[:: int(recorded[f"stage.{stage}.flat_stride"])], "features"
        )
        recorded.close_stats(f"stage.{stage}.stats", flat, "features")
    check_features(recorded, "", features)


@pytest.mark.parametrize(("model", "image"), CASES)
def test_prompts_and_decoder_match_the_reference(golden: Path, model: str, image: str) -> None:
    """Embeddings, tokens, logits, scores and masks of six kinds of prompt, all decoded in one batch."""
    recorded = Comparison(golden / "persam" / f"primitives_{model}_{image}.npz")
    features = encoded(model, golden / "persam/inputs/images" / f"{image}.png")
    sam = backbone(model)
    with torch.inference_mode():
        positions = sam.network.prompt_encoder.dense_positions()
    recorded.close("dense_pe_sub", positions[0, :, ::7, ::7], "exact")
    recorded.close_stats("dense_pe_stats", positions, "exact")

    prompts = [_recorded_prompt(recorded, name) for name in PROMPTS]
    single = sam.decode(features, prompts, multimask=False)
    multi = sam.decode(features, prompts)
    recorded.close("mask_prompt", single.low_res[0], "logits")
    for n, name in enumerate(PROMPTS):
        low_res = torch.cat([single.low_res[n], multi.low_res[n]])
        recorded.close(f"{name}.lowres_sub", low_res[:, ::5, ::5], "logits")
        recorded.close_stats(f"{name}.lowres_stats", low_res, "logits")
        recorded.close(f"{name}.scores", torch.cat([single.scores[n], multi.scores[n]]), "scores")
        high = torch.cat([single.logits[n], multi.logits[n]])
        recorded.close(f"{name}.high_sub", high[:, ::11, ::11], "logits")
        areas = (high > 0).flatten(1).sum(dim=1).numpy()
        assert np.abs(areas - recorded[f"{name}.mask_area"]).max() <= 2e-4 * high[0].numel()
        _check_embeddings(recorded, name, prompts[n], features, sam)


def _recorded_prompt(recorded: Comparison, name: str) -> Prompt:
    points = labels = box = low_res = None
    if f"{name}.point_coords" in recorded:
        points = recorded[f"{name}.point_coords"].astype(np.float32)
        labels = recorded[f"{name}.point_labels"].astype(np.int64)
    if f"{name}.box" in recorded:
        box = recorded[f"{name}.box"].astype(np.float32)
    if name.startswith("mask"):
        low_res = recorded["mask_prompt"][0]
    return Prompt(points, labels, box, low_res=low_res)


@torch.inference_mode()
def _check_embeddings(recorded: Comparison, name: str, prompt: Prompt, features, sam) -> None:
    recorded.close(f"{name}.sparse", sam._tokens(prompt, features.image_size), "exact")
    dense = sam._dense([prompt], features.image_size)
    if f"{name}.dense_sub" in recorded:
        recorded.close(f"{name}.dense_sub", dense[0, :, ::7, ::7], "features")
        recorded.close_stats(f"{name}.dense_stats", dense, "features")
    image, sparse, mask = sam._embed(features, [prompt])
    tokens, image = sam.network.mask_decoder.transform(image, sam._positions, sparse, None, mask)
    recorded.close(f"{name}.hs", tokens[0], "scores")
    if f"{name}.src_sub" in recorded:
        recorded.close(f"{name}.src_sub", image[0, ::131], "scores")


@torch.inference_mode()
def test_decoder_with_and_without_injections_matches_the_reference(golden: Path) -> None:
    """The decoder alone: points, boxes, masks, attention bias, target embedding, and both."""
    recorded = Comparison(golden / "persam" / "decoder_vit_t.npz")
    network = backbone("vit_t").network
    features = synthetic("synthetic.features", (1, 256, 64, 64))
    bias = torch.sigmoid(synthetic("synthetic.bias", (1, 1, 1, 4096))).flatten(1)
    target = synthetic("synthetic.target", (1, 1, 256))[:, 0]
    mask = synthetic("synthetic.mask", (1, 1, 256, 256))
    recorded.close_stats("features_stats", features, "exact")
    recorded.close_stats("bias_stats", bias, "exact")
    recorded.close("target", target[0], "exact")
    recorded.close_stats("mask_stats", mask, "exact")

    points = torch.from_numpy(recorded["points_1024"])[None]
    labels = torch.from_numpy(recorded["labels"].astype(np.int64))[None]
    box = torch.from_numpy(recorded["box_1024"])[None]
    encoder = network.prompt_encoder
    for case in (
        "points",
        "points_box",
        "points_mask",
        "points_box_mask",
        "bias_only",
        "target_only",
        "bias_target",
    ):
        with_box = "box" in case
        sparse = encoder.embed_points(points, labels, pad=not with_box)
        if with_box:
            sparse = torch.cat([sparse, encoder.embed_boxes(box)], dim=1)
        dense = encoder.embed_masks(mask) if "mask" in case else encoder.no_mask()
        injection = Injection(bias if "bias" in case else None, target if "target" in case else None)
        positions = encoder.dense_positions()
        low_res, scores = network.mask_decoder(features + dense, positions, sparse, injection)
        tokens, _ = network.mask_decoder.transform(features + dense, positions, sparse, injection)
        recorded.close(f"{case}.sparse", sparse[0], "exact")
        recorded.close(f"{case}.hs", tokens[0], "scores")
        recorded.close(f"{case}.lowres_sub", low_res[0, :, ::5, ::5], "logits")
        recorded.close_stats(f"{case}.lowres_stats", low_res[0], "logits")
        recorded.close(f"{case}.scores", scores[0], "scores")
    recorded.all_seen()
