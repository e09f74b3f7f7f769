"""Manifests: a video per line, as JSON lines or CSV, plain or gzipped.

Lines are read one by one, and of a manifest only ids, weights and the places of its lines are kept.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import hashlib
import io
import json
import operator
import os
import tempfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from ...documents import parse_json
from ...errors import InputError, PromptError, SettingsError, VosError
from ..models import check_tracker_of
from ..settings import TrackSettings
from .remote_store import file_system, refuse_web
from .store import is_url, join
from .task import CHECKS, SETTINGS_FIELDS, Task, parse_task, settings_of, targets_of

LISTS = ("mask", "points", "boxes", "classes", "outputs")
"""Fields that in CSV are separated by ``;``."""
NUMBERS = ("frame", "start", "end", "stride", "weight")
FLAT = (*LISTS, *NUMBERS, "id", "video", "prompts", "size", "model", "recipe")
"""Columns that a CSV manifest can have."""
SHOWN = 20
"""Problems that a message lists."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line."""

    line: int
    message: str


class Manifest:
    """Tasks by id, read from the file when they are asked for. Use :func:`read_manifest` to get one."""

    def __init__(self, path: str, file: IO[bytes]) -> None:
        self.path = path
        self.folder = path.rsplit("/", 1)[0] if is_url(path) else os.path.dirname(os.path.abspath(path))
        """What paths in it are relative to."""
        self._file = file
        self._defaults: dict[str, Any] = {}
        self._offsets = array("Q")
        self._rows: dict[str, int] = {}
        self.weights = array("d")
        """Of every task in the order of the lines; NaN where the line has none."""
        self.digest = ""
        """SHA-256 of its lines."""

    @property
    def ids(self) -> list[str]:
        """All ids in the order of the lines."""
        return list(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._rows

    def __iter__(self) -> Iterator[Task]:
        return (self.task(task_id) for task_id in self._rows)

    def task(self, task_id: str) -> Task:
        """The task with this id.

        Raises:
            KeyError: there is none.
        """
        self._file.seek(self._offsets[self._rows[task_id]])
        line = json.loads(self._file.readline())
        return parse_task({**self._defaults, **line}, f"{self.path}, task {task_id}")

    def weight(self, task_id: str) -> float:
        """The weight in the line, or else the size of the video in bytes; 0 where it is not known."""
        given = self.weights[self._rows[task_id]]
        if given == given:
            return given
        place = join(self.folder, self.task(task_id).video)
        with contextlib.suppress(OSError):
            return float(os.path.getsize(place))
        return 0.0

    def scan(self, on_problem: Callable[[Problem], None]) -> Iterator[tuple[int, Task]]:
        """Read all lines and remember where they are; (line number, task) for every good one."""
        digest = hashlib.sha256()
        folded: dict[str, int] = {}
        self._file.seek(0)
        number, offset, is_first = 0, 0, True
        for raw in iter(self._file.readline, b""):
            number, offset, here = number + 1, offset + len(raw), offset
            digest.update(raw)
            try:
                line = _parse_line(raw, number, self.path)
                if line is None:
                    continue
                if is_first and set(line) == {"defaults"}:
                    self._defaults = _checked_defaults(line["defaults"], f"{self.path}, line {number}")
                    is_first = False
                    continue
                is_first = False
                task = parse_task({**self._defaults, **line}, f"{self.path}, line {number}")
                other = folded.setdefault(task.id.casefold(), number)
                if other != number:
                    raise SettingsError(
                        f"{self.path}, line {number}: the id {task.id!r} is that of line {other} already "
                        "(case does not count): give every line an id of its own"
                    )
            except InputError as error:
                on_problem(Problem(number, str(error)))
                continue
            self._rows[task.id] = len(self._offsets)
            self._offsets.append(here)
            self.weights.append(float("nan") if task.weight is None else task.weight)
            yield number, task
        self.digest = digest.hexdigest()


def read_manifest(path: str | os.PathLike[str], *, endpoint_url: str | None = None) -> Manifest:
    """Read and check every line of a manifest.

    Args:
        path: ``.jsonl`` or ``.csv``, or either with ``.gz``; a path or a URL.
        endpoint_url: server of an object store.

    Raises:
        SettingsError: it cannot be read, has no tasks, or a line is wrong; the message lists the first
            problems with their lines.
    """
    problems: list[Problem] = []
    manifest = open_manifest(path, endpoint_url=endpoint_url)
    for _ in manifest.scan(problems.append):
        pass
    if problems:
        more = f"\nand {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise SettingsError("\n".join(problem.message for problem in problems[:SHOWN]) + more)
    if not len(manifest):
        raise SettingsError(f"{path} has no tasks: it needs at least one line")
    return manifest


def open_manifest(path: str | os.PathLike[str], *, endpoint_url: str | None = None) -> Manifest:
    """The manifest with nothing read yet.

    Raises:
        SettingsError: it cannot be read, or a CSV has an unknown column.
    """
    text = os.fspath(path)
    name = text.removesuffix(".gz")
    try:
        if is_url(text):
            source: IO[bytes] = io.BytesIO(file_system(text, endpoint_url).cat_file(text))
        else:
            source = Path(text).open("rb")  # noqa: SIM115
        with source:
            # A copy: lines are looked up while tasks run, whatever becomes of the file by then.
            lines = _spooled(gzip.GzipFile(fileobj=source) if text.endswith(".gz") else source)
        if name.lower().endswith(".csv"):
            lines = _from_csv(lines, text)
    except (OSError, EOFError, zlib.error) as error:
        raise SettingsError(f"cannot read the manifest {text}: {error}") from error
    return Manifest(text, lines)


def check_manifest(
    path: str | os.PathLike[str],
    settings: TrackSettings,
    *,
    probe: bool = True,
    weigh: Callable[[Task, float], None] | None = None,
) -> tuple[Manifest, list[Problem]]:
    """Check every line, every prompt, and every video, as far as no model is needed for it.

    Args:
        path: the manifest.
        settings: of the command line.
        probe: open every video and prompt file; else only the lines themselves are checked.
        weigh: called with every task that can be probed and its weight, frames times objects.

    Returns:
        The manifest, and all problems in the order of the lines.
    """
    problems: list[Problem] = []
    manifest = open_manifest(path)
    settings_fields = operator.attrgetter(*SETTINGS_FIELDS, "recipe", "options")
    known: dict[str, TrackSettings] = {}  # most lines of a manifest have the same settings
    for number, task in manifest.scan(problems.append):
        try:
            key = repr(settings_fields(task))
            resolved = known.get(key) or known.setdefault(key, _checked_settings(task, settings))
            if probe:
                weight = _probe(task, manifest.folder, resolved)
                if weigh is not None:
                    weigh(task, weight)
        except VosError as error:
            problems.append(Problem(number, f"{path}, line {number}: {error}"))
    if not len(manifest) and not problems:
        problems.append(Problem(1, f"{path} has no tasks: it needs at least one line"))
    problems.sort(key=lambda problem: problem.line)
    return manifest, problems


def _checked_settings(task: Task, base: TrackSettings) -> TrackSettings:
    settings = settings_of(task, base)
    check_tracker_of(settings)
    return settings


def with_weight(task: Task, weight: float) -> str:
    """The line of a task with its weight."""
    line = {name: value for name, value in vars(replace(task, weight=weight)).items() if value is not None}
    return json.dumps({name: value for name, value in line.items() if value not in ((), {})}) + "\n"


def frames_of(task: Task, folder: str, settings: TrackSettings) -> int:
    """The number of frames that a run reads, by the video's packets or images.

    Raises:
        MediaError: the video cannot be read.
    """
    from ...video import probe

    count = probe(join(folder, task.video)).num_frames
    stop = count if settings.end is None else min(settings.end, count)
    return len(range(settings.start, stop, settings.stride))


def _probe(task: Task, folder: str, settings: TrackSettings) -> float:
    from ...video import open_video

    if is_url(join(folder, task.video)):
        refuse_web(join(folder, task.video))
        return 0.0
    with open_video(join(folder, task.video), **settings.reading()) as video:
        targets = targets_of(task, folder, video, settings.start)
    frames = frames_of(task, folder, settings)
    if not task.classes:
        last = settings.start + (frames - 1) * settings.stride
        late = max(target.frame_index for target in targets)  # type: ignore[union-attr]
        if late > last:
            raise PromptError(f"a prompt is for frame {late}, but the last frame is {last}")
    objects = 1 if task.classes else len({target.object_id for target in targets})  # type: ignore[union-attr]
    return float(frames * objects)


def _parse_line(raw: bytes, number: int, path: str) -> dict[str, Any] | None:
    """The object of a line; None for an empty one and a comment."""
    text = raw.removeprefix(codecs.BOM_UTF8).strip()
    if not text or text.startswith(b"#"):
        return None
    try:
        line = parse_json(text.decode())
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}, line {number}: not UTF-8: {error}") from error
    except ValueError as error:
        cut = "" if raw.endswith(b"\n") else "; the file ends in the middle of this line"
        raise SettingsError(f"{path}, line {number}: {error}{cut}") from error
    if not isinstance(line, dict):
        raise SettingsError(f"{path}, line {number}: must be an object, got {line!r:.40}")
    return line


