"""Cut-outs as folders of PNGs: numbered RGBA or matte sequences, and one crop per object and frame."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..files import replacing_folder
from ..frame import Frame
from ..results import FrameResult, object_ids
from .base import Blocks, VideoFacts, Writer
from .cutouts import CutoutOptions, ForegroundOptions, laid_over

COMPRESSION = 3
"""zlib's level: higher ones take several times as long for a few per cent."""


class CutoutFolderWriter(Writer):
    """Base of the cut-outs that are folders: put in place at the end, whole.

    Args:
        path: the folder.
        work: folder for the frames until :meth:`close`; None keeps them (compressed) in memory.
        facts: the sequence's name.
        options: laid over the defaults of :attr:`Options`.

    Raises:
        SettingsError: for an unknown option or a value it cannot have.
    """

    Options: ClassVar[type[CutoutOptions]] = CutoutOptions
    is_folder: ClassVar[bool] = True
    notes: ClassVar[tuple[str, ...]] = ()
    table: ClassVar[str]
    """File of one line per image."""
    columns: ClassVar[str]
    """Its first line."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        work: Path | None = None,
        facts: VideoFacts | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self.options: Any = laid_over(self.Options, options)
        self.facts = facts or VideoFacts()
        self.files: tuple[str, ...] = ()
        """What the folder holds, after :meth:`close`."""
        self._blocks = Blocks(work, ".tar")

    @property
    def count(self) -> int:
        """Number of frames written so far."""
        return self._blocks.count

    def images(self, frame: Frame, result: FrameResult) -> Iterator[tuple[str, bytes, str]]:
        """Path in the folder, content, and line of the table, of every image of a frame."""
        raise NotImplementedError

    def write(self, frame: Frame, segmentation: FrameResult) -> None:
        """Compress the images of one frame."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, data, line in self.images(frame, segmentation):
                info = tarfile.TarInfo(name)
                info.size, info.pax_headers = len(data), {"comment": line}
                archive.addfile(info, io.BytesIO(data))
        self._blocks.append(buffer.getvalue())

    def checkpoint(self) -> dict[str, Any]:
        """Every frame is on disk already."""
        return {"blocks": self._blocks.count}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue after the frames counted in ``state``."""
        self._blocks.count = state["blocks"]

    def close(self) -> None:
        """Fill the folder."""
        with replacing_folder(self.path) as temporary:
            lines = [self.columns]
            for block in self._blocks:
                with tarfile.open(fileobj=io.BytesIO(block)) as archive:
                    for member in archive:
                        file = archive.extractfile(member)
                        assert file is not None
                        target = temporary / member.name
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(file.read())
                        if lines[-1] != member.pax_headers["comment"]:
                            lines.append(member.pax_headers["comment"])
            (temporary / self.table).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
            files = sorted(p for p in temporary.rglob("*") if p.is_file())
            self.files = tuple(p.relative_to(temporary).as_posix() for p in files)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", compress_level=COMPRESSION)
    return buffer.getvalue()


@dataclass(frozen=True)
class SequenceOptions(CutoutOptions):
    """Options of numbered sequences."""

    first: int = 1
    """Number of the first image; film editors count from 1001."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first < 0:
            raise ValueError(f"first must be 0 or more, got {self.first}")


@dataclass(frozen=True)
class RgbaOptions(SequenceOptions, ForegroundOptions):
    """Options of ``rgba-png``."""

    color: str = "cut"
    """``cut``: black where the objects are not; ``keep``: the frame's colours under alpha 0, too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.color not in ("cut", "keep"):
            raise ValueError(f"color must be cut or keep, got {self.color!r}")


class SequenceWriter(CutoutFolderWriter):
    """``<sequence>.0001.png``, ... without gaps, and ``frames.csv`` with the frame of every number."""

    suffix: ClassVar[str] = "png"

    Options: ClassVar[type[CutoutOptions]] = SequenceOptions
    table = "frames.csv"
    columns = "number,frame_index,time"

    def images(self, frame: Frame, result: FrameResult) -> Iterator[tuple[str, bytes, str]]:
        """The one image of a frame."""
        number = self.options.first + self.count
        time = "" if frame.time is None else f"{frame.time:.6f}"
        name = f"{self.facts.sequence}.{number:04d}.{self.suffix}"
        yield name, self.encoded(frame, result), f"{number},{frame.index},{time}"

    def encoded(self, frame: Frame, result: FrameResult) -> bytes:
        """The file of a frame."""
        return _png(self.pixels(frame, self.options.opacity(frame, result)))

    def pixels(self, frame: Frame, alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What the image of a frame shows."""
        raise NotImplementedError


class RgbaPngWriter(SequenceWriter):
    """RGBA PNGs of the objects, straight alpha."""

    Options = RgbaOptions

    def pixels(self, frame: Frame, alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 4) RGBA."""
        if self.options.color == "keep":
            return np.dstack([frame.image, alpha])
        cut: NDArray[np.uint8] = self.options.cut_out(frame, alpha)
        return cut


@dataclass(frozen=True)
class MattePngOptions(SequenceOptions):
    """Options of ``matte-png``."""

    per_object: bool = False
    """A sequence per object, in a folder named by its id, in place of one of their union."""


class MattePngWriter(SequenceWriter):
    """Grey PNGs, 255 inside the objects."""

    Options = MattePngOptions

    def images(self, frame: Frame, result: FrameResult) -> Iterator[tuple[str, bytes, str]]:
        """One, or one per object known at the frame, visible or not."""
        for name, data, line in super().images(frame, result):
            if not self.options.per_object:
                yield name, data, line
                continue
            for object_id in result.ids:
                if self.options.object in (None, object_id):
                    alpha = self.options.opacity(frame, result, object_id)
                    yield f"{object_id}/{name}", _png(alpha), line

    def pixels(self, frame: Frame, alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W) grey."""
        return alpha


@dataclass(frozen=True)
class CropOptions(ForegroundOptions):
    """Options of ``cutouts``."""

    margin: int = 0
    """Pixels around an object's visible box."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.margin < 0:
            raise ValueError(f"margin must be 0 or more, got {self.margin}")


class CropsWriter(CutoutFolderWriter):
    """``<id>/<frame name>.png``: every object cropped to its box; ``cutouts.csv`` says where it was."""

    Options = CropOptions
    table = "cutouts.csv"
    columns = "id,frame_index,file,x,y,width,height"

    def images(self, frame: Frame, result: FrameResult) -> Iterator[tuple[str, bytes, str]]:
        """One per visible object."""
        for object_id in object_ids(result.labels):
            if self.options.object not in (None, object_id):
                continue
            alpha = self.options.opacity(frame, result, object_id)
            rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
            if not len(rows):
                continue
            margin = self.options.margin
            y0, y1 = max(0, rows[0] - margin), min(alpha.shape[0], rows[-1] + 1 + margin)
            x0, x1 = max(0, columns[0] - margin), min(alpha.shape[1], columns[-1] + 1 + margin)
            name = f"{object_id}/{frame.name}.png"
            line = f"{object_id},{frame.index},{name},{x0},{y0},{x1 - x0},{y1 - y0}"
            yield name, _png(self.options.cut_out(frame, alpha)[y0:y1, x0:x1]), line
