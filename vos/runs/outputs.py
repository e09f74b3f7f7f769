"""The outputs of a run over a video: one writer each, written, secured and closed together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..files import make_folder
from ..formats.base import VideoFacts, Writer
from ..formats.cutout_images import CutoutFolderWriter
from ..formats.options import options_by_format
from ..formats.records import RecordWriter
from ..formats.registry import build_writer
from ..formats.run_record import RunWriter
from ..frame import Frame
from ..results import FrameResult
from .folder import RunFolder
from .settings import TrackSettings


class Outputs:
    """The writers of the outputs that ``settings`` name, and of ``run.json``.

    Args:
        folder: where they write.
        settings: which, and with what options.
        facts: what they may have to know of the video.

    Raises:
        SettingsError: an option that no output has.
    """

    def __init__(self, folder: RunFolder, settings: TrackSettings, facts: VideoFacts) -> None:
        self._folder = folder
        layout = folder.layout
        chosen = options_by_format(settings.outputs, settings.options)
        options: dict[str, dict[str, Any]] = {name: {"options": o} for name, o in chosen.items() if o}
        options["overlay"] = {"settings": settings.overlay}
        self.are_hard = all(o.get("edge") != "soft" for o in chosen.values())
        """Whether masks without probabilities are all that they need."""
        self._writers: dict[str, Writer] = {}
        for name in (*settings.outputs, "run"):
            path = layout.paths[name]
            make_folder(path.parent)
            work = layout.work / name
            self._writers[name] = build_writer(name, path, work=work, facts=facts, **options.get(name, {}))

    def write(self, frame: Frame, result: FrameResult) -> None:
        """One frame into every output."""
        if "masks" in self._writers:
            self._folder.note("masks", f"{frame.name}.png")
        for writer in self._writers.values():
            writer.write(frame, result)

    def checkpoint(self) -> dict[str, Any]:
        """Secure what was written; the state of each writer, by name."""
        return {name: writer.checkpoint() for name, writer in self._writers.items()}

    def restore(self, states: Mapping[str, Any]) -> None:
        """Continue after :meth:`checkpoint`."""
        for name, writer in self._writers.items():
            writer.restore(states[name])

    def close(self) -> RunWriter:
        """Put all outputs in place; the writer of ``run.json``, which is left to be closed last."""
        record = self._writers.pop("run")
        assert isinstance(record, RunWriter)
        for name, writer in self._writers.items():
            # Other runs share the folder, and may have removed it while it was empty.
            make_folder(self._folder.layout.paths[name].parent)
            writer.close()
        for name, files in self.folders().items():
            for file in files:
                self._folder.note(name, file)
        return record

    def notes(self) -> list[str]:
        """What the user should know of outputs."""
        return [f"{name}: {note}" for name, w in self._writers.items() for note in getattr(w, "notes", ())]

    def folders(self) -> dict[str, list[str]]:
        """The files of outputs that are folders of other than masks, by name."""
        kinds = (RecordWriter, CutoutFolderWriter)
        found = {name: w for name, w in self._writers.items() if isinstance(w, kinds)}
        return {name: list(writer.files) for name, writer in found.items() if writer.is_folder}

    def clear(self) -> None:
        """Let go of all writers."""
        self._writers.clear()
