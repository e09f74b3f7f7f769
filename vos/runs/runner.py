"""What all runs share: timings, and what is left and said when a run is stopped.

:class:`Run` is the base of them all. :class:`ItemRun` is a run over items that do not depend on each other,
images or single frames: each item that is done is one line of ``items.jsonl`` in the work folder, appended
after its files are written. Whatever stops the run, the lines that are there are true, and a torn last one is
an item to do again.
"""

from __future__ import annotations

import contextlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..errors import InterruptedRunError, MediaError, OutputError, PartialResultError
from ..files import output_error
from .folder import RunFolder
from .summary import Progress
from .work_folder import ITEMS


class Run(ABC):
    """A run in the place that ``folder`` has claimed.

    Args:
        folder: the claim.
        noun: what is counted, in the singular.
        results: the output that a stopped run has complete files of, named in messages.
        parts: names of the timings.
        total: how many there are; None where it is not known, or not said.
        progress: called after every one.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        noun: str,
        results: str,
        parts: Iterable[str],
        total: int | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.folder = folder
        self.layout = folder.layout
        self.noun = noun
        self.results = results
        self.total = total
        self.report = progress or (lambda progress: None)
        self.seconds = dict.fromkeys(parts, 0.0)
        """Wall-clock seconds of each part, over all parts of a stopped run."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many are done."""

    @property
    def has_results(self) -> bool:
        """Whether there is anything to keep when the run is stopped."""
        return self.count > 0

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Inside the block an interruption or a full disk is reported with what is done.

        Raises:
            InterruptedRunError: Ctrl-C or SIGTERM.
            PartialResultError: an error once there are results; before that, the error itself.
        """
        try:
            yield
        except KeyboardInterrupt as error:
            raise InterruptedRunError(f"interrupted: {self.whereabouts()}") from error
        except (OutputError, MediaError) as error:
            if not self.has_results:
                raise
            raise PartialResultError(f"{error}; {self.whereabouts()}") from error
        finally:
            if not self.has_results:
                self.abandon()

    def abandon(self) -> None:
        """Leave the place as if the run had never begun."""
        self.folder.forget()

    def whereabouts(self) -> str:
        """How far the run is, and how to continue it."""
        if not self.has_results:
            left = (
                "nothing is left behind"
                if self.folder.finished is None
                else "the earlier result is as it was"
            )
            return f"no {self.noun} was done, and {left}"
        done = f"{self.counted()} done" + ("" if self.total is None else f" of {self.total}")
        if self.folder.replaces:
            return (
                f"{done}, and the earlier result is as it was; "
                "the same command with --resume in place of --overwrite continues"
            )
        return (
            f"{done}, with complete {self.results} in {self.layout.paths[self.results]}; "
            "the same command with --resume continues"
        )

    def counted(self) -> str:
        """How many are done, with the verb."""
        return f"1 {self.noun} is" if self.count == 1 else f"{self.count} {self.noun}s are"

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the time of the block for ``part``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - start

    def timings(self) -> dict[str, float]:
        """Seconds of each part, rounded."""
        return {name: round(value, 3) for name, value in self.seconds.items()}


class ItemRun(Run):
    """A run over items that do not depend on each other."""

    def __init__(self, folder: RunFolder, **options: Any) -> None:
        super().__init__(folder, **options)
        self.done: dict[str, dict[str, Any]] = {}
        """Name of an item -> what is recorded of it, in the order in which they were done."""
        self._restore()

    @property
    def count(self) -> int:
        """How many items are done."""
        return len(self.done)

    def entries(self) -> list[dict[str, Any]]:
        """What is recorded of the items that are done."""
        return list(self.done.values())

    def add(self, name: str, entry: Mapping[str, Any]) -> None:
        """Record that an item is done; its files are there."""
        self.done[name] = dict(entry)
        line = json.dumps({"name": name, "entry": entry, "seconds": self.seconds})
        path = self.layout.work / ITEMS
        try:
            with path.open("a", encoding="ascii", newline="\n") as file:
                file.write(line + "\n")
        except OSError as error:
            raise output_error(path, error) from error
        self.report(Progress(f"{self.noun}s", len(self.done), self.total))

    def _restore(self) -> None:
        """What earlier processes have done of this run."""
        finished = self.folder.finished
        if finished is not None:
            self.done = {entry["name"]: entry for entry in finished["frames"]}
            self.seconds |= finished["timings"]
        elif not self.folder.resumed:
            return
        path = self.layout.work / ITEMS
        try:
            lines = path.read_text(encoding="ascii").split("\n")
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise OutputError(
                f"cannot continue from {path}: {error}; give --overwrite to start over"
            ) from error
        for line in lines:
            with contextlib.suppress(ValueError):  # torn by a kill
                item = json.loads(line)
                self.done[item["name"]] = item["entry"]
                self.seconds |= item["seconds"]
        if lines[-1]:  # what follows must not be added to a torn line
            with path.open("a", encoding="ascii", newline="\n") as file:
                file.write("\n")
