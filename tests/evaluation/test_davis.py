"""The DAVIS protocols on small data sets whose scores are known."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import davis_reference as reference
import numpy as np
import pytest
from davis_fixture import boxes, two_boxes, write_davis, write_grey, write_index, write_sequence
from PIL import Image

from vos.errors import EvaluationError, MediaError
from vos.evaluation.boundary_band import boundary_iou
from vos.evaluation.davis import evaluate_davis
from vos.evaluation.davis_layout import read_davis_set

PERFECT = {"J&F-Mean": 1, "J-Mean": 1, "J-Recall": 1, "J-Decay": 0, "F-Mean": 1, "F-Recall": 1, "F-Decay": 0}


def rolled(maps: list[np.ndarray]) -> list[np.ndarray]:
    """A wrong answer: each frame's labels moved, the later the further."""
    return [np.roll(labels, 2 * i, axis=1) for i, labels in enumerate(maps)]


def permuted(maps: list[np.ndarray], order: dict[int, int]) -> list[np.ndarray]:
    """Ids exchanged, the same in all frames."""
    table = np.arange(256, dtype=np.uint8)
    table[list(order)] = list(order.values())
    return [table[labels] for labels in maps]


@pytest.mark.parametrize("task", ["semi-supervised", "unsupervised"])
def test_truth_against_itself(tmp_path: Path, task: str) -> None:
    """Mean 1, recall 1, decay 0."""
    root = write_davis(tmp_path, {"a": two_boxes(), "b": two_boxes(4)})
    report = evaluate_davis(root / "Annotations/480p", root, "2017/val", task)
    assert report.global_scores() == PERFECT
    assert [(row.sequence, row.object) for row in report.objects] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


def test_semi_supervised_equals_the_reference(tmp_path: Path) -> None:
    """Per-frame values, statistics and global means, with every object weighing the same."""
    one = [boxes((1, 5, 5 + i, 30, 30 + i)) for i in range(9)]
    sequences = {"a": two_boxes(), "b": one}
    root = write_davis(tmp_path / "davis", sequences)
    for name, maps in sequences.items():
        write_sequence(tmp_path / "results" / name, rolled(maps))
    report = evaluate_davis(tmp_path / "results", root, "2017/val")

    expected = []
    for name, num_objects in (("a", 2), ("b", 1)):
        maps = sequences[name]
        for k in range(1, num_objects + 1):
            frames = list(zip(maps, rolled(maps), strict=True))[1:-1]
            j = [reference.region(t == k, p == k) for t, p in frames]
            f = [reference.contour(t == k, p == k) for t, p in frames]
            expected.append((name, k, j, f))
    for row, (name, k, j, f) in zip(report.objects, expected, strict=True):
        assert (row.sequence, row.object, row.proposal) == (name, k, k)
        assert row.frames == tuple(range(1, len(sequences[name]) - 1))
        assert row.j.tolist() == pytest.approx(j, abs=1e-12)
        assert row.f.tolist() == pytest.approx(f, abs=1e-12)
    j_all = np.mean([reference.statistics(j) for *_, j, _ in expected], axis=0)
    f_all = np.mean([reference.statistics(f) for *_, f in expected], axis=0)
    scores = report.global_scores()
    assert list(scores) == list(PERFECT)
    assert list(scores.values()) == pytest.approx([(j_all[0] + f_all[0]) / 2, *j_all, *f_all], abs=1e-12)


def test_first_and_last_results_are_not_opened(tmp_path: Path) -> None:
    """Semi-supervised: they may be absent or rubbish."""
    root = write_davis(tmp_path / "davis", {"a": two_boxes()})
    folder = write_sequence(tmp_path / "results/a", two_boxes())
    (folder / "00000.png").unlink()
    (folder / "00005.png").write_bytes(b"rubbish")
    report = evaluate_davis(tmp_path / "results", root, "2017/val")
    assert report.global_scores() == PERFECT
    with pytest.raises(EvaluationError, match=r"a/00000\.png is missing \(1 of the 6"):
        evaluate_davis(tmp_path / "results", root, "2017/val", "unsupervised")


