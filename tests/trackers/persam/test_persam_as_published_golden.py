"""The parity engine against the recorded video runs of the reference implementation, frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from golden_persam import Comparison, backbone, check_features, encoded
from PIL import Image

from vos.backbones.refinement import RefinementPass
from vos.results import object_ids
from vos.trackers.persam.as_published import PublishedPersamSettings, PublishedPersamTracker, Slots, merge

FRAMES = {
    "dog": ("dog", (0, 1, 2, 3, 4)),
    "dog3": ("dog", (0, 1, 2)),
    "camel": ("camel", (0, 1, 2, 3, 4)),
    "judo": ("judo", (0, 7, 4, 1, 8)),
    "vanish": ("judo", (0, 1, 2, 3, 4, 5)),
}
slow = pytest.mark.slow
CASES = [
    ("vit_t", "dog"),
    pytest.param("vit_t", "camel", marks=slow),
    pytest.param("vit_t", "judo", marks=slow),
    pytest.param("vit_t", "vanish", marks=slow),
    pytest.param("vit_b", "dog3", marks=slow),
]


@pytest.mark.parametrize("tune", [False, True], ids=["persam", "persam_f"])
@pytest.mark.parametrize(("model", "clip"), CASES)
def test_parity_matches_the_reference_frame_by_frame(golden: Path, model: str, clip: str, tune: bool) -> None:
    """Targets, priors, points, boxes, every call, the merged planes and the written labels."""
    name = f"persam_video_{'f_' if tune else ''}{model}_{clip}"
    recorded = Comparison(golden / "persam" / f"{name}.npz")
    folder, numbers = FRAMES[clip]
    video = golden / "persam/inputs/video" / folder
    annotation = np.array(Image.open(video / f"annotation{'_stripes' if clip == 'vanish' else ''}.png"))
    ids = object_ids(annotation)
    recorded.close("labels_frame0", ids, "exact")

    tracker = PublishedPersamTracker(backbone(model), PublishedPersamSettings(tune=tune))
    first = encoded(model, video / "00000.png")
    check_features(recorded, "f00.", first)
    state = tracker.learned(first, annotation, ids)
    for k, object_id in enumerate(ids):
        _check_target(recorded, f"obj{k}", tracker, state.targets[k], first, annotation == object_id)

    for i, number in enumerate(numbers[1:], start=1):
        features = encoded(model, video / f"{number:05d}.png")
        check_features(recorded, f"f{i:02d}.", features)
        slots = tracker.follow(features, state)
        assert slots is not None
        recorded.close(f"f{i:02d}.n_slots", len(slots.prompts), "exact")
        for j in range(len(slots.prompts)):
            _check_slot(recorded, f"f{i:02d}.s{j}", slots, j)
        labels = merge(slots, state.targets, features.image_size)
        recorded.same_mask(f"f{i:02d}.label", labels)
        recorded.seen.add(f"f{i:02d}.merge_margin_lt_1e-4")  # explains differences, of which there are none
        state = state.seen(labels)
    recorded.all_seen()


def _check_target(
    recorded: Comparison, prefix: str, tracker: PublishedPersamTracker, target, features, mask
) -> None:
    recorded.close(f"{prefix}.grid_mask", tracker.view.cells(features, mask), "exact")
    recorded.close(f"{prefix}.n_selected", target.support, "exact")
    recorded.close(f"{prefix}.target_feat", target.direction, "prior")
    if target.fit is None:
        return
    recorded.close(f"{prefix}.weights", target.weights, "fit")
    steps = recorded[f"{prefix}.fit.trace_steps"]
    recorded.close(f"{prefix}.fit.loss", target.fit.losses[steps], "fit")
    recorded.close(f"{prefix}.fit.w_trace", target.fit.trace[steps], "fit")
    prompt, similarity, prior = tracker.first_prompt(features, target, mask)
    recorded.close(f"{prefix}.fit.prior64", similarity, "prior")
    recorded.close_stats(f"{prefix}.fit.S_stats", prior, "prior")
    recorded.close(f"{prefix}.fit.S_top_values", prior.flatten().sort().values.flip(0)[:2], "prior")
    recorded.close(f"{prefix}.fit.points", prompt.points, "exact")
    recorded.close(f"{prefix}.fit.box", prompt.box, "exact")
    candidates = tracker.backbone.decode(features, [prompt])
    recorded.close(f"{prefix}.fit.lowres_sub", candidates.low_res[0, :, ::5, ::5], "logits")
    recorded.close_stats(f"{prefix}.fit.lowres_stats", candidates.low_res[0], "logits")
    recorded.close(f"{prefix}.fit.scores", candidates.scores[0], "scores")


def _check_slot(recorded: Comparison, prefix: str, slots: Slots, j: int) -> None:
    prompt, prior = slots.prompts[j], slots.priors[j]
    recorded.close(f"{prefix}.prior64", slots.similarity[j], "prior")
    recorded.close_stats(f"{prefix}.S_stats", prior, "prior")
    top = recorded[f"{prefix}.S_top_values"]
    recorded.close(f"{prefix}.S_top_values", prior.flatten().sort().values.flip(0)[: len(top)], "prior")
    if f"{prefix}.S_sub" in recorded:
        recorded.close(f"{prefix}.S_sub", prior[::7, ::7], "prior")
    recorded.close(f"{prefix}.points", prompt.points, "exact")
    recorded.close(f"{prefix}.labels", prompt.labels, "exact")
    recorded.close(f"{prefix}.box_prior", prompt.box, "exact")
    for call, kept in enumerate(slots.passes, start=1):
        before = slots.passes[call - 2] if call > 1 else None
        _check_call(recorded, f"{prefix}.call{call}", kept, before, j)
    recorded.close(f"{prefix}.plane_sub", slots.passes[-1].logits[j, ::5, ::5], "logits")


def _check_call(
    recorded: Comparison, prefix: str, kept: RefinementPass, before: RefinementPass | None, j: int
) -> None:
    candidates = kept.candidates
    recorded.close(f"{prefix}.scores", candidates.scores[j], "scores")
    recorded.close(f"{prefix}.lowres_sub", candidates.low_res[j, :, ::7, ::7], "logits")
    if f"{prefix}.pick" in recorded:
        recorded.close(f"{prefix}.pick", kept.pick[j], "exact")
    pixels = kept.logits[j].numel()
    if f"{prefix}.areas" in recorded:
        areas = (candidates.logits[j] > 0).flatten(1).sum(dim=1).numpy()
        assert np.abs(areas - recorded[f"{prefix}.areas"]).max() <= 2e-4 * pixels
    if f"{prefix}.combined_area" in recorded:
        assert abs(int(kept.masks[j].sum()) - int(recorded[f"{prefix}.combined_area"])) <= 2e-4 * pixels
        recorded.close(f"{prefix}.combined_lowres_sub", kept.low_res[j : j + 1, ::7, ::7], "logits")
        recorded.close(f"{prefix}.combined_box", kept.boxes()[j], "exact")
    if f"{prefix}.box" in recorded:
        assert before is not None
        recorded.close(f"{prefix}.box", before.boxes()[j], "exact")
