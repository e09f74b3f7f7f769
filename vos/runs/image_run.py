"""A run over image files: one that cannot be read costs nothing but itself, and is an error at the end."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError, OutputError, PartialResultError
from ..names import check_name
from ..video.images import decode_image, read_bytes
from .fingerprint import fingerprint_file
from .folder import RunFolder
from .runner import ItemRun

logger = logging.getLogger(__name__)

SHOWN = 3
"""So many failed images are named in an error; ``run.json`` names all."""
RESULT_SUFFIXES = (".png", ".jpg")
"""Of the files that are written for an image."""


class ImageRun(ItemRun):
    """An :class:`~vos.runs.runner.ItemRun` whose items are images.

    What is recorded of an image has its ``sha256``, that of the file.

    Args:
        folder: the claim.
        images: files, whose stems name the results.
        pngs: the output that has a PNG of every image that is done; None where there is no such output.
        **options: of :class:`~vos.runs.runner.Run`.
    """

    def __init__(
        self, folder: RunFolder, images: Sequence[Path], *, pngs: str | None, **options: Any
    ) -> None:
        super().__init__(folder, noun="image", total=len(images), **options)
        self.images = images
        self.pngs = pngs
        self.failed: dict[Path, str] = {}
        """Images that cannot be read -> why."""

    def remaining(self) -> list[Path]:
        """Images without a result, or that have changed since."""
        return [path for path in self.images if not self._is_done(path)]

    def _is_done(self, path: Path) -> bool:
        entry = self.done.get(path.stem)
        if entry is None:
            return False
        with contextlib.suppress(MediaError):
            if fingerprint_file(path)["sha256"] == entry["sha256"] and self._has_png(path):
                return True
        del self.done[path.stem]
        return False

    def _has_png(self, path: Path) -> bool:
        return self.pngs is None or (self.layout.paths[self.pngs] / f"{path.stem}.png").is_file()

    def read(
        self, path: Path, check: Callable[[NDArray[np.uint8], Path], None] | None = None
    ) -> tuple[NDArray[np.uint8], str] | None:
        """(H, W, 3) uint8 RGB and the SHA-256 of the file; None, with a warning, where it cannot be read, or
        where ``check`` raises MediaError."""
        try:
            data = read_bytes(path)
            image = decode_image(data, path)
            if check is not None:
                check(image, path)
            return image, hashlib.sha256(data).hexdigest()
        except MediaError as error:
            self.fail(path, error)
            return None

    def fail(self, path: Path, error: MediaError) -> None:
        """Go on without an image that cannot be used, with a warning."""
        logger.warning("%s; going on with the other images", error)
        self.failed[path] = str(error)
        self._drop_results(path)

    def _drop_results(self, path: Path) -> None:
        """Files of an earlier run, made of what the image was then: ``run.json`` no longer lists them."""
        for place in self.layout.paths.values():
            for suffix in RESULT_SUFFIXES:
                if place.is_dir():
                    (place / f"{path.stem}{suffix}").unlink(missing_ok=True)

    def entries(self) -> list[dict[str, Any]]:
        """What is recorded of the images that are done, in their order.

        Raises:
            MediaError: if none is.
        """
        if not self.done:
            first = next(iter(self.failed.values()))
            more = f"; none of the {len(self.failed)} images can be used" if len(self.failed) > 1 else ""
            raise MediaError(f"{first}{more}")
        return [self.done[path.stem] for path in self.images if path.stem in self.done]

    def failures(self) -> dict[str, str]:
        """For the record: path -> why it could not be read."""
        return {str(path): reason for path, reason in self.failed.items()}

    def raise_failed(self) -> None:
        """Once all others are in their final place, the images that could not be read are an error.

        Raises:
            PartialResultError: if there are any.
        """
        if not self.failed:
            return
        reasons = list(self.failed.values())
        more = f"; and {len(reasons) - SHOWN} more, see run.json" if len(reasons) > SHOWN else ""
        raise PartialResultError(
            f"{len(reasons)} of {len(self.images)} images could not be used: "
            f"{'; '.join(reasons[:SHOWN])}{more}. {self.counted()} done, in {self.folder.final.folder}; "
            "the same command with --resume tries the rest again"
        )


def check_names(images: Sequence[Path]) -> None:
    """The stems of the images can name files, each its own.

    Raises:
        OutputError: if they cannot.
    """
    seen: set[str] = set()
    for path in images:
        check_name(path.stem, "image name", room=len(".png"))
        if path.stem in seen:
            raise OutputError(f"two images are named {path.stem!r}, which names their results; rename one")
        seen.add(path.stem)