def _checked_defaults(defaults: Any, where: str) -> dict[str, Any]:
    if not isinstance(defaults, dict):
        raise SettingsError(f"{where}: defaults must be an object, got {defaults!r}")
    for name in ("id", "video"):
        if name in defaults:
            raise SettingsError(f"{where}: {name} cannot be a default: every line has its own")
    parse_task({**defaults, "video": "x", **({} if _prompted(defaults) else {"points": ["1:0,0"]})}, where)
    return defaults


def _prompted(line: dict[str, Any]) -> bool:
    return any(name in line for name in ("mask", "points", "boxes", "prompts", "classes"))


def _spooled(source: IO[bytes] | gzip.GzipFile) -> IO[bytes]:
    """A temporary copy that lines can be looked up in."""
    spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the manifest)
    while chunk := source.read(1 << 20):
        spool.write(chunk)
    spool.seek(0)
    return spool


def _from_csv(source: IO[bytes], path: str) -> IO[bytes]:
    """The rows as JSON lines."""
    rows = csv.DictReader(io.TextIOWrapper(source, encoding="utf-8-sig", newline=""))
    try:
        columns = rows.fieldnames or ()
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path}, line 1: {error}") from error
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(
            f"{path}: the column {twice!r} is there twice: give several values in one cell, separated by ;"
        )
    unknown = [name for name in columns if name not in FLAT]
    if unknown:
        nested = [name for name in unknown if name in CHECKS]
        hint = "is for JSON lines only" if nested else f"is not known; known: {', '.join(sorted(FLAT))}"
        raise SettingsError(f"{path}: the column {(nested or unknown)[0]!r} {hint}")
    spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    written = 0
    try:
        for row in rows:
            if None in row or None in row.values():
                raise SettingsError(
                    f"{path}, line {rows.line_num}: the number of cells is not that of the header"
                )
            line = {name: _cell(name, value) for name, value in row.items() if value}
            # On the line that the row ends on, so that messages have its number.
            spool.write(b"\n" * (rows.line_num - 1 - written) + json.dumps(line).encode() + b"\n")
            written = rows.line_num
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path}, line {rows.line_num}: {error}") from error
    spool.seek(0)
    return spool


def _cell(name: str, text: str) -> Any:
    if name in LISTS:
        return [item.strip() for item in text.split(";")]
    if name in NUMBERS:
        with contextlib.suppress(ValueError):
            return float(text) if name == "weight" else int(text)
    return text
