"""PerSAM and PerSAM-F on images against the recorded runs of the reference implementation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_persam import Comparison, backbone, check_features, encoded
from PIL import Image

from vos.backbones.refinement import RefinementPass
from vos.trackers.persam.feature_geometry import ReferenceGeometry
from vos.trackers.persam.images import LearnedTarget, PersamSettings, TargetMatch, find_target, learn_target

TESTS = {"sneaker": 3, "carframe": 2, "breakdance": 2}
CASES = [
    ("vit_t", "carframe"),
    pytest.param("vit_t", "breakdance", marks=pytest.mark.slow),
    pytest.param("vit_t", "sneaker", marks=pytest.mark.slow),
    pytest.param("vit_b", "sneaker", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("model", "case"), CASES)
def test_persam_matches_the_reference(golden: Path, model: str, case: str) -> None:
    """The grid mask, the target, and every step on every image, the reference image itself included."""
    recorded = Comparison(golden / "persam" / f"persam_{model}_{case}.npz")
    mask, level = _reference_mask(golden, case)
    view = ReferenceGeometry(backbone(model), level)
    target = _learn(golden, recorded, model, case, PersamSettings(), view, mask)
    recorded.close("target_embedding", target.embedding.vector, "features")
    for n in range(TESTS[case]):
        features = encoded(model, _image(golden, case, n))
        found = find_target(backbone(model), features, target, PersamSettings(), view)
        _check_found(recorded, f"t{n:02d}", features, found)
        _check_injected_pass(recorded, f"t{n:02d}", model, features, found)
    recorded.all_seen()


@pytest.mark.parametrize(("model", "case"), CASES)
def test_persam_f_matches_the_reference(golden: Path, model: str, case: str) -> None:
    """The fit step by step, its weights, and every pass on every image."""
    recorded = Comparison(golden / "persam" / f"persam_f_{model}_{case}.npz")
    mask, level = _reference_mask(golden, case)
    view = ReferenceGeometry(backbone(model), level)
    settings = PersamSettings(tune=True)
    target = _learn(golden, recorded, model, case, settings, view, mask)
    assert target.fit is not None
    recorded.close("weights", target.fit.weights, "fit")
    recorded.close("fit.loss", target.fit.losses, "fit")
    recorded.close("fit.w_trace", target.fit.trace, "fit")
    reference = encoded(model, _image(golden, case, 0))
    start = find_target(backbone(model), reference, target, settings, view)
    _check_prior(recorded, "fit", start)
    recorded.close("fit.points", start.prompt.points, "exact")
    first = start.passes[0].candidates
    recorded.close("fit.scores", first.scores[0], "scores")
    if "fit.lowres" in recorded:
        recorded.close("fit.lowres", first.low_res[0], "logits")
    else:
        recorded.close("fit.lowres_sub", first.low_res[0, :, ::5, ::5], "logits")
    recorded.close_stats("fit.lowres_stats", first.low_res[0], "logits")
    recorded.close("fit.high_sub", first.logits[0, :, ::11, ::11], "logits")
    recorded.close_stats("fit.high_stats", first.logits[0], "logits")
    for n in range(TESTS[case]):
        features = encoded(model, _image(golden, case, n))
        found = find_target(backbone(model), features, target, settings, view)
        _check_found(recorded, f"t{n:02d}", features, found)
    recorded.all_seen()


def _image(golden: Path, case: str, n: int) -> Path:
    return golden / "persam/inputs/images" / f"{case}_{n:02d}.png"


def _reference_mask(golden: Path, case: str) -> tuple[np.ndarray, int]:
    """The mask, and its red value (128 or 255): the reference selects cells by it."""
    red = np.array(Image.open(golden / "persam/inputs/masks" / f"{case}_00.png").convert("RGB"))[..., 0]
    return red > 0, int(red.max())


def _learn(
    golden: Path,
    recorded: Comparison,
    model: str,
    case: str,
    settings: PersamSettings,
    view: ReferenceGeometry,
    mask: np.ndarray,
) -> LearnedTarget:
    features = encoded(model, _image(golden, case, 0))
    check_features(recorded, "ref.", features)
    target = learn_target(backbone(model), features, mask, settings, view)
    recorded.close("ref.grid_value", view.cell_values(mask), "exact")
    recorded.close("ref.grid_mask", view.cells(features, mask), "exact")
    recorded.close("ref.n_selected", target.embedding.support, "exact")
    recorded.close("target_feat", target.embedding.direction, "prior")
    return target


def _check_prior(recorded: Comparison, prefix: str, found: TargetMatch) -> None:
    recorded.close(f"{prefix}.prior64", found.similarity, "prior")
    recorded.close_stats(f"{prefix}.S_stats", found.prior, "prior")
    if f"{prefix}.S_sub" in recorded:
        recorded.close(f"{prefix}.S_sub", found.prior[::3, ::3], "prior")
    ranked = found.prior.flatten().sort().values
    recorded.close(f"{prefix}.S_top_values", ranked.flip(0)[:2], "prior")
    if f"{prefix}.S_bottom_values" in recorded:
        recorded.close(f"{prefix}.S_bottom_values", ranked[:2], "prior")


def _check_found(recorded: Comparison, prefix: str, features, found: TargetMatch) -> None:
    check_features(recorded, f"{prefix}.", features)
    _check_prior(recorded, prefix, found)
    recorded.close(f"{prefix}.points", found.prompt.points, "exact")
    if f"{prefix}.labels" in recorded:
        recorded.close(f"{prefix}.labels", found.prompt.labels, "exact")
    for step, kept in enumerate(found.passes, start=1):
        _check_pass(recorded, f"{prefix}.step{step}", kept, found.passes[step - 2] if step > 1 else None)


def _check_pass(
    recorded: Comparison, prefix: str, kept: RefinementPass, before: RefinementPass | None
) -> None:
    candidates = kept.candidates
    recorded.close(f"{prefix}.scores", candidates.scores[0], "scores")
    for name, array in (
        ("lowres_sub", candidates.low_res[0, :, ::5, ::5]),
        ("lowres", candidates.low_res[0]),
        ("lowres_best", kept.low_res[0]),
        ("combined_lowres_sub", kept.low_res[:, ::5, ::5]),
    ):
        if f"{prefix}.{name}" in recorded:
            recorded.close(f"{prefix}.{name}", array, "logits")
    recorded.close_stats(f"{prefix}.lowres_stats", candidates.low_res[0], "logits")
    if f"{prefix}.combined_lowres_stats" in recorded:
        recorded.close_stats(f"{prefix}.combined_lowres_stats", kept.low_res, "logits")
        recorded.same_mask(f"{prefix}.combined_mask", kept.masks[0])
        recorded.close(f"{prefix}.combined_box", kept.boxes()[0], "exact")
    if f"{prefix}.mask" in recorded:
        recorded.same_mask(f"{prefix}.mask", kept.masks[0])
    if f"{prefix}.best" in recorded:
        recorded.close(f"{prefix}.best", kept.pick[0], "exact")
        areas = (candidates.logits[0] > 0).flatten(1).sum(dim=1).numpy()
        assert np.abs(areas - recorded[f"{prefix}.areas"]).max() <= 2e-4 * kept.logits[0].numel()
    if f"{prefix}.box" in recorded:
        assert before is not None
        recorded.close(f"{prefix}.box", before.boxes()[0], "exact")


@torch.inference_mode()
def _check_injected_pass(recorded: Comparison, prefix: str, model: str, features, found: TargetMatch) -> None:
    """The attention bias and the tokens that the first, guided pass ends with."""
    sam = backbone(model)
    assert found.guidance is not None
    recorded.close(f"{prefix}.attn_bias", found.guidance.attention_bias, "prior")
    image, sparse, mask = sam._embed(features, [found.prompt])
    injection = sam._injection(features.context, [found.guidance])
    tokens, _ = sam.network.mask_decoder.transform(image, sam._positions, sparse, injection, mask)
    recorded.close(f"{prefix}.step1.hs", tokens[0], "scores")
