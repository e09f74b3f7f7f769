"""Thousands of videos on many machines: a manifest, a folder, and any number of workers that share it."""

from .manifest import Manifest, check_manifest, read_manifest
from .options import BatchOptions
from .run import BATCH_SETTINGS, process_pool, raise_for, run_batch
from .shards import Shard, detect_shard, parse_shard
from .tally import BatchOutcome
from .task import Task

__all__ = [
    "BATCH_SETTINGS",
    "BatchOptions",
    "BatchOutcome",
    "Manifest",
    "Shard",
    "Task",
    "check_manifest",
    "detect_shard",
    "parse_shard",
    "process_pool",
    "raise_for",
    "read_manifest",
    "run_batch",
]
