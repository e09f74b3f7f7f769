"""What a user's path means: a video file, a folder of images, or a glob of images."""

from __future__ import annotations

import difflib
import glob
import logging
import os
import re
from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import MediaError
from ..notices import NOTICE
from .fetch import is_address, refusal

logger = logging.getLogger(__name__)

IMAGE_KINDS = {
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".png": "png",
    ".bmp": "bmp",
    ".webp": "webp",
    ".tif": "tif",
    ".tiff": "tif",
    ".jpe": "jpg",
    ".jfif": "jpg",
    ".heic": "heic",
    ".heif": "heic",
}
"""Extensions that are read as images; those of one kind may be mixed."""
_VIDEO_EXTENSIONS = frozenset(
    (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv", ".gif")
)
"""Only for hints: a video file is whatever FFmpeg can read."""
_LIKE_IMAGES = frozenset(
    f".{name}"
    for name in (
        *("avif", "jxl", "jp2", "j2k", "gif", "exr", "hdr", "dpx", "tga", "ppm", "pgm", "pnm", "psd"),
        *("dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "raw"),
    )
)
"""Images that are not read, by their extensions: where a folder holds some, a warning says so."""
_SIGNED = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_HINT_DEPTH = 3
_HINT_FOLDERS = 200


@dataclass(frozen=True)
class VideoSource:
    """Files that make up one video."""

    text: str
    """What the user gave."""
    paths: tuple[Path, ...]
    """One video file, or images in natural order."""
    is_images: bool


def find_source(
    source: str | os.PathLike[str], leave_out: Collection[str | os.PathLike[str]] = ()
) -> VideoSource:
    """The files of a video file, a folder of images (such as a DAVIS sequence), one image, or a glob.

    Args:
        source: what the user gave.
        leave_out: files that are not frames although they lie among them, such as the mask of a frame.

    Raises:
        MediaError: if there is nothing there that can be a video, saying what was found instead.
    """
    text = os.fspath(source)
    if not text:  # as of an unset variable of a shell: a path of nothing would be the folder one is in
        raise MediaError("no video is named: the path is empty")
    path = Path(text)
    try:
        if path.is_dir():
            return VideoSource(text, _images_in_folder(path, leave_out), is_images=True)
        if path.is_file():
            is_image = path.suffix.lower() in IMAGE_KINDS
            return VideoSource(text, (path,), is_images=is_image)
        exists = path.exists()
    except OSError as error:  # a folder on the way that may not be entered, a name that is too long
        raise MediaError(f"cannot read {text}: {error.strerror}") from error
    if exists:
        raise MediaError(f"{text} is neither a file nor a folder")
    if is_address(text):
        raise MediaError(refusal(text, allowed=False))
    if glob.has_magic(text):
        return _from_glob(text, leave_out)
    raise MediaError(_missing(text))


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Paths sorted as people count: ``2.jpg`` before ``10.jpg``."""

    def key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
        pieces = re.split(r"([0-9]+)", str(path).casefold())
        return [(0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p) for p in pieces], str(path)

    return sorted(paths, key=key)


def image_files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The image files of ``paths``, and those directly in the folders among them, in order of name.

    Raises:
        MediaError: for a path that is not there, or a folder without images.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            warn_of_lost_images(list(path.iterdir()), str(path))
            inside = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in IMAGE_KINDS)
            if not inside:
                raise MediaError(f"no image in {path}; images end in {', '.join(sorted(IMAGE_KINDS))}")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise MediaError(f"no image at {path}")
    return files


def _images_in_folder(folder: Path, leave_out: Collection[str | os.PathLike[str]]) -> tuple[Path, ...]:
    try:
        with os.scandir(folder) as entries:
            found = [Path(e.path) for e in entries if not e.name.startswith(".")]
        warn_of_lost_images(found, str(folder))
        files = _without([path for path in found if path.is_file()], leave_out, str(folder))
    except OSError as error:
        raise MediaError(f"cannot read folder {folder}: {error.strerror}") from error
    images = [file for file in files if file.suffix.lower() in IMAGE_KINDS]
    if not images:
        raise MediaError(_no_images(folder, files))
    return _checked(images, str(folder), f"{folder}/*{{}}")


def _without(files: list[Path], leave_out: Collection[str | os.PathLike[str]], where: str) -> list[Path]:
    """The files but those to leave out, unless nothing would be left."""
    given = {os.path.realpath(path) for path in leave_out}
    kept = [file for file in files if os.path.realpath(file) not in given]
    if not any(file.suffix.lower() in IMAGE_KINDS for file in kept):
        return files
    for file in files:
        if file not in kept:
            logger.log(
                NOTICE, "%s is a mask and not a frame of %s: it is left out of the frames", file, where
            )
    return kept


def warn_of_lost_images(found: Sequence[Path], where: str) -> None:
    """Say which entries look like frames and are not read: broken links and images of other kinds."""
    broken = [path for path in found if path.is_symlink() and not path.exists()]
    if broken:
        logger.warning("%s holds %d broken link(s), left out, such as %s", where, len(broken), broken[0])
    others = [path for path in found if path.suffix.lower() in _LIKE_IMAGES and path.is_file()]
    if others and any(path.suffix.lower() in IMAGE_KINDS for path in found):
        logger.warning(
            "%s holds images of kinds that are not read, left out: %s; convert them first if they are frames",
            where,
            _kinds(others),
        )


def _from_glob(pattern: str, leave_out: Collection[str | os.PathLike[str]]) -> VideoSource:
    matches = _matches(pattern)
    if "[" in pattern:  # [ ] is a set of characters in a glob, and usual in names of folders
        literal = _matches(pattern.replace("[", "[[]"))
        if matches and literal:
            raise MediaError(
                f"{pattern} can be read two ways: with [ ] as one of the characters in it, it matches "
                f"{matches[0]}; taken by the letter, {literal[0]}. Give the folder instead, or write [[] for "
                "[, and ? for the characters"
            )
        matches = matches or literal
    warn_of_lost_images(matches, pattern)
    files = _without([path for path in matches if path.is_file()], leave_out, pattern)
    images = [path for path in files if path.suffix.lower() in IMAGE_KINDS]
    if not matches:
        hint = (
            "; in a glob [ ] stands for one of the characters in it, and [[] for the bracket itself"
            if "[" in pattern
            else ""
        )
        raise MediaError(f"nothing matches {pattern}{hint}")
    if images and len(images) == len(files):
        return VideoSource(pattern, _checked(images, pattern, "{}"), is_images=True)
    if len(files) == 1:
        return VideoSource(pattern, (files[0],), is_images=False)
    if not files:
        raise MediaError(
            f"{pattern} matches {len(matches)} folders and no file; did you mean {pattern}/*.jpg?"
        )
    raise MediaError(f"{pattern} matches {_kinds(files)}; give one video file, or images of one kind")


def _matches(pattern: str) -> list[Path]:
    return [Path(match) for match in glob.glob(pattern, recursive=True)]


def _checked(images: Sequence[Path], where: str, narrower: str) -> tuple[Path, ...]:
    """The images in order, if they are of one kind and their stems can name the results.

    ``narrower`` is a glob with ``{}`` for the extension, for the hint.
    """
    kinds = {IMAGE_KINDS[image.suffix.lower()] for image in images}
    if len(kinds) > 1:
        usual = Counter(image.suffix for image in images).most_common(1)[0][0]
        hint = f"such as '{narrower.format(usual)}'" if narrower != "{}" else "by its extension"
        raise MediaError(
            f"{where} mixes images of several kinds: {_kinds(images)}; choose one with a glob, {hint}"
        )
    ordered = natural_order(images)
    _refuse_other_order(ordered, where)
    seen: dict[str, Path] = {}
    for image in ordered:
        if image.stem in seen:
            raise MediaError(
                f"{seen[image.stem]} and {image} have the same name {image.stem!r}, "
                "which would name the results of both; rename one, or choose images with a glob"
            )
        seen[image.stem] = image
    return tuple(ordered)


def _refuse_other_order(ordered: Sequence[Path], where: str) -> None:
    """MediaError where all names are numbers with a sign or a fraction, and their values go another way."""
    if not all(_SIGNED.fullmatch(image.stem) for image in ordered):
        return
    by_value = sorted(ordered, key=lambda image: float(image.stem))
    for image, other in zip(ordered, by_value, strict=True):
        if float(image.stem) != float(other.stem):
            raise MediaError(
                f"the names in {where} are numbers, and can be ordered two ways: {other.name} before "
                f"{image.name} by their values, or after it digit by digit; rename them with as many digits "
                "each, such as 00000, 00001"
            )


def _kinds(files: Iterable[Path]) -> str:
    """``3 .jpg, 1 .png``."""
    counts = Counter(file.suffix or "without extension" for file in files)
    return ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))


def _no_images(folder: Path, files: Sequence[Path]) -> str:
    allowed = ", ".join(extension.lstrip(".") for extension in IMAGE_KINDS)
    inner = _sequence_inside(folder)
    if inner is not None:
        return f"folder {folder} holds no images itself; did you mean a sequence inside, such as {inner}?"
    if not files:
        return f"folder {folder} holds no images: it is empty. Images are {allowed}"
    videos = [file for file in natural_order(files) if file.suffix.lower() in _VIDEO_EXTENSIONS]
    hint = f"; did you mean the video {videos[0]}?" if videos else ""
    return f"folder {folder} holds no images, but {_kinds(files)}; images are {allowed}{hint}"


def _sequence_inside(folder: Path) -> Path | None:
    """A folder below that holds images, rather photographs than masks. Looks at a few folders only."""
    found: Path | None = None
    queue = deque([(folder, 0)])
    for _ in range(_HINT_FOLDERS):
        if not queue:
            break
        parent, depth = queue.popleft()
        try:
            children = natural_order(parent.iterdir())
        except OSError:
            continue
        kinds = {IMAGE_KINDS.get(child.suffix.lower()) for child in children}
        if depth and "jpg" in kinds:
            return parent
        if depth and kinds - {None}:
            found = found or parent
        if depth < _HINT_DEPTH:
            queue.extend((c, depth + 1) for c in children if c.is_dir() and not c.name.startswith("."))
    return found


def _missing(text: str) -> str:
    """Message for a path that does not exist."""
    path = Path(text)
    if text.isdecimal():
        return (
            f"there is no file or folder {text}, and cameras are not read: only files, folders and globs of "
            f"images; `vos live camera:{text}` tracks it as it comes, or record to a file first"
        )
    message = f"there is no file or folder {text}"
    if re.search(r"%0?\d*d", path.name):
        pattern = re.sub(r"%0?\d*d", "*", text)
        return f"{message}; for numbered images give the folder, or a glob such as '{pattern}'"
    if not path.parent.is_dir():
        return f"{message}; {path.parent} does not exist either"
    try:
        near = difflib.get_close_matches(path.name, os.listdir(path.parent), n=3)
    except OSError:
        near = []
    return (
        f"{message}; did you mean {' or '.join(str(path.parent / name) for name in near)}?"
        if near
        else message
    )
