"""Memory policies: which frames are attended, on made-up sequences, and the motion model by numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_sam2 import Replay, Tolerance, assert_close, scenario, stats, weights

from vos.trackers.memory.architectures import detect
from vos.trackers.memory.bank import Bank, MemoryEntry
from vos.trackers.memory.dam_policy import DamPolicy
from vos.trackers.memory.hypotheses import survivors
from vos.trackers.memory.loading import build
from vos.trackers.memory.long_policy import LongPolicy
from vos.trackers.memory.motion import BoxFilter, corner_iou, mask_box
from vos.trackers.memory.names import to_transformers
from vos.trackers.memory.network import MemoryNetwork
from vos.trackers.memory.policies import POLICIES
from vos.trackers.memory.policy import PROMPTED_ROW, Policy, Sam2Policy
from vos.trackers.memory.preprocess import to_mask
from vos.trackers.memory.sam3_policy import Sam3Policy
from vos.trackers.memory.samurai_policy import SamuraiPolicy
from vos.trackers.memory.session import Session

pytestmark = pytest.mark.usefixtures("one_thread")


def entry(t: int, score: float = 4.0, quality: float = 0.9, motion: float | None = None) -> MemoryEntry:
    """An entry whose memory and pointer tell its time."""
    tag = torch.full((1, 1), float(t))
    return MemoryEntry(score, quality, tag[0], tag, None, motion, score > 0, 0.0, quality)


def bank(times: list[int], first: int = 0, bounded: bool = True, **special: MemoryEntry) -> Bank:
    """A bank with a prompt at ``first`` and tracked frames, ``f3=...`` being that of time 3."""
    made = Bank(bounded=bounded)
    made.condition(first, entry(first))
    for t in times:
        made.track(t, special.get(f"f{t}", entry(t)), 1 if t > first else -1)
    return made


def attended(policy: Policy, made: Bank, t: int, direction: int = 1) -> tuple[list[tuple], list[tuple]]:
    """(time, temporal row) of the memories and (time, offset) of the pointers attended."""
    found = policy.select(made, t, direction)
    frames = [(int(f.tokens[0, 0]), f.row) for f in found.frames]
    return frames, [(int(p.pointer[0]), p.offset) for p in found.pointers]


def test_sam2_attends_the_prompt_and_the_last_six() -> None:
    """The newest frame has row 0; pointers reach back 15 frames."""
    frames, pointers = attended(Sam2Policy(), bank(list(range(1, 20))), 20)
    assert frames == [(0, PROMPTED_ROW), (14, 5), (15, 4), (16, 3), (17, 2), (18, 1), (19, 0)]
    assert pointers == [(0, 20), *((20 - k, k) for k in range(1, 16))]


@pytest.mark.parametrize("name", POLICIES)
def test_fewer_memories_have_the_rows_they_were_trained_with(name: str) -> None:
    """The prompt's is the last of the network's table, the last frame's the first."""
    frames, _ = attended(POLICIES[name](3, 16), bank(list(range(1, 9))), 9)
    assert frames[0] == (0, PROMPTED_ROW)
    assert frames[-1] == (8, 0)
    assert PROMPTED_ROW == -1


def test_sam2_backward_mirrors_forward() -> None:
    """Memories from t + 1 on, offsets positive; prompts in the future have no pointer."""
    made = bank([29, 28, 27], first=30)
    made.condition(10, entry(10))
    frames, pointers = attended(Sam2Policy(), made, 26, -1)
    assert frames == [(30, PROMPTED_ROW), (10, PROMPTED_ROW), (29, 2), (28, 1), (27, 0)]
    assert pointers == [(30, 4), (27, 1), (28, 2), (29, 3)]


def test_prompts_that_are_not_attended_count_as_ordinary_frames() -> None:
    """The nearest before, the nearest after, then the nearest; the first one stays where asked."""
    made = Bank(max_conditioning=None, bounded=False)
    for t in (0, 4, 8, 12):
        made.condition(t, entry(t))
    made.max_conditioning = 2
    assert made.attended_conditioning(9, made.conditioning) == [0, 8]
    made.keep_first = False
    assert made.attended_conditioning(9, made.conditioning) == [8, 12]
    frames, _ = attended(Sam2Policy(), made, 9)
    assert frames == [(8, PROMPTED_ROW), (12, PROMPTED_ROW), (4, 4)]


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_what_is_forgotten_is_never_attended(name: str) -> None:
    """A bounded bank answers as one that keeps everything, and stops growing."""
    policy = POLICIES[name](7, 16)
    small, large = (bank([], bounded=bounded) for bounded in (True, False))
    generator = np.random.default_rng(0)
    for t in range(1, 80):
        assert attended(policy, small, t) == attended(policy, large, t)
        made = entry(t, generator.normal(0, 3), generator.uniform(0.2, 1), generator.uniform(-0.3, 1))
        masks = torch.from_numpy(generator.normal(0, 1, (3, 8, 8)).astype(np.float32))
        for one in (small, large):
            one.track(t, made, 1)
            policy.remember(one, t, 1, masks, 0)
            one.forget(t, *policy.needed(one, t, 1))
        assert len(small.tracked) <= 32
        assert sum(e.memory is not None for e in small.tracked.values()) <= 16


