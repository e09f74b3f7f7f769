"""Options of ``vos batch run`` and ``vos batch submit``: how tasks are taken and by what."""

from __future__ import annotations

from typing import Any

import click

from .options import engine_options, load_config, reading_options

NAMES = (
    "dynamic",
    "steal",
    "overwrite",
    "wait",
    "retries",
    "lease",
    "skew",
    "grace",
    "size_on_oom",
    "timeout_factor",
    "scratch",
    "endpoint_url",
    "upload_checkpoints",
    "pack",
)
"""Parameters that are fields of :class:`vos.runs.batch.BatchOptions`."""


def place_option(command: Any) -> Any:
    """``-o OUT``: a folder or a URL. The command gets ``output: str``."""
    return click.option(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="Folder of the batch, or a URL such as s3://bucket/batch.",
    )(command)


def endpoint_option(command: Any) -> Any:
    """``--endpoint-url``. The command gets ``endpoint_url``, or None."""
    return click.option(
        "--endpoint-url", metavar="URL", help="Endpoint of an s3:// store other than Amazon's."
    )(command)


def track_options(command: Any) -> Any:
    """Settings of every task. The command gets what :func:`take_settings` takes."""
    command = click.option("--outputs", metavar="A,B", help="What to write: masks (default), overlay, coco.")(
        command
    )
    return engine_options(default="classical")(reading_options(command))


def take_settings(flags: dict[str, Any]) -> Any:
    """The settings of every task, taken out of ``flags``."""
    from vos.runs.batch import BATCH_SETTINGS
    from vos.settings import override
    from vos.video import parse_size

    names = ("start", "end", "stride", "reader", "model", "device", "dtype", "checkpoint", "tune")
    layer = {name: flags.pop(name) for name in names}
    size, outputs = flags.pop("size"), flags.pop("outputs")
    layer["size"] = None if size is None else parse_size(size)
    layer["outputs"] = None if outputs is None else [name.strip() for name in outputs.split(",")]
    return override(BATCH_SETTINGS, load_config(flags.pop("config")), layer)


def worker_options(command: Any) -> Any:
    """How a worker takes tasks. The command gets what :func:`take_options` takes."""
    return sharing_options(failure_options(storage_options(command)))


def sharing_options(command: Any) -> Any:
    """How workers share the tasks."""
    for option in (
        click.option(
            "--skew",
            type=float,
            default=30,
            show_default=True,
            metavar="S",
            help="Allowed clock skew between machines, in seconds.",
        ),
        click.option(
            "--lease",
            type=float,
            default=600,
            show_default=True,
            metavar="S",
            help="Seconds after which the task of a dead worker on another machine is free.",
        ),
        click.option(
            "--wait/--no-wait",
            default=True,
            help="Wait for tasks that other workers hold (default), or exit.",
        ),
        click.option(
            "--overwrite", is_flag=True, help="Repeat finished tasks whose manifest line has changed."
        ),
        click.option("--steal", is_flag=True, help="After this worker's shard, take any free task."),
        click.option("--dynamic", is_flag=True, help="No shards: take any free task, heaviest first."),
        click.option(
            "--shard-by",
            type=click.Choice(["hash", "weight"]),
            default="hash",
            show_default=True,
            help="Assign tasks by hash of the id, or balanced by the weights in the manifest.",
        ),
        click.option(
            "--shard",
            metavar="I/N",
            help="This worker's shard, I from 0.  [default: from the scheduler's environment, or all]",
        ),
    ):
        command = option(command)
    return command


def failure_options(command: Any) -> Any:
    """What happens when a task fails or the worker is stopped."""
    for option in (
        click.option(
            "--max-failures",
            metavar="N|N%",
            help="Stop after more than N failed tasks, or N% of at least 20.",
        ),
        click.option(
            "--timeout-factor",
            type=click.FloatRange(min=1),
            metavar="F",
            help="Kill a task that takes F times its estimate, and more than 10 minutes.",
        ),
        click.option(
            "--size-on-oom",
            metavar="SIZE",
            help="Frame size for the second attempt at a task that ran out of memory.",
        ),
        click.option(
            "--retries",
            metavar="N",
            type=click.IntRange(min=0),
            default=2,
            show_default=True,
            help="Attempts after a crash.",
        ),
        click.option(
            "--grace",
            type=float,
            default=25,
            show_default=True,
            metavar="S",
            help="Seconds that running tasks have to stop after a signal.",
        ),
    ):
        command = option(command)
    return command


def storage_options(command: Any) -> Any:
    """Where files are copied and how masks are stored."""
    for option in (
        click.option(
            "--pack",
            type=click.Choice(["tar"]),
            help="Store the masks of a video as one file, masks.tar, which the webdataset package reads.",
        ),
        click.option(
            "--upload-checkpoints",
            is_flag=True,
            help="With OUT in a store: upload checkpoints, so that another machine can resume.",
        ),
        endpoint_option,
        click.option("--scratch", metavar="DIR", help="Folder for copies of files from a store."),
    ):
        command = option(command)
    return command


