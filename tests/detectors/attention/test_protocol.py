"""The evaluation's driver against the recorded runs, and its stricter second count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from vos.detectors.attention.protocol import SemanticRecipe, one_shot, score
from vos.detectors.attention.segment import SegmentSettings
from vos.detectors.attention.tuning import TuningSettings
from vos.errors import EvaluationError, InputError
from vos.evaluation.semantic_data import read_list

from ..tiny_blip import Golden


@dataclass(frozen=True)
class Recorded:
    """An image of the golden list."""

    golden: Golden
    index: int

    def read_image(self) -> np.ndarray:
        return self.golden.image(self.index)

    def read_labels(self) -> np.ndarray:
        return self.golden.labels(self.index)


def test_training_free_score(attention_golden, golden_matcher):
    """Over the whole list: the recorded IoU by the paper's count, and every known pixel by the other."""
    stored = attention_golden.arrays("evaluation")
    examples = [Recorded(attention_golden, i) for i in range(10)]
    settings = SegmentSettings(layers=attention_golden.layers, batch_size=5)
    found = score(golden_matcher, attention_golden.encoded("multi"), examples, settings)
    np.testing.assert_allclose(found.canvas.iou, stored["iou_multi"], atol=1e-3)
    assert found.images == 10
    known = sum(int((example.read_labels() != 255).sum()) for example in examples)
    total = found.original.intersection.sum() + (found.original.union - found.original.intersection).sum() / 2
    assert total == known


def test_one_shot_runs(attention_golden, golden_matcher):
    """Both recorded runs: supports, losses, mIoU; a fallback support counts only the paper's way."""
    stored = attention_golden.arrays("oneshot")
    examples = [Recorded(attention_golden, i) for i in range(10)]
    recipe = SemanticRecipe(
        multi_prompt=True,
        segment=SegmentSettings(layers=tuple(attention_golden.description["tune_layers"])),
        tuning=TuningSettings(passes=4),
        runs=2,
    )
    before = {name: tensor.clone() for name, tensor in golden_matcher.model.state_dict().items()}
    runs = one_shot(golden_matcher, attention_golden.encoded("multi"), examples, recipe)
    assert len(runs) == 2
    for number, run in enumerate(runs):
        assert list(run.supports) == stored["support_index"][number].tolist()
        np.testing.assert_allclose(run.losses, stored[f"loss_run{number}"], atol=2e-5)
        assert run.scores.canvas.mean_iou == pytest.approx(float(stored["miou_runs"][number]), abs=1e-3)
        fallback = run.fallbacks[0]
        assert fallback in stored[f"query_index_run{number}"]
        fair = [i for i in stored[f"query_index_run{number}"] if i != fallback]
        known = sum(int((attention_golden.labels(i) != 255).sum()) for i in fair)
        counts = run.scores.original
        assert counts.intersection.sum() + (counts.union - counts.intersection).sum() / 2 == known
    after = golden_matcher.model.state_dict()
    assert all((after[name] == tensor).all() for name, tensor in before.items())


def test_a_list_file(tmp_path):
    """Lines are pairs of paths below the root; a limit cuts from the top; what is wrong is said by line."""
    for name in ("a.jpg", "a.png"):
        (tmp_path / name).touch()
    path = tmp_path / "val.txt"
    path.write_text("a.jpg a.png\n\nb.jpg b.png\n")
    items = read_list(tmp_path, path)
    assert [item.image.name for item in items] == ["a.jpg", "b.jpg"]
    assert len(read_list(tmp_path, path, limit=1)) == 1
    path.write_text("a.jpg a.png\nb.jpg\n")
    with pytest.raises(EvaluationError, match="line 2"):
        read_list(tmp_path, path)
    path.write_text("c.jpg c.png\n")
    with pytest.raises(EvaluationError, match="relative to"):
        read_list(tmp_path, path)
    path.write_text("\n")
    with pytest.raises(EvaluationError, match="no line"):
        read_list(tmp_path, path)
    with pytest.raises(EvaluationError, match="cannot read the list"):
        read_list(tmp_path, tmp_path / "absent.txt")


def test_labels_of_another_size_are_refused(golden_matcher, attention_golden):
    """An image whose labels do not fit is named by its place in the list."""

    class Wrong(Recorded):
        def read_labels(self) -> np.ndarray:
            return np.zeros((3, 3), np.uint8)

    encoded = attention_golden.encoded("single")
    with pytest.raises(InputError, match="image 0 of the list"):
        score(golden_matcher, encoded, [Wrong(attention_golden, 0)], SegmentSettings(layers=(0,), crf="none"))
