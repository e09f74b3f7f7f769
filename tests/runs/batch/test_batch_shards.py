"""Shares of a batch: by hash, by weight, and as a scheduler's environment says."""

from __future__ import annotations

import pytest

from vos.errors import SettingsError
from vos.runs.batch.shards import Shard, deal_by_weight, detect_shard, parse_shard, split_share

IDS = [f"video-{k}" for k in range(500)]


@pytest.mark.parametrize("count", [1, 3, 8])
def test_shards_are_a_partition(count: int) -> None:
    """Every task is in exactly one shard, and the shards are of similar size."""
    shards = [[task_id for task_id in IDS if Shard(k, count).has(task_id)] for k in range(count)]
    assert sorted(task_id for shard in shards for task_id in shard) == sorted(IDS)
    assert min(map(len, shards)) > 0.6 * len(IDS) / count


def test_a_shard_does_not_depend_on_the_other_tasks() -> None:
    """Lines that are added or moved change the shard of no other line."""
    shard = Shard(2, 5)
    before, _ = split_share(IDS, shard)
    after, _ = split_share(["new-1", *reversed(IDS), "new-2"], shard)
    assert set(before) == set(after) - {"new-1", "new-2"}


def test_a_known_hash() -> None:
    """The first eight digits of SHA-256: another program can compute the shard."""
    # sha256("abc") = ba7816bf...
    assert [k for k in range(7) if Shard(k, 7).has("abc")] == [0xBA7816BF % 7]


def test_dealing_by_weight_balances() -> None:
    """Heaviest first, each to the lightest shard; ties by id; the same whatever the order of the lines."""
    weights = [("a", 9.0), ("b", 5.0), ("c", 4.0), ("d", 1.0), ("e", 1.0)]
    assert deal_by_weight(weights, 2) == [["a", "d"], ["b", "c", "e"]]
    assert deal_by_weight(reversed(weights), 2) == deal_by_weight(weights, 2)


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({"VOS_SHARD": "2/5", "RANK": "0", "WORLD_SIZE": "2"}, Shard(2, 5)),
        (
            {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "0"},
            Shard(3, 8),
        ),
        (
            {
                "SLURM_ARRAY_TASK_ID": "16",
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_STEP": "3",
            },
            Shard(2, 4),
        ),
        (
            {
                "SLURM_ARRAY_TASK_ID": "1",
                "SLURM_ARRAY_TASK_COUNT": "2",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_PROCID": "3",
                "SLURM_NTASKS": "4",
            },
            Shard(0, 2),
        ),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, Shard(3, 4)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, None),
        ({"JOB_COMPLETION_INDEX": "4", "VOS_SHARDS": "5"}, Shard(4, 5)),
        ({"PBS_ARRAY_INDEX": "0", "VOS_SHARDS": "3"}, Shard(0, 3)),
        ({"PBS_ARRAY_INDEX": "3", "VOS_SHARDS": "3", "VOS_ARRAY_FIRST": "1"}, Shard(2, 3)),
        ({"SGE_TASK_ID": "1", "SGE_TASK_LAST": "6"}, Shard(0, 6)),
        (
            {"SGE_TASK_ID": "9", "SGE_TASK_FIRST": "5", "SGE_TASK_LAST": "11", "SGE_TASK_STEPSIZE": "2"},
            Shard(2, 4),
        ),
        ({"SGE_TASK_ID": "undefined"}, None),
        ({"LSB_JOBINDEX": "2", "VOS_SHARDS": "4"}, Shard(1, 4)),
        ({"LSB_JOBINDEX": "0"}, None),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "7", "VOS_SHARDS": "8"}, Shard(7, 8)),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Shard(1, 2)),
        ({}, None),
    ],
)
def test_environments(environment: dict[str, str], shard: Shard | None) -> None:
    """Every scheduler's variables, arrays that begin elsewhere or have a step, and jobs that are no array."""
    assert detect_shard(environment) == shard


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"JOB_COMPLETION_INDEX": "4"}, "set VOS_SHARDS"),
        ({"PBS_ARRAY_INDEX": "4"}, "PBS_ARRAY_INDEX is set"),
        ({"LSB_JOBINDEX": "4"}, "set VOS_SHARDS"),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "4"}, "set VOS_SHARDS"),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "8", "VOS_SHARDS": "8"}, "needs 0 <= I < N"),
        ({"PBS_ARRAY_INDEX": "3", "VOS_SHARDS": "3"}, "needs 0 <= I < N"),
        ({"SGE_TASK_ID": "3"}, "SGE_TASK_LAST"),
        ({"VOS_SHARD": "5/5"}, "needs 0 <= I < N"),
        ({"RANK": "one", "WORLD_SIZE": "2"}, "RANK must be a whole number"),
        (
            {"SLURM_ARRAY_TASK_ID": "11", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_STEP": "3"},
            "no multiple",
        ),
    ],
)
def test_environments_that_do_not_add_up(environment: dict[str, str], message: str) -> None:
    """A shard that is not certain is refused, with the variable to set."""
    with pytest.raises(SettingsError, match=message):
        detect_shard(environment)


@pytest.mark.parametrize("text", ["3", "3/", "-1/4", "4/4", "a/b", "0/0"])
def test_bad_shards(text: str) -> None:
    """Only I/N with I below N is one."""
    with pytest.raises(SettingsError, match="I/N"):
        parse_shard(text)
