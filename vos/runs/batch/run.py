"""``vos batch run`` as a function."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from ...errors import InterruptedRunError, OutputError, PartialResultError, SettingsError
from ...pool import Pool, ProcessPool, ThreadPool
from ...process import usable_cores
from ..folder import differences
from ..settings import TrackSettings
from .attempt import Run, run_attempt
from .layout import BATCH, SCHEMA, dump, manifest_place, parse_batch
from .leases import Clock
from .manifest import Manifest, read_manifest
from .options import BatchOptions
from .remote_store import RemoteStore
from .store import Store, open_store
from .tally import BatchOutcome
from .tracking import track_task
from .worker import Observer, Worker

BATCH_SETTINGS = TrackSettings(outputs=("masks",))
"""Masks only: an overlay of thousands of videos is for those who ask for it."""


def run_batch(
    manifest: str | os.PathLike[str] | Manifest,
    output: str | os.PathLike[str],
    settings: TrackSettings = BATCH_SETTINGS,
    options: BatchOptions | None = None,
    *,
    run: Run = track_task,
    pool: Pool | None = None,
    observe: Observer | None = None,
    clock: Clock = time.time,
) -> BatchOutcome:
    """Track the videos of a manifest, or this worker's share of them.

    Any number of workers may do this with one ``output`` at the same time, on any machines that see it. A
    worker that is started again continues where the batch is.

    Args:
        manifest: see :func:`~vos.runs.batch.manifest.read_manifest`.
        output: folder or URL of the batch, made where absent.
        settings: of every task, unless its line says otherwise.
        options: how tasks are taken.
        run: does one task.
        pool: workers, whose function is ``partial(run_attempt, run=run)``; by default one thread.
        observe: called with every event.
        clock: for leases.

    Raises:
        SettingsError: the manifest or an option is wrong.
        OutputError: the batch has other settings, or a task of it is done as another task.
    """
    options = options or BatchOptions()
    if not isinstance(manifest, Manifest):
        manifest = read_manifest(manifest, endpoint_url=options.endpoint_url)
    store = open_store(output, endpoint_url=options.endpoint_url)
    shares = options.dynamic or options.steal
    if shares and isinstance(store, RemoteStore) and not store.can_create_exclusively():
        raise SettingsError(
            f"{store.root} cannot create a file only where there is none, which sharing tasks needs: "
            "give every worker --shard I/N, without --steal"
        )
    _open_batch(store, manifest, settings, overwrite=options.overwrite)
    pool = pool or ThreadPool(partial(run_attempt, run=run))
    return Worker(manifest, store, settings, options, pool, observe=observe, clock=clock).run()


def raise_for(outcome: BatchOutcome) -> None:
    """Turn the outcome of a worker into the error, and so the exit code, that says it.

    Raises:
        InterruptedRunError: stopped by SIGTERM or Ctrl-C.
        PartialResultError: a task failed or is with another worker, or the worker stopped because of failures
            or a full disk.
    """
    if outcome.reason == "signal":
        raise InterruptedRunError(outcome.message)
    if outcome.reason in ("io", "failures"):
        raise PartialResultError(f"the worker stopped: {outcome.message}; the same command resumes")
    if outcome.failed:
        shown = ", ".join(outcome.failed[:5]) + (", ..." if len(outcome.failed) > 5 else "")
        count = len(outcome.failed)
        raise PartialResultError(
            f"{count} task{'s' * (count != 1)} failed ({shown}); vos batch report lists the reasons, and vos "
            f"batch retry clears them for the next run"
        )
    if outcome.elsewhere and outcome.reason is None:
        count = outcome.elsewhere
        raise PartialResultError(
            f"{count} task{'s' * (count != 1)} of the share {'is' if count == 1 else 'are'} still with other "
            "workers; the same command without --no-wait waits for them"
        )


def process_pool(
    jobs: int,
    *,
    devices: Sequence[str] = (),
    run: Run = track_task,
    tasks_per_process: int | None = 100,
    max_memory: int | None = None,
    cores: int | None = None,
) -> ProcessPool:
    """Worker processes for a batch: one per device, or ``jobs`` that share the cores.

    Args:
        jobs: processes; 0 for one per device, or per core without devices.
        devices: ``cuda:0``, ``cuda:1``: each process sees only its own, as ``cuda:0``.
        run: does one task; importable by name.
        tasks_per_process, max_memory: see :class:`~vos.pool.ProcessPool`.
        cores: usable cores, in place of what the system says.

    Raises:
        SettingsError: a device is no CUDA device.
    """
    cores = cores or usable_cores()
    environments = []
    for device in devices:
        kind, _, index = device.partition(":")
        if kind != "cuda" or not index.isdigit():
            raise SettingsError(f"device {device!r} is not one of cuda:0, cuda:1, ...: --devices takes those")
        environments.append({"CUDA_VISIBLE_DEVICES": index})
    jobs = jobs or len(devices) or cores
    return ProcessPool(
        partial(run_attempt, run=run),
        jobs,
        threads=max(cores // jobs, 1),
        environments=environments,
        tasks_per_process=tasks_per_process,
        max_memory=max_memory,
    )


def _open_batch(store: Store, manifest: Manifest, settings: TrackSettings, *, overwrite: bool) -> None:
    """Make ``batch.json``, or compare with what the first worker wrote."""
    path = manifest_place(manifest.path, store.root)
    mine: dict[str, Any] = {
        "schema": SCHEMA,
        "manifest": {"path": path, "sha256": manifest.digest, "tasks": len(manifest)},
        "settings": json.loads(json.dumps(dataclasses.asdict(settings))),
    }
    if store.create(BATCH, dump(mine)):
        return
    before = parse_batch(store.read(BATCH))
    if before is None:
        raise OutputError(f"{store.root}/{BATCH} is not that of a batch: choose another -o")
    if before["schema"] != SCHEMA:
        raise OutputError(
            f"{store.root} was made by another version of the program (schema {before['schema']}, this one "
            f"writes {SCHEMA}): choose another -o"
        )
    found = list(differences(before["settings"], mine["settings"]))
    if found and not overwrite:
        raise OutputError(
            f"{store.root} holds a batch with other settings: {'; '.join(found[:5])}. Give the same "
            "settings, --overwrite to do its tasks again, or another -o"
        )
    if found or before["manifest"] != mine["manifest"]:
        store.write(BATCH, dump(mine))
