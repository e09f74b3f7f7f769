"""Annotations in ZIP archives, as CVAT, Label Studio and others hand them out; archives may be hostile."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from ..errors import FormatError
from .guessing import guess_format
from .reading import OWN_RECORDS
from .registry import find_format, readers

MOST_BYTES = 8 << 30
"""Of all members together, unpacked."""
MOST_MEMBERS = 1_000_000
MOST_EXPANSION = 100
"""Times that a member may be larger than it is in the archive."""
FREE_BYTES = 1 << 20
"""Members up to this size may expand as they like: text of many zeros does."""
_ANY_JSON = "labelme"
"""What any folder of JSON files is taken for."""
_COPIED = 1 << 20


def is_archive(path: Path) -> bool:
    """Whether the path is a file whose name ends in ``.zip``."""
    return path.suffix.lower() == ".zip" and path.is_file()


def unpack(path: Path) -> tempfile.TemporaryDirectory[str]:
    """The members of an archive in a folder of their own, which lives as long as what is returned.

    Raises:
        ValueError: a member is outside of the folder, a link or encrypted, or too large.
        zipfile.BadZipFile: it is damaged.
    """
    folder = tempfile.TemporaryDirectory(prefix="vos-")
    try:
        extract(path, Path(folder.name), most_bytes=MOST_BYTES, most_members=MOST_MEMBERS)
    except BaseException:
        folder.cleanup()
        raise
    return folder


def extract(path: Path, folder: Path, *, most_bytes: int, most_members: int) -> None:
    """Write the members of an archive below ``folder``.

    Raises:
        ValueError: a member is outside of the folder, a link or encrypted, or there are too many or too much.
        zipfile.BadZipFile: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > most_members:
            raise ValueError(f"it has more than {most_members} members")
        if sum(member.file_size for member in members) > most_bytes:  # no member yields more than it says
            raise ValueError(f"it is larger than {most_bytes >> 30} GiB unpacked")
        for member in members:
            _check(member)
            target = folder.joinpath(*PurePosixPath(member.filename).parts)
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file, _COPIED)


def _check(member: zipfile.ZipInfo) -> None:
    name = member.filename
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name or not parts:
        raise ValueError(f"its member {name!r} leads outside of the folder it is unpacked to")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ValueError(f"its member {name!r} is a link")
    if member.flag_bits & 1:
        raise ValueError(f"its member {name!r} is encrypted")
    allowed = max(FREE_BYTES, MOST_EXPANSION * member.compress_size)
    if member.file_size > allowed:
        raise ValueError(f"its member {name!r} grows from {member.compress_size} to {member.file_size} bytes")


def annotations_in(folder: Path, format: str | None) -> tuple[Path, str]:
    """The file or folder of annotations in an unpacked archive, and its format.

    Args:
        folder: with the members.
        format: where the caller knows it.

    Raises:
        FormatError: there are several, or none.
    """
    entries = [p for p in folder.iterdir() if not p.name.startswith(("__MACOSX", "."))]
    if len(entries) == 1 and entries[0].is_dir():
        return annotations_in(entries[0], format)
    suffixes = {s for name in ([format] if format else readers()) for s in find_format(name).extensions}
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.name not in OWN_RECORDS)
    if format is not None and find_format(format).is_folder:
        return folder, format
    if format is None and (found := _guess(folder)) is not None and (found != _ANY_JSON or len(files) != 1):
        return folder, found
    if len(files) != 1:
        listed = ", ".join(p.relative_to(folder).as_posix() for p in files[:5]) or "none that is known"
        raise FormatError(f"it holds {len(files)} files of annotations ({listed}): unpack it, and give one")
    return files[0], format or guess_format(files[0])


def _guess(folder: Path) -> str | None:
    try:
        return guess_format(folder)
    except FormatError:
        return None