def test_identity_matters_in_the_semi_supervised_task(tmp_path: Path) -> None:
    """Exchanged ids are wrong everywhere."""
    root = write_davis(tmp_path / "davis", {"a": two_boxes()})
    write_sequence(tmp_path / "results/a", permuted(two_boxes(), {1: 2, 2: 1}))
    assert evaluate_davis(tmp_path / "results", root, "2017/val").global_scores()["J-Mean"] == 0


def test_an_id_that_comes_later_is_background_to_the_others(tmp_path: Path) -> None:
    """A higher id that comes later is scored by itself, from the frame after its first."""
    maps = [boxes((1, 5, 5, 20, 20))] + [boxes((1, 5, 5, 20, 20), (2, 22, 5, 30, 20))] * 4
    root = write_davis(tmp_path / "davis", {"a": maps})
    write_sequence(tmp_path / "results/a", [maps[0]] * 5)
    report = evaluate_davis(tmp_path / "results", root, "2017/val")
    assert [(row.object, row.frames) for row in report.objects] == [(1, (1, 2, 3)), (2, (2, 3))]
    assert (report.objects[0].j == 1).all()
    assert (report.objects[1].j == 0).all()


def test_a_missing_id_is_an_empty_mask(tmp_path: Path) -> None:
    """Object 2 never predicted: 0 where it is visible, 1 where it is not."""
    maps = two_boxes(5)
    maps[2] = np.where(maps[2] == 2, 0, maps[2])
    root = write_davis(tmp_path / "davis", {"a": maps})
    write_sequence(tmp_path / "results/a", permuted(maps, {2: 0}))
    second = evaluate_davis(tmp_path / "results", root, "2017/val").objects[1]
    assert second.j.tolist() == second.f.tolist() == [0, 1, 0]


def test_semi_supervised_takes_void_for_background(tmp_path: Path) -> None:
    """A prediction over void pixels is wrong there; void in the first frame is no object 255."""
    maps = [boxes((1, 5, 5, 20, 20), (255, 5, 20, 20, 25))] * 4
    root = write_davis(tmp_path / "davis", {"a": maps})
    write_sequence(tmp_path / "results/a", permuted(maps, {255: 1}))
    report = evaluate_davis(tmp_path / "results", root, "2017/val")
    assert [row.object for row in report.objects] == [1]
    assert report.objects[0].j.tolist() == pytest.approx([0.75, 0.75])


def test_unsupervised_leaves_void_out(tmp_path: Path) -> None:
    """A prediction that exceeds the truth only inside void scores 1."""
    maps = [boxes((1, 5, 5, 20, 20), (255, 5, 20, 20, 25))] * 4
    root = write_davis(tmp_path / "davis", {"a": maps}, annotations="Annotations_unsupervised")
    write_sequence(tmp_path / "results/a", permuted(maps, {255: 1}))
    report = evaluate_davis(tmp_path / "results", root, "2017/val", "unsupervised")
    assert report.annotations == "Annotations_unsupervised/480p"
    assert report.global_scores() == PERFECT


def test_unsupervised_matches_permuted_ids(tmp_path: Path) -> None:
    """Ids are names only: rows come by proposal, with the object each was matched to."""
    root = write_davis(tmp_path / "davis", {"a": two_boxes()}, annotations="Annotations_unsupervised")
    write_sequence(tmp_path / "results/a", permuted(two_boxes(), {1: 7, 2: 3}))
    report = evaluate_davis(tmp_path / "results", root, "2017/val", "unsupervised")
    assert report.global_scores() == PERFECT
    assert [(row.proposal, row.object) for row in report.objects] == [(3, 2), (7, 1)]
    assert report.objects[0].frames == tuple(range(6))