def take_options(flags: dict[str, Any], environment: Any) -> Any:
    """The :class:`vos.runs.batch.BatchOptions` of ``flags``, taken out of them."""
    from vos.runs.batch import BatchOptions, detect_shard, parse_shard
    from vos.runs.batch.shards import AUTO, WHOLE

    text = flags.pop("shard")
    values = {name: flags.pop(name) for name in NAMES}
    if values["dynamic"] and text is None:
        shard = WHOLE
    else:
        shard = (detect_shard(environment) or WHOLE) if text in (None, AUTO) else parse_shard(text)
    count, share = _failures(flags.pop("max_failures"))
    return BatchOptions(
        shard=shard,
        by_weight=flags.pop("shard_by") == "weight",
        max_failures=count,
        max_failure_share=share,
        **values,
    )


def _failures(text: str | None) -> tuple[float | None, float | None]:
    """(count, share) of ``N`` or ``N%``."""
    from vos.errors import SettingsError

    if text is None:
        return None, None
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1
    if not number >= 0:
        raise SettingsError(f"--max-failures {text}: give a number of tasks, or a share such as 5%")
    return (None, number / 100) if text.endswith("%") else (number, None)


def process_options(command: Any) -> Any:
    """Processes of a worker. The command gets ``jobs``, ``devices``, ``isolate`` and the limits."""
    for option in (
        click.option(
            "--max-memory",
            type=click.FloatRange(min=0, min_open=True),
            metavar="GB",
            help="Replace a process above this peak memory.",
        ),
        click.option(
            "--tasks-per-process",
            type=click.IntRange(min=1),
            default=100,
            show_default=True,
            metavar="N",
            help="Replace a process after N tasks.",
        ),
        click.option(
            "--isolate",
            type=click.Choice(["process", "none"]),
            help="Run tasks in processes of their own that keep the model (default with --jobs or "
            "--devices), so that a crash affects only its task.",
        ),
        click.option("--devices", metavar="A,B", help="One process per device: cuda:0,cuda:1."),
        click.option("--jobs", metavar="N|auto", help="Tasks at a time; auto: one per device, or per core."),
    ):
        command = option(command)
    return command


def take_pool(flags: dict[str, Any]) -> Any:
    """The pool of ``flags``, taken out of them; None for the thread that is the default."""
    from vos.errors import SettingsError
    from vos.runs.batch import process_pool

    jobs, devices, isolate = flags.pop("jobs"), flags.pop("devices"), flags.pop("isolate")
    limit, memory = flags.pop("tasks_per_process"), flags.pop("max_memory")
    if jobs is not None and jobs != "auto" and not (jobs.isdigit() and int(jobs) > 0):
        raise SettingsError(f"--jobs {jobs}: give a number of 1 or more, or auto")
    if isolate == "none" and (devices or jobs not in (None, "1")):
        raise SettingsError("--isolate none is for one job without --devices")
    if isolate is None and not devices and jobs in (None, "1"):
        return None
    if isolate == "none":
        return None
    return process_pool(
        0 if jobs == "auto" else int(jobs or (0 if devices else 1)),
        devices=[name.strip() for name in devices.split(",")] if devices else (),
        tasks_per_process=limit,
        max_memory=None if memory is None else round(memory * 1e9),
    )


def manifest_argument(command: Any) -> Any:
    """The manifest. The command gets ``manifest: str``."""
    return click.argument("manifest", metavar="MANIFEST")(command)


def manifest_option(command: Any) -> Any:
    """``--manifest``, for tasks that were never begun. The command gets ``manifest: str | None``."""
    return click.option(
        "--manifest", metavar="FILE", help="The manifest.  [default: the one the batch was started with]"
    )(command)


def open_batch(output: str, manifest: str | None, endpoint_url: str | None) -> tuple[Any, Any]:
    """Store and manifest of a batch; the manifest is None where it is not there any more."""
    from vos.errors import OutputError, SettingsError
    from vos.runs.batch.layout import BATCH, manifest_path, parse_batch
    from vos.runs.batch.manifest import read_manifest
    from vos.runs.batch.store import open_store

    store = open_store(output, endpoint_url=endpoint_url)
    batch = parse_batch(store.read(BATCH))
    if batch is None:
        raise OutputError(f"{output} holds no batch: vos batch run MANIFEST -o {output} begins one")
    if manifest is not None:
        return store, read_manifest(manifest, endpoint_url=endpoint_url)
    path = manifest_path(batch["manifest"]["path"], store.root)
    try:
        found = read_manifest(path, endpoint_url=endpoint_url)
    except SettingsError as error:
        click.echo(f"vos: {error}; only tasks that were begun are counted", err=True)
        return store, None
    if found.digest != batch["manifest"].get("sha256"):
        click.echo(f"vos: {path} has changed since the batch was last run with it", err=True)
    return store, found
