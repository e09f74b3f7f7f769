"""What is in a video, without decoding all of it."""

from __future__ import annotations

import os
from dataclasses import replace

from ..errors import MediaError
from .facts import Probe
from .fetch import Fetched, is_address
from .source import find_source


def probe(source: str | os.PathLike[str], *, count: bool = False, allow_url: bool = False) -> Probe:
    """Look at a video file, folder of images, or glob.

    Goes through a file once without decoding it; with ``count``, decodes all of it, or reads all images.

    Args:
        source: as in :func:`vos.open_video`.
        count: count the frames by decoding them.
        allow_url: whether an address may be opened, see :func:`vos.open_video`.

    Raises:
        MediaError: if there is no video, or its first frame cannot be read.
    """
    if is_address(os.fspath(source)):
        fetched = Fetched(os.fspath(source), allowed=allow_url)
        try:
            return replace(probe(fetched.path, count=count), source=fetched.name)
        except MediaError as error:
            raise MediaError(str(error).replace(str(fetched.path), fetched.name)) from error
        finally:
            fetched.close()
    found = find_source(source)
    # Imported here: PyAV takes a while to load, and most users of this package need no facts.
    if found.is_images:
        from .image_facts import probe_images

        return probe_images(found.text, found.paths, check=count)
    from .file_facts import probe_file

    return probe_file(found.text, found.paths[0], count=count)