def test_unsupervised_equals_the_best_assignment(tmp_path: Path) -> None:
    """More proposals than objects: of all assignments, the one with the greatest total."""
    rng = np.random.default_rng(3)
    truth = [boxes((1, 2, 3, 22, 25), (2, 20, 28, 38, 58), (3, 3, 30, 15, 50))] * 5
    proposals = [(labels * rng.integers(0, 2, labels.shape) + rng.integers(0, 3)) % 6 for labels in truth]
    root = write_davis(tmp_path / "davis", {"a": truth}, annotations="Annotations_unsupervised")
    write_sequence(tmp_path / "results/a", proposals)
    ids = range(1, max(p.max() for p in proposals) + 1)
    assert len(ids) > 3
    value = {
        (p, t): np.mean(
            [
                (reference.region(g == t, r == p) + reference.contour(g == t, r == p)) / 2
                for g, r in zip(truth, proposals, strict=True)
            ]
        )
        for p in ids
        for t in (1, 2, 3)
    }
    best = max(
        sum(value[p, t] for p, t in zip(chosen, (1, 2, 3), strict=True))
        for chosen in itertools.permutations(ids, 3)
    )
    report = evaluate_davis(tmp_path / "results", root, "2017/val", "unsupervised")
    assert report.global_scores()["J&F-Mean"] == pytest.approx(best / 3, abs=1e-12)
    assert [row.proposal for row in report.objects] == sorted(row.proposal for row in report.objects)


def test_unsupervised_objects_without_a_proposal_score_nothing(tmp_path: Path) -> None:
    """One proposal, two objects."""
    root = write_davis(tmp_path / "davis", {"a": two_boxes()}, annotations="Annotations_unsupervised")
    write_sequence(tmp_path / "results/a", permuted(two_boxes(), {2: 0}))
    report = evaluate_davis(tmp_path / "results", root, "2017/val", "unsupervised")
    assert [(row.proposal, row.object, row.j.mean()) for row in report.objects] == [(1, 1, 1), (None, 2, 0)]


def test_unsupervised_may_not_choose_nothing(tmp_path: Path) -> None:
    """An object hidden most of the time scores high with an empty proposal, but there is none to choose."""
    truth = [boxes((1, 5, 5, 20, 20))] + [boxes()] * 4
    root = write_davis(tmp_path / "davis", {"a": truth}, annotations="Annotations_unsupervised")
    write_sequence(tmp_path / "results/a", [boxes((1, 30, 30, 38, 38))] * 5)
    report = evaluate_davis(tmp_path / "results", root, "2017/val", "unsupervised")
    assert report.global_scores()["J&F-Mean"] == 0


def test_unsupervised_without_its_own_annotations(tmp_path: Path, caplog) -> None:
    """The semi-supervised ones serve, and one is told."""
    root = write_davis(tmp_path, {"a": two_boxes()})
    with caplog.at_level(logging.WARNING, "vos"):
        report = evaluate_davis(root / "Annotations/480p", root, "2017/val", "unsupervised")
    assert report.annotations == "Annotations/480p"
    assert "Annotations_unsupervised/480p does not exist" in caplog.text


def test_more_than_20_objects_in_the_unsupervised_task(tmp_path: Path) -> None:
    """Objects beyond the 20 proposals get nothing."""
    truth = [boxes(*((k, k, 2 * k, k + 1, 2 * k + 6) for k in range(1, 25)))] * 2
    root = write_davis(tmp_path / "davis", {"a": truth}, annotations="Annotations_unsupervised")
    write_sequence(tmp_path / "results/a", permuted(truth, dict.fromkeys(range(21, 25), 0)))
    report = evaluate_davis(tmp_path / "results", root, "2017/val", "unsupervised")
    assert [row.proposal for row in report.objects] == [*range(1, 21), *[None] * 4]
    assert report.global_scores()["J-Mean"] == pytest.approx(20 / 24)


