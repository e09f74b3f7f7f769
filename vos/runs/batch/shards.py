"""Which tasks are a worker's share: by hash of the id, or dealt by weight."""

from __future__ import annotations

import hashlib
import heapq
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...errors import SettingsError
from ...notices import NOTICE

logger = logging.getLogger(__name__)

AUTO = "auto"


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 0) of ``count``."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 <= self.index < self.count:
            raise SettingsError(f"shard {self.index}/{self.count}: I/N needs 0 <= I < N")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def has(self, task_id: str) -> bool:
        """Whether a task belongs here; depends on its id alone, not on the other tasks."""
        return hash_of(task_id) % self.count == self.index


WHOLE = Shard(0, 1)


def hash_of(task_id: str) -> int:
    """The first 32 bits of SHA-256 of an id."""
    return int(hashlib.sha256(task_id.encode()).hexdigest()[:8], 16)


def parse_shard(text: str) -> Shard:
    """The shard in ``I/N``.

    Raises:
        SettingsError: for anything else, and where I is not below N.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise SettingsError(f"shard {text!r} is not I/N, such as 0/8; I counts from 0")
    return Shard(int(match[1]), int(match[2]))


def detect_shard(environment: Mapping[str, str]) -> Shard | None:
    """The shard that a scheduler gives this process by its environment; None without a scheduler.

    ``VOS_SHARD``, arrays and steps of Slurm, indexed jobs of Kubernetes, arrays of PBS, SGE, LSF and AWS
    Batch, and torchrun, in this order. Where the scheduler does not say how many there are, ``VOS_SHARDS``
    must.

    Raises:
        SettingsError: a number is missing, is none, or is out of range; the message names the variables.
    """
    for names, find in _RULES:
        if all(name in environment for name in names):
            shard = find(_Reader(environment))
            if shard is not None:
                found = {name: environment[name] for name in (*names, "VOS_SHARDS") if name in environment}
                text = " ".join(f"{k}={v}" for k, v in found.items())
                logger.log(NOTICE, "only shard %s of the tasks is done here, from %s", shard, text)
                return shard
    return None


class _Reader:
    """Numbers of the environment, with errors that name their variables."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def number(self, name: str, default: int | None = None) -> int:
        text = self.environment.get(name)
        if text is None and default is not None:
            return default
        if text is None or not re.fullmatch(r"-?\d+", text.strip()):
            raise SettingsError(f"the environment variable {name} must be a whole number, got {text!r}")
        return int(text)

    def count(self, index_name: str) -> int:
        """The number of shards where the scheduler does not tell it."""
        if "VOS_SHARDS" not in self.environment:
            raise SettingsError(
                f"{index_name} is set, but not how many tasks the array has: set VOS_SHARDS to their "
                "number, or give --shard I/N"
            )
        return self.number("VOS_SHARDS")


def _slurm_array(read: _Reader) -> Shard:
    """An array need not start at 0, nor go by ones."""
    step = read.number("SLURM_ARRAY_TASK_STEP", 1)
    offset = read.number("SLURM_ARRAY_TASK_ID") - read.number("SLURM_ARRAY_TASK_MIN", 0)
    if step < 1 or offset % step:
        raise SettingsError(
            f"SLURM_ARRAY_TASK_ID is {offset} after SLURM_ARRAY_TASK_MIN, which is no multiple of "
            f"SLURM_ARRAY_TASK_STEP={step}"
        )
    return Shard(offset // step, read.number("SLURM_ARRAY_TASK_COUNT"))


def _slurm_step(read: _Reader) -> Shard | None:
    count = read.number("SLURM_NTASKS")
    return Shard(read.number("SLURM_PROCID"), count) if count > 1 else None


def _sge(read: _Reader) -> Shard | None:
    if read.environment["SGE_TASK_ID"] == "undefined":  # a job that is no array
        return None
    first, step = read.number("SGE_TASK_FIRST", 1), read.number("SGE_TASK_STEPSIZE", 1)
    count = (read.number("SGE_TASK_LAST") - first) // step + 1
    return Shard((read.number("SGE_TASK_ID") - first) // step, count)


def _lsf(read: _Reader) -> Shard | None:
    index = read.number("LSB_JOBINDEX")  # 0: a job that is no array
    return Shard(index - 1, read.count("LSB_JOBINDEX")) if index else None


_RULES = (
    (("VOS_SHARD",), lambda read: parse_shard(read.environment["VOS_SHARD"])),
    (("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"), _slurm_array),
    (("SLURM_PROCID", "SLURM_NTASKS"), _slurm_step),
    (
        ("JOB_COMPLETION_INDEX",),
        lambda read: Shard(read.number("JOB_COMPLETION_INDEX"), read.count("JOB_COMPLETION_INDEX")),
    ),
    (
        ("PBS_ARRAY_INDEX",),
        lambda read: Shard(
            read.number("PBS_ARRAY_INDEX") - read.number("VOS_ARRAY_FIRST", 0), read.count("PBS_ARRAY_INDEX")
        ),
    ),
    (("SGE_TASK_ID",), _sge),
    (("LSB_JOBINDEX",), _lsf),
    (
        ("AWS_BATCH_JOB_ARRAY_INDEX",),
        lambda read: Shard(read.number("AWS_BATCH_JOB_ARRAY_INDEX"), read.count("AWS_BATCH_JOB_ARRAY_INDEX")),
    ),
    (("RANK", "WORLD_SIZE"), lambda read: Shard(read.number("RANK"), read.number("WORLD_SIZE"))),
)
"""(variables that must all be set, reader of the shard), in order of precedence."""


def deal_by_weight(weights: Iterable[tuple[str, float]], count: int) -> list[list[str]]:
    """Ids dealt to ``count`` shards, heaviest first (ties by id), each to the lightest shard so far."""
    shards: list[list[str]] = [[] for _ in range(count)]
    heap = [(0.0, k) for k in range(count)]
    for task_id, weight in sorted(weights, key=lambda pair: (-pair[1], pair[0])):
        load, k = heapq.heappop(heap)
        shards[k].append(task_id)
        heapq.heappush(heap, (load + weight, k))
    return shards


def split_share(ids: Sequence[str], shard: Shard) -> tuple[list[str], list[str]]:
    """(own, others'), each in the order of ``ids``."""
    own = [task_id for task_id in ids if shard.has(task_id)]
    return own, [task_id for task_id in ids if not shard.has(task_id)]
