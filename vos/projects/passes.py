"""Passes of a tracker that were run before: a correction runs only what it changes.

Correcting a frame leaves the pass that leads to it from the other end of its interval as it was, unless more
has become known that the tracker is shown first. What a pass found is kept, and the state of the tracker at
its end, so that a pass that begins in the same way is read, or continued. All of it may be deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError
from ..files import make_folder, write_bytes_atomic
from ..ops.rle import pack_mask
from ..runs.state import dump_state, load_state
from ..trackers.intervals import PackedMask, Pass, PassStart, TrackerPasses
from .signals import ColourObserver

if TYPE_CHECKING:
    from .project_file import ProjectVideo

PASSES = Path("cache") / "passes"
"""Their folder in a project."""
LIMIT = 512 * 2**20
"""Bytes of all that is kept; the oldest goes first."""
SUFFIX = ".pass"
CHECKPOINT = 10
"""Frames after which a pass is kept: this many are lost at most where tracking is cancelled or killed."""


class PassCache:
    """The folder of passes.

    Args:
        folder: made when it is first needed.
        engine: the record of the tracker that runs the passes.
    """

    def __init__(self, folder: Path, engine: Mapping[str, Any]) -> None:
        self.folder = folder
        self.engine = engine

    def run(
        self,
        passes: TrackerPasses,
        observer: ColourObserver,
        video: ProjectVideo,
        start: PassStart,
        end: int,
        report: Callable[[int], None] = lambda frame: None,
    ) -> Pass:
        """The results of a pass up to and with frame ``end``; ``observer`` is as if it had seen all of it.

        ``report`` is called with the frames that need not be run, which ``passes`` does not observe.
        """
        path = self.folder / f"{self._key(video, start)}{SUFFIX}"
        wanted = start.frames_to(end)
        kept, rest = Pass(start.ids), wanted
        if (saved := _load(path)) is not None:
            kept.masks = {
                k: {f: PackedMask(*mask) for f, mask in masks.items()} for k, masks in saved["masks"].items()
            }
            observer.load(saved["observer"])
            rest = wanted[len(start.frames_to(saved["end"])) :]
            for frame in wanted[: len(wanted) - len(rest)]:
                report(frame)
            if rest:
                passes.tracker.load(saved["tracker"])
        else:
            passes.begin(start)
        for begin in range(0, len(rest), CHECKPOINT):
            part = rest[begin : begin + CHECKPOINT]
            passes.go_on(part, kept)
            self._save(path, passes, observer, kept, part[-1])
        result = Pass(start.ids)
        for k, masks in kept.masks.items():
            result.masks[k] = {f: mask for f, mask in masks.items() if f in wanted}
        return result

    def _key(self, video: ProjectVideo, start: PassStart) -> str:
        known = [*start.memory, (start.frame, start.targets)]
        masks = [
            (frame, [(t.object_id, t.confidence, _packed(t.prompt.mask)) for t in targets])
            for frame, targets in known
        ]
        parts = [dict(self.engine), dict(video.fingerprint), start.is_forward, start.ids, masks]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _save(
        self, path: Path, passes: TrackerPasses, observer: ColourObserver, kept: Pass, end: int
    ) -> None:
        masks = {k: {f: [m.rle, m.confidence] for f, m in found.items()} for k, found in kept.masks.items()}
        state = {
            "end": end,
            "masks": masks,
            "observer": observer.save(),
            "tracker": passes.tracker.save(),
        }
        with contextlib.suppress(OutputError):  # without it the pass is run again next time, no more
            make_folder(self.folder)
            write_bytes_atomic(path, dump_state(state))
            self._sweep()

    def _sweep(self) -> None:
        """Delete the passes that were not used for longest, until the rest is small enough."""
        with contextlib.suppress(OSError):
            found = [(path.stat(), path) for path in self.folder.glob(f"*{SUFFIX}")]
            total = 0
            for status, path in sorted(found, key=lambda pair: -pair[0].st_mtime_ns):
                total += status.st_size
                if total > LIMIT:
                    path.unlink(missing_ok=True)


def _packed(mask: Any) -> str | None:
    return None if mask is None else pack_mask(mask)


def _load(path: Path) -> dict[str, Any] | None:
    """What was kept; None if there is nothing, or it is damaged."""
    try:
        state: dict[str, Any] = load_state(path.read_bytes())
        os.utime(path)
    except (OSError, ValueError):
        return None
    return state