@pytest.mark.parametrize("foreground", [1, 255])
@pytest.mark.parametrize("task", ["semi-supervised", "unsupervised"])
def test_2016_masks_are_0_and_255_or_0_and_1(tmp_path: Path, foreground: int, task: str) -> None:
    """Grey annotations of 0 and 255 are one object, and results may use 1 as well."""
    maps = [boxes((255, 5, 5 + i, 20, 20 + i)) for i in range(5)]
    root = write_davis(tmp_path / "davis", {"a": maps}, "2016/val", write=write_grey)
    write_sequence(tmp_path / "results/a", permuted(maps, {255: foreground}), write_grey)
    report = evaluate_davis(tmp_path / "results", root, "2016/val", task)
    assert report.global_scores() == PERFECT
    assert [row.object for row in report.objects] == [1]


def test_2016_merges_ids(tmp_path: Path) -> None:
    """Results with several objects, and annotations of 2017, count as one object."""
    root = write_davis(tmp_path / "davis", {"a": two_boxes()}, "2016/val")
    write_sequence(tmp_path / "results/a", permuted(two_boxes(), {1: 9, 2: 255}))
    report = evaluate_davis(tmp_path / "results", root, "2016/val")
    assert report.global_scores() == PERFECT
    assert len(report.objects) == 1


def test_2016_object_may_be_absent_at_first(tmp_path: Path) -> None:
    """There is always one object; empty answers to empty frames are right."""
    root = write_davis(tmp_path, {"a": [boxes()] * 4}, "2016/val")
    report = evaluate_davis(root / "Annotations/480p", root, "2016/val")
    assert report.global_scores() == PERFECT


def test_lists_of_the_first_release(tmp_path: Path) -> None:
    """DAVIS 2016 as first published lists two paths per frame, and is a set with one object."""
    root = write_davis(tmp_path, {"a": two_boxes(3), "b": two_boxes(3)}, "480p/val")
    lines = [
        f"/JPEGImages/480p/{s}/{i:05d}.jpg /Annotations/480p/{s}/{i:05d}.png" for s in "ab" for i in (0, 1, 2)
    ]
    (root / "ImageSets/480p/val.txt").write_text("\n".join(lines))
    davis = read_davis_set(root, "480p/val")
    assert [s.name for s in davis.sequences] == ["a", "b"]
    assert davis.one_object


def test_some_sequences_of_a_set(tmp_path: Path) -> None:
    """Only those chosen are scored, in the order of the set, and only they need results."""
    root = write_davis(tmp_path, dict.fromkeys("abc", two_boxes(3)))
    write_sequence(tmp_path / "results/a", two_boxes(3))
    write_sequence(tmp_path / "results/c", two_boxes(3))
    report = evaluate_davis(tmp_path / "results", root, "2017/val", sequences=["c", "a"])
    assert list(report.sequence_scores()) == ["a", "c"]
    with pytest.raises(EvaluationError, match=r"no sequence 'd' in the set 2017/val; it has a, b, c"):
        evaluate_davis(tmp_path / "results", root, "2017/val", sequences=["a", "d"])
    with pytest.raises(EvaluationError, match=r"no sequence chosen"):
        evaluate_davis(tmp_path / "results", root, "2017/val", sequences=[])


def test_annotations_in_another_resolution(tmp_path: Path) -> None:
    """Any folder below Annotations will do."""
    root = write_davis(tmp_path, {"a": two_boxes()})
    (root / "Annotations/480p").rename(root / "Annotations/Full-Resolution")
    report = evaluate_davis(
        root / "Annotations/Full-Resolution", root, "2017/val", resolution="Full-Resolution"
    )
    assert report.annotations == "Annotations/Full-Resolution"
    assert report.global_scores() == PERFECT


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    """Same rows, same digits."""
    sequences = {name: two_boxes(7) for name in "abc"}
    root = write_davis(tmp_path / "davis", sequences)
    for name, maps in sequences.items():
        write_sequence(tmp_path / "results" / name, rolled(maps))
    one, two = (evaluate_davis(tmp_path / "results", root, "2017/val", jobs=jobs) for jobs in (1, 2))
    assert one.to_json() == two.to_json()


