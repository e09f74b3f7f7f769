"""How a worker takes tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import SettingsError
from ...video.sizes import parse_size
from .leases import LEASE_SECONDS, SKEW_SECONDS
from .pack import Pack
from .shards import WHOLE, Shard


@dataclass(frozen=True)
class BatchOptions:
    """How a worker takes tasks; nothing here changes what is in the results, ``size_on_oom`` apart."""

    shard: Shard = WHOLE
    by_weight: bool = False
    """Deal tasks to shards by the weights in the manifest, not by hash."""
    dynamic: bool = False
    """Take any free task, heaviest first."""
    steal: bool = False
    """After the own shard, take any free task."""
    overwrite: bool = False
    """Do tasks again whose line, prompts or video changed since they were done."""
    wait: bool = True
    """Wait for tasks that other workers hold, to take them over if their workers die."""
    retries: int = 2
    lease: float = LEASE_SECONDS
    skew: float = SKEW_SECONDS
    grace: float = 25.0
    """Seconds that running tasks have to stop."""
    size_on_oom: str | None = None
    timeout_factor: float | None = None
    """A task may take this many times what its frames take at the median speed so far."""
    max_failures: float | None = None
    """Stop after more failed tasks than this."""
    max_failure_share: float | None = None
    """Stop once more than this share of the tasks failed."""
    scratch: str | None = None
    endpoint_url: str | None = None
    upload_checkpoints: bool = False
    pack: Pack | None = None
    """``tar``: leave the masks of a task as one file, ``masks.tar``."""

    def __post_init__(self) -> None:
        times = (self.lease, self.skew, self.grace)
        if not all(map(math.isfinite, times)) or self.lease <= 0 or min(*times, self.retries) < 0:
            raise SettingsError("lease must be above 0; skew, grace and retries 0 or more")
        if any(
            value is not None and math.isnan(value) for value in (self.max_failures, self.max_failure_share)
        ):
            raise SettingsError("max_failures must be a number of tasks or a share of them")
        if self.size_on_oom is not None:
            parse_size(self.size_on_oom)
        if self.dynamic and self.shard != WHOLE:
            raise SettingsError("--dynamic takes any task: leave out --shard, or give --shard with --steal")