def test_samurai_takes_good_frames() -> None:
    """Sure, of good quality, moving as predicted; the last one always; none right after the prompt."""
    bad = {
        "f3": entry(3, -1.0),
        "f5": entry(5, quality=0.4),
        "f6": entry(6, motion=0.0),
        "f9": entry(9, -1.0),
    }
    made = bank(list(range(1, 10)), **bad)
    frames, pointers = attended(SamuraiPolicy(), made, 10)
    assert frames == [(0, PROMPTED_ROW), (2, 4), (4, 3), (7, 2), (8, 1), (9, 0)]
    assert [t for t, _ in pointers] == [0, 9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_sam3_takes_sure_frames_and_ranks_their_pointers() -> None:
    """Pointers are numbered by rank among the selected frames, the oldest of which has none."""
    made = bank([1, 2, 3, 4, 5], f3=entry(3, -1.0), f4=entry(4, quality=0.0))
    frames, pointers = attended(Sam3Policy(), made, 6)
    assert frames == [(0, PROMPTED_ROW), (1, 2), (2, 1), (5, 0)]
    assert pointers == [(0, 6), (5, 1), (2, 2)]


def blob(x0: int, x1: int) -> torch.Tensor:
    """(16, 16) logits of a box of full height between two columns."""
    made = torch.full((16, 16), -5.0)
    made[4:12, x0:x1] = 5.0
    return made


def test_samurai_chooses_by_motion_once_stable() -> None:
    """Two good frames of a standing object, then a better looking one far away: the near one is taken."""
    policy, made = SamuraiPolicy(stable_frames=2), bank([])
    near, far = blob(2, 6), blob(11, 15)
    for t in (1, 2):
        assert policy.choose(made, t, torch.stack([near, far]), torch.tensor([0.8, 0.5])) == (0, None)
    assert made.state["stable"] == 2
    row, motion = policy.choose(made, 3, torch.stack([near, far]), torch.tensor([0.7, 0.8]))
    assert row == 0
    assert motion == pytest.approx(1.0, abs=0.05)
    weighed = SamuraiPolicy(stable_frames=2, motion_weight=0.15)
    for far_quality, chosen in ((0.75, 0), (0.8, 1)):  # near: 0.15 + 0.85 * 0.6 = 0.66
        one = bank([])
        one.state = dict(made.state)
        qualities = torch.tensor([0.6, far_quality])
        assert weighed.choose(one, 4, torch.stack([near, far]), qualities)[0] == chosen
    policy.choose(made, 4, torch.stack([near, far]), torch.tensor([0.1, 0.05]))
    assert made.state["stable"] == 0, "a bad frame ends the stable run"


def test_dam_attends_recent_visible_frames_and_those_with_distractors() -> None:
    """The last frame, every fifth before it where the object is visible, and the frames added."""
    made = bank(list(range(1, 28)), f25=entry(25, -1.0), f15=entry(15, -1.0))
    made.state = {"added": [8, 27]}
    frames, pointers = attended(DamPolicy(), made, 28)
    # 27 was added, and is the last.
    assert frames == [(8, PROMPTED_ROW), (0, PROMPTED_ROW), (5, 3), (10, 2), (20, 1), (26, 0)]
    assert pointers == [(8, 20), (0, 28), *((k, 28 - k) for k in range(27, 12, -1) if k not in (25, 15))]
    made.state = {"added": [22, 27]}
    _, pointers = attended(DamPolicy(), made, 28)
    others = [(k, 28 - k) for k in range(27, 12, -1) if k not in (25, 15, 22)]
    assert pointers == [(22, 6), (0, 28), *others], "no frame has two pointers"


def test_dam_keeps_as_many_memories_as_a_correction_may_ask_for() -> None:
    """It forgets the newest three of them: the others still fill all places, and no further one is kept."""
    policy, made = DamPolicy(7, 16), bank([])
    for t in range(1, 82):
        made.track(t, entry(t), 1)
        made.forget(t, *policy.needed(made, t, 1))
    kept = [t for t, found in made.tracked.items() if found.memory is not None]
    assert kept == [50, 55, 60, 65, 70, 75, 80, 81]
    made.condition(81, entry(81))
    made.clear_around(81, 7)
    frames, _ = attended(policy, made, 82)
    assert [t for t, _ in frames] == [0, 81, 50, 55, 60, 65, 70]


def test_dam_adds_frames_with_a_distractor() -> None:
    """Another candidate far from a steady mask is one; near it, in a poor mask or too soon it is not."""
    policy = DamPolicy()
    mask, near, far = blob(2, 6), blob(2, 7), blob(11, 15)

    def added(made: Bank, t: int, other: torch.Tensor, quality: float = 0.9) -> list[int]:
        made.track(t, entry(t, quality=quality), 1)
        policy.remember(made, t, 1, torch.stack([mask, near, other]), 0)
        found: list[int] = made.state["added"]
        return found

    made = bank([])
    assert added(made, 1, far) == [], "no ratio on the first frame"
    assert added(made, 2, near) == []
    assert added(made, 3, far, quality=0.5) == []
    assert added(made, 4, far) == [4]
    assert added(made, 9, far) == [4], "five frames after the last"
    assert added(made, 10, far) == [4, 10]
    mask = blob(2, 5)
    assert added(made, 16, far) == [4, 10], "a quarter smaller than it was"
    mask = blob(2, 6)
    assert added(made, 17, far) == [4, 10, 17]


def test_long_attends_good_frames_and_weighs_them_by_their_score() -> None:
    """Present and of some quality, the last one always; the surest key weighs 1.05, the least sure 0.95."""
    bad = {"f2": entry(2, -1.0), "f3": entry(3, quality=0.05), "f6": entry(6, -2.0)}
    made = bank(list(range(1, 7)), **bad, f4=entry(4, 9.0), f5=entry(5, 1.0))
    frames, pointers = attended(LongPolicy(), made, 7)
    assert frames == [(0, PROMPTED_ROW), (1, 3), (4, 2), (5, 1), (6, 0)]
    assert pointers == [(0, 7), (6, 1), (5, 2), (4, 3)], "by rank, without the oldest"
    found = LongPolicy().select(made, 7, 1)
    assert [f.weight for f in found.frames] == pytest.approx([1.05, 1.0, 1.025, 0.975, 0.95])
    assert [p.weight for p in found.pointers] == pytest.approx([1.05, 0.95, 0.95 + 0.1 / 3, 0.95 + 0.2 / 3])
    assert LongPolicy().select(bank([]), 1, 1).frames[0].weight == 1.0, "nothing to compare with"


def test_hypotheses_compete_by_log_score_where_the_network_is_certain() -> None:
    """The three with the highest sum of log qualities, even if all have one parent."""
    found = survivors([-0.1, -2.0], [3.0, 0.5], [[0.9, 0.8, 0.7], [0.95, 0.2, 0.1]], 3)
    assert [(parent, row) for parent, row, _ in found] == [(0, 0), (0, 1), (0, 2)]
    assert found[0][2] == pytest.approx(-0.1 + np.log(0.9), abs=1e-4)


def test_hypotheses_that_look_alike_do_not_crowd_out_others() -> None:
    """Unsure: one per quality of two decimals; present and absent with the same quality both stay."""
    found = survivors([0.0, -0.5], [1.0, -1.0], [[0.9, 0.901, 0.899], [0.9, 0.9, 0.3]], 3)
    assert [(parent, row) for parent, row, _ in found] == [(0, 1), (1, 0), (1, 2)]
    filled = survivors([0.0, -0.5, -0.6], [1.0, 1.0, 1.0], [[0.9] * 3, [0.9] * 3, [0.9] * 3], 3)
    assert [(parent, row) for parent, row, _ in filled] == [(0, 0), (1, 0), (2, 0)]
    assert len(survivors([0.0], [1.0], [[0.9, 0.9, 0.9]], 3)) == 1, (
        "no unused hypothesis is left to fill with"
    )
    assert survivors([0.0], [3.0], [[0.0, 0.0, 0.0]], 1)[0][2] == pytest.approx(np.log(1e-5))


def test_filter_by_hand() -> None:
    """One step of a standing box of height 20, worked on paper."""
    start = BoxFilter.start(np.array([10.0, 20, 30, 40]))
    assert start.mean.tolist() == [20, 30, 1, 20, 0, 0, 0, 0]
    assert np.allclose(np.diag(start.covariance), [4, 4, 1e-4, 4, 1.5625, 1.5625, 1e-10, 1.5625])
    ahead = start.predict()
    assert ahead.mean.tolist() == start.mean.tolist()
    assert ahead.covariance[0, 0] == pytest.approx(4 + 1.5625 + 1)
    seen = ahead.update(np.array([12.0, 20, 32, 40]))
    gain = 6.5625 / (6.5625 + 1)
    assert seen.mean[0] == pytest.approx(20 + 2 * gain)
    assert seen.mean[4] == pytest.approx(2 * 1.5625 / 7.5625)


def test_filter_as_recorded(golden: Path) -> None:
    """The reference's filter over ten boxes, two of them not seen."""
    with np.load(golden / "sam2" / "samurai_kalman.npz") as recorded:
        motion = BoxFilter.start(recorded["boxes"][0])
        assert np.allclose(motion.mean, recorded["mean"][0], atol=1e-9)
        for i in range(1, 10):
            motion = motion.predict()
            assert np.allclose(motion.mean, recorded["predicted_mean"][i], atol=1e-9)
            assert np.allclose(motion.covariance, recorded["predicted_cov"][i], atol=1e-9)
            overlaps = [corner_iou(motion.box, box) for box in recorded["candidates"][i]]
            assert np.allclose(overlaps, recorded["iou"][i], atol=1e-9)
            if i not in recorded["skipped"]:
                motion = motion.update(recorded["boxes"][i])
                assert np.allclose(motion.mean, recorded["mean"][i], atol=1e-9)
                assert np.allclose(motion.covariance, recorded["cov"][i], atol=1e-9)


def test_box_of_a_mask() -> None:
    """Inclusive indices; zeros for an empty mask."""
    mask = np.zeros((5, 7), bool)
    assert mask_box(mask).tolist() == [0, 0, 0, 0]
    mask[1:3, 2:6] = True
    assert mask_box(mask).tolist() == [2, 1, 5, 2]


def test_samurai_as_recorded(golden: Path) -> None:
    """Nine frames of the reference from a mask on the first: what is attended, chosen and predicted."""
    folder = golden / "sam2"
    state = to_transformers(weights("mini", 1))
    network = MemoryNetwork(build(detect(state, "mini"), state, "mini"), "sam2.1-tiny")
    policy = SamuraiPolicy(max_pointers=10, stable_frames=2)
    session = Session(network, policy, bounded=False, max_conditioning=None, clear_around=False)
    replay = Replay(folder, scenario(folder, "short"), network, session)
    tolerance = Tolerance()
    session.prompt_mask(0, replay.features(0), 1, to_mask(replay.labels == 1, network.image_size))
    session.commit(0, replay.features(0))
    with np.load(folder / "samurai_mini_s1.npz") as recorded:
        for t in range(1, 10):
            answer = session.track(t, replay.features(t), 1)[1]
            assert answer.attended is not None
            assert answer.entry.low_res is not None
            keys, encoding = network.keys(answer.attended)
            prefix = f"f{t:02d}."
            motion = -1 if answer.entry.motion is None else answer.entry.motion
            bank_state = session.tracks[1].bank.state
            assert len(keys) == recorded[f"{prefix}mem_tokens"]
            assert 2 * len(answer.attended.pointers) == recorded[f"{prefix}ptr_tokens"]
            assert bank_state["stable"] == recorded[f"{prefix}stable"]
            for name, found, limit in (
                ("lowres_sub", answer.entry.low_res[::3, ::3], tolerance.low_res),
                ("score", answer.entry.score, tolerance.score),
                ("ptr", answer.entry.pointer[::2], tolerance.pointer),
                ("ious", answer.qualities, tolerance.quality),
                ("chosen_iou", answer.entry.quality, tolerance.quality),
                ("chosen_kf", motion, 1e-4),
                ("kf_mean", bank_state["mean"], 1e-3),
                ("kf_cov_diag", np.diag(bank_state["covariance"]), None),
                ("memory_stats", stats(keys), None),
                ("memory_pos_stats", stats(encoding), None),
            ):
                assert_close(prefix + name, found, recorded[prefix + name], limit)