@pytest.mark.parametrize("jobs", [1, 2])
def test_of_several_errors_the_first_is_told(tmp_path: Path, jobs: int) -> None:
    """Which thread is quicker does not matter."""
    root = write_davis(tmp_path / "davis", {"a": two_boxes()})
    folder = write_sequence(tmp_path / "results/a", two_boxes())
    for name in ("00002.png", "00004.png"):
        (folder / name).write_bytes(b"rubbish")
    with pytest.raises(MediaError, match=r"a/00002\.png"):
        evaluate_davis(tmp_path / "results", root, "2017/val", jobs=jobs)


class TestErrors:
    """Everything that does not fit is told with the file's name, before anything is made of it."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return write_davis(tmp_path / "davis", {"a": two_boxes(), "b": two_boxes()})

    @pytest.fixture
    def results(self, tmp_path: Path) -> Path:
        for name in "ab":
            write_sequence(tmp_path / "results" / name, two_boxes())
        return tmp_path / "results"

    def test_missing_frame(self, root: Path, results: Path) -> None:
        (results / "b/00003.png").unlink()
        with pytest.raises(EvaluationError, match=r"results/b/00003\.png is missing \(1 of the 4 frames"):
            evaluate_davis(results, root, "2017/val")

    def test_missing_sequence(self, root: Path, results: Path) -> None:
        (results / "b").rename(results / "c")
        with pytest.raises(EvaluationError, match=r"no results for sequence b: .*results/b"):
            evaluate_davis(results, root, "2017/val")

    def test_missing_results(self, root: Path, tmp_path: Path) -> None:
        with pytest.raises(EvaluationError, match=r"nowhere/a"):
            evaluate_davis(tmp_path / "nowhere", root, "2017/val")

    def test_wrong_size(self, root: Path, results: Path) -> None:
        write_index(results / "a/00002.png", boxes(shape=(40, 61)))
        with pytest.raises(EvaluationError, match=r"a/00002\.png is 61x40, but its annotation is 60x40"):
            evaluate_davis(results, root, "2017/val")

    def test_unknown_id(self, root: Path, results: Path) -> None:
        write_index(results / "a/00002.png", boxes((3, 0, 0, 1, 1)))
        with pytest.raises(EvaluationError, match=r"a/00002\.png has label 3, but .* ids up to 2$"):
            evaluate_davis(results, root, "2017/val")

    def test_0_and_255_in_a_set_with_ids(self, root: Path, results: Path) -> None:
        write_index(results / "a/00002.png", boxes((255, 0, 0, 1, 1)))
        with pytest.raises(EvaluationError, match=r"label 255.*2016 sets only"):
            evaluate_davis(results, root, "2017/val")

    def test_a_truth_of_0_and_255_in_a_set_with_ids(self, root: Path, results: Path) -> None:
        for path in (root / "Annotations/480p/a").glob("*.png"):
            write_index(path, boxes((255, 0, 0, 9, 9)))
        with pytest.raises(EvaluationError, match=r"ids up to 0; .*2016 sets only"):
            evaluate_davis(results, root, "2017/val")

    def test_too_many_proposals(self, root: Path, results: Path) -> None:
        write_index(results / "a/00002.png", boxes((20, 0, 0, 1, 1)))
        evaluate_davis(results, root, "2017/val", "unsupervised")
        write_index(results / "a/00002.png", boxes((21, 0, 0, 1, 1)))
        with pytest.raises(EvaluationError, match=r"a/00002\.png has label 21, but .* 20 proposals"):
            evaluate_davis(results, root, "2017/val", "unsupervised")

    def test_damaged_mask(self, root: Path, results: Path) -> None:
        (results / "a/00002.png").write_bytes(b"")
        with pytest.raises(MediaError, match=r"a/00002\.png"):
            evaluate_davis(results, root, "2017/val")

    def test_unknown_set(self, root: Path, results: Path) -> None:
        with pytest.raises(EvaluationError, match=r"no set '2017/vall' .*did you mean 2017/val\?"):
            evaluate_davis(results, root, "2017/vall")

    def test_not_a_davis_folder(self, tmp_path: Path, results: Path) -> None:
        with pytest.raises(EvaluationError, match="ImageSets is not a folder"):
            evaluate_davis(results, tmp_path, "2017/val")

    def test_empty_list(self, root: Path, results: Path) -> None:
        (root / "ImageSets/2017/none.txt").write_text("\n")
        with pytest.raises(EvaluationError, match=r"none\.txt lists no sequence"):
            evaluate_davis(results, root, "2017/none")

    def test_sequence_without_annotations(self, root: Path, results: Path) -> None:
        (root / "ImageSets/2017/val.txt").write_text("a\nz\n")
        with pytest.raises(EvaluationError, match=r"no annotations .*Annotations/480p/z"):
            evaluate_davis(results, root, "2017/val")

    def test_nothing_between_first_and_last(self, tmp_path: Path, results: Path) -> None:
        root = write_davis(tmp_path / "short", {"a": two_boxes(2)})
        with pytest.raises(EvaluationError, match=r"480p/a has 2 annotated frame\(s\)"):
            evaluate_davis(results, root, "2017/val")

    def test_no_object_at_all(self, tmp_path: Path) -> None:
        root = write_davis(tmp_path, {"a": [boxes((255, 1, 1, 9, 9))] * 3})
        write_sequence(tmp_path / "results/a", [boxes()] * 3)
        with pytest.raises(EvaluationError, match="no object"):
            evaluate_davis(tmp_path / "results", root, "2017/val")

    def test_unknown_task(self, root: Path, results: Path) -> None:
        with pytest.raises(EvaluationError, match="unknown task 'interactive'"):
            evaluate_davis(results, root, "2017/val", "interactive")

    def test_no_threads(self, root: Path, results: Path) -> None:
        with pytest.raises(EvaluationError, match="jobs must be 1 or more, got 0"):
            evaluate_davis(results, root, "2017/val", jobs=0)


@pytest.mark.parametrize(
    ("task", "subset", "order"),
    [
        ("semi-supervised", "2017/val", {1: 1, 2: 2}),
        ("unsupervised", "2017/val", {1: 2, 2: 1}),
        ("semi-supervised", "2016/val", {1: 1, 2: 2}),
    ],
)
def test_further_metrics(tmp_path: Path, task: str, subset: str, order: dict[int, int]) -> None:
    """Of every object in every frame, with proposals matched, and void left out or one object as for J."""
    maps = two_boxes()
    wrong = permuted(rolled(maps), order)
    if task == "unsupervised":
        for labels in maps:
            labels[12:, 40:55] = 255
    root = write_davis(tmp_path / "davis", {"a": maps}, subset)
    write_sequence(tmp_path / "results" / "a", wrong)
    plain = evaluate_davis(tmp_path / "results", root, subset, task)
    report = evaluate_davis(tmp_path / "results", root, subset, task, metrics=["bIoU", "J"])
    assert [row.j.tolist() for row in report.objects] == [row.j.tolist() for row in plain.objects]
    for row in report.objects:
        expected = []
        for frame in row.frames:
            truth, found = maps[frame] == row.object, wrong[frame] == row.proposal
            if subset.startswith("2016"):
                truth, found = maps[frame] != 0, wrong[frame] != 0
            expected.append(
                boundary_iou(truth, found, maps[frame] == 255 if task == "unsupervised" else None)
            )
        assert row.metrics["bIoU"].tolist() == expected
        assert min(expected) < 1
    document = report.to_dict()
    means = [row.metrics["bIoU"].mean() for row in report.objects]
    assert document["global"] == {**plain.global_scores(), "bIoU-Mean": pytest.approx(np.mean(means))}
    assert [row["bIoU-Mean"] for row in document["per_sequence"]] == pytest.approx(means)
    assert report.table().splitlines()[2].split()[-1] == "bIoU"


def test_an_unknown_metric(tmp_path: Path) -> None:
    """The known ones are named, before anything is read."""
    with pytest.raises(EvaluationError, match=r"unknown metric 'IoU'; .*bIoU"):
        evaluate_davis(tmp_path, tmp_path, "2017/val", metrics=["IoU"])


def late_maps() -> list[np.ndarray]:
    """Object 1 in all 8 frames, object 2 from frame 3 on."""
    return [
        boxes((1, 5, 5, 20, 20), (2, 25, 30, 35, 45)) if index >= 3 else boxes((1, 5, 5, 20, 20))
        for index in range(8)
    ]


def test_a_late_object_is_scored_after_its_first_frame(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in YouTube-VOS; labels of it before do not count, and the message names the object."""
    root = write_davis(tmp_path / "davis", {"a": late_maps()})
    results = late_maps()
    results[1] = boxes((1, 5, 5, 20, 20), (2, 0, 0, 3, 3))
    results[5] = boxes((1, 5, 5, 20, 20))
    write_sequence(tmp_path / "results" / "a", results)
    one, two = evaluate_davis(tmp_path / "results", root, "2017/val").objects
    assert (one.object, one.frames, one.j.tolist()) == (1, (1, 2, 3, 4, 5, 6), [1.0] * 6)
    assert (two.object, two.frames, two.j.tolist()) == (2, (4, 5, 6), [1.0, 0.0, 1.0])
    assert "object 2 of a first appears in frame 3" in caplog.text


def test_a_late_object_below_the_highest_id(tmp_path: Path) -> None:
    """It gets no credit for the frames before it: nothing is where nothing should be, there."""
    swapped = [permuted([labels], {1: 2, 2: 1})[0] for labels in late_maps()]
    root = write_davis(tmp_path / "davis", {"a": swapped})
    write_sequence(tmp_path / "results" / "a", [np.where(labels == 1, 0, labels) for labels in swapped])
    one, two = evaluate_davis(tmp_path / "results", root, "2017/val").objects
    assert (one.frames, one.j.tolist()) == ((4, 5, 6), [0.0] * 3)
    assert two.j.tolist() == [1.0] * 6


def test_ids_with_gaps_warn_with_both_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Objects 1 and 3: the official tool counts 2, at 100."""
    maps = [permuted([labels], {2: 3})[0] for labels in two_boxes()]
    root = write_davis(tmp_path / "davis", {"a": maps})
    write_sequence(tmp_path / "results" / "a", [np.where(labels == 3, 0, labels) for labels in maps])
    report = evaluate_davis(tmp_path / "results", root, "2017/val")
    assert [(row.object, float(row.j.mean())) for row in report.objects] == [(1, 1.0), (2, 1.0), (3, 0.0)]
    assert "such as 2 of a" in caplog.text
    assert "J&F is 66.7 with them, 50.0 without" in caplog.text


def test_soft_results_warn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Probabilities in a 2016 set: every grey is foreground."""
    maps = [(labels == 1).astype(np.uint8) * 255 for labels in two_boxes()]
    root = write_davis(tmp_path / "davis", {"a": maps}, "2016/val", write=write_grey)
    soft = [np.where(labels > 0, 255, np.arange(labels.shape[1], dtype=np.uint8)) for labels in maps]
    write_sequence(tmp_path / "results" / "a", soft, write_grey)
    evaluate_davis(tmp_path / "results", root, "2016/val")
    assert "00001.png has many grey values" in caplog.text
    assert len(caplog.records) == 1
    caplog.clear()
    evaluate_davis(root / "Annotations/480p", root, "2016/val")
    assert not caplog.records


def test_jpeg_results_are_refused(tmp_path: Path) -> None:
    """By their names and, under the name of a PNG, by their content."""
    root = write_davis(tmp_path / "davis", {"a": two_boxes()})
    folder = tmp_path / "results" / "a"
    folder.mkdir(parents=True)
    for index, labels in enumerate(two_boxes()):
        Image.fromarray(labels * 100).save(folder / f"{index:05d}.jpg")
    with pytest.raises(EvaluationError, match=r"00000\.jpg is compressed with loss"):
        evaluate_davis(folder.parent, root, "2017/val")
    for path in folder.iterdir():
        path.rename(path.with_suffix(".png"))
    with pytest.raises(MediaError, match="it is a JPEG"):
        evaluate_davis(folder.parent, root, "2017/val")
