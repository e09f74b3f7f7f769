"""Every format, by name: all that the rest of the program asks of one stands in its entry."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..distribution import NAME as DISTRIBUTION
from ..errors import InputError, SettingsError
from .format import CATEGORIES, CONFIDENCE, FRAMES, IDS, KEPT, MASKS, NAMES, Format

if TYPE_CHECKING:
    from .base import Writer
    from .reading import Annotations, Request

_NO_NAMES = "names, confidence and times"


def _for_viewing(title: str, default_name: str, writer: str, *, names_video: bool = False) -> Format:
    """A format that is for looking at: it is made of the frames, and not read."""
    return Format(title, default_name, writer, names_video=names_video, needs_frames=True)


FORMATS: dict[str, Format] = {
    "masks": Format(
        "index PNGs, one per frame; and the folder of a run",
        "masks",
        "index_png:IndexPngWriter",
        "mask_folder:read_masks",
        (MASKS, IDS, FRAMES),
        "names, confidence and times (they are in run.json)",
        names_video=False,
    ),
    "overlay": _for_viewing(
        "video with the objects tinted, outlined and labelled", "overlay.mp4", "overlay:OverlayWriter"
    ),
    "coco": Format(
        "COCO JSON with run lengths, one annotation per object and frame",
        "annotations.json",
        "coco:CocoWriter",
        "coco_reader:read_coco",
        KEPT,
        names_video=False,
    ),
    "run": Format(
        "the record of a run", "run.json", "run_record:RunWriter", names_video=False, internal=True
    ),
    "davis": Format(
        "DAVIS 2017 folders",
        "davis",
        "davis:DavisWriter",
        "davis:read_davis",
        (MASKS, IDS, FRAMES),
        _NO_NAMES,
    ),
    "davis2016": Format(
        "DAVIS 2016 folders: one foreground, 0 and 255",
        "davis2016",
        "davis:Davis2016Writer",
        "davis:read_davis2016",
        (FRAMES,),
        f"which object is which, {_NO_NAMES}",
    ),
    "youtube-vos": Format(
        "YouTube-VOS folders and meta.json",
        "youtube-vos",
        "youtube_vos:YouTubeVosWriter",
        "youtube_vos:read_youtube_vos",
        (MASKS, IDS, CATEGORIES, FRAMES),
        "names besides the category, confidence and times",
    ),
    "mose": Format(
        "MOSE folders", "mose", "mose:MoseWriter", "mose:read_mose", (MASKS, IDS, FRAMES), _NO_NAMES
    ),
    "lvos": Format(
        "LVOS folders and meta.json (frames from 1)",
        "lvos",
        "lvos:LvosWriter",
        "lvos:read_lvos",
        (MASKS, IDS, FRAMES),
        _NO_NAMES,
    ),
    "sav": Format(
        "SA-V folders: a PNG per object and frame",
        "sav",
        "sav:SavWriter",
        "sav:read_sav",
        (MASKS, IDS),
        f"{_NO_NAMES}, the frames of a video without any object",
    ),
    "object-masks": Format(
        "binary PNGs, a folder per object, as results for SA-V",
        "object-masks",
        "sav:ObjectMasksWriter",
        "sav:read_object_masks",
        (FRAMES,),
        "ids of objects that have names, categories, confidence and times",
        names_video=False,
    ),
    "sav-json": Format(
        "SA-V JSON: masklets as run lengths",
        "sav.json",
        "sav:SavJsonWriter",
        "sav:read_sav_json",
        (MASKS, IDS, FRAMES),
        "names, confidence by frame and times",
    ),
    "coco-video": Format(
        "COCO JSON with videos and tracks",
        "coco-video.json",
        "coco:CocoVideoWriter",
        "coco_reader:read_coco",
        KEPT,
    ),
    "youtube-vis": Format(
        "YouTube-VIS JSON: one annotation per object",
        "youtube-vis.json",
        "youtube_vis:YouTubeVisWriter",
        "youtube_vis:read_youtube_vis",
        (MASKS, IDS, CATEGORIES, FRAMES),
        "names besides the category, confidence by frame and times",
    ),
    "mots-txt": Format(
        "MOTS text, MOTSChallenge or (variant=kitti) KITTI MOTS",
        "mots",
        "mots:MotsTextWriter",
        "mots:read_mots_text",
        (MASKS, IDS, FRAMES),
        "names besides the class, confidence and times; ids above 999 get new numbers",
    ),
    "mots-png": Format(
        "MOTS 16-bit PNGs, MOTSChallenge or (variant=kitti) KITTI MOTS",
        "mots-png",
        "mots:MotsPngWriter",
        "mots:read_mots_png",
        (MASKS, IDS, CATEGORIES, FRAMES),
        "names besides the class, confidence and times; ids above 999 get new numbers",
        names_video=False,
    ),
    "yolo": Format(
        "YOLO segmentation labels and data.yaml",
        "yolo",
        "yolo:YoloWriter",
        "yolo:read_yolo",
        (FRAMES,),
        "ids (kept with track-ids=true); of objects in several pieces the pixels of the bridges, counted",
        needs_size=True,
    ),
    "cvat-video": Format(
        "CVAT for video 1.1",
        "cvat-video.xml",
        "cvat:CvatVideoWriter",
        "cvat:read_cvat",
        (MASKS, IDS, CATEGORIES),
        "names besides the label, confidence, times, frames without an object",
    ),
    "cvat-images": Format(
        "CVAT for images 1.1",
        "cvat-images.xml",
        "cvat:CvatImagesWriter",
        "cvat:read_cvat",
        (MASKS, IDS, CATEGORIES, FRAMES),
        "names besides the label, confidence and times",
    ),
    "label-studio": Format(
        "Label Studio tasks with brush masks",
        "label-studio",
        "label_studio:LabelStudioWriter",
        "label_studio:read_label_studio",
        (MASKS, IDS, NAMES, CATEGORIES, CONFIDENCE, FRAMES),
        "times",
        names_video=False,
    ),
    "label-studio-video": Format(
        "Label Studio video boxes",
        "label-studio-video",
        "label_studio_video:LabelStudioVideoWriter",
        "label_studio_video:read_label_studio_video",
        (),
        "masks: boxes come back as prompts",
        needs_size=True,
    ),
    "labelme": Format(
        "labelme JSON, one per frame",
        "labelme",
        "labelme:LabelMeWriter",
        "labelme:read_labelme",
        (MASKS, IDS, NAMES, CATEGORIES, FRAMES),
        "confidence and times",
        names_video=False,
    ),
    "voc": Format(
        "Pascal VOC folders: masks of classes and objects, boxes",
        "voc",
        "voc:VocWriter",
        "voc:read_voc",
        (MASKS, IDS, CATEGORIES, FRAMES),
        "names besides the class, confidence and times",
    ),
    "datumaro": Format(
        "Datumaro JSON with run lengths",
        "datumaro",
        "datumaro:DatumaroWriter",
        "datumaro:read_datumaro",
        (MASKS, IDS, CATEGORIES, FRAMES),
        "names besides the label, confidence and times",
        names_video=False,
    ),
    "darwin": Format(
        "Darwin (V7) JSON 2.0 with polygons",
        "darwin.json",
        "darwin:DarwinWriter",
        "darwin:read_darwin",
        (MASKS, IDS, CATEGORIES),
        "names besides the class, confidence, times, frames without an object",
    ),
    "csv": Format(
        "table of boxes, areas and centroids",
        "objects.csv",
        "table:CsvWriter",
        "table:read_csv",
        (),
        "masks: boxes come back as prompts",
        needs_size=True,
    ),
    "parquet": Format(
        "table of boxes, areas, centroids and run lengths",
        "objects.parquet",
        "table:ParquetWriter",
        "table:read_parquet",
        (MASKS, IDS, NAMES, CATEGORIES, CONFIDENCE),
        "frames without an object",
        requires=("pyarrow",),
        extra="parquet",
    ),
    "npz": Format("NumPy arrays, one archive", "masks.npz", "npz:NpzWriter", "npz:read_npz", KEPT),
    "webdataset": Format(
        "WebDataset tar shards of index PNGs and JSON",
        "shards",
        "webdataset:WebDatasetWriter",
        "webdataset:read_webdataset",
        KEPT,
    ),
    "rgba-png": _for_viewing(
        "cut-outs: numbered RGBA PNGs", "rgba", "cutout_images:RgbaPngWriter", names_video=True
    ),
    "cutouts": _for_viewing(
        "cut-outs: an RGBA PNG per object and frame, cropped", "cutouts", "cutout_images:CropsWriter"
    ),
    "prores": _for_viewing(
        "cut-outs: ProRes 4444 video with alpha", "alpha.mov", "cutout_videos:ProResWriter"
    ),
    "ffv1": _for_viewing("cut-outs: FFV1 video with alpha, exact", "alpha.mkv", "cutout_videos:Ffv1Writer"),
    "webm": _for_viewing("cut-outs: VP9 video with alpha", "alpha.webm", "cutout_videos:WebmWriter"),
    "qtrle": _for_viewing(
        "cut-outs: QuickTime Animation with alpha, exact",
        "animation.mov",
        "cutout_videos:QuickTimeAnimationWriter",
    ),
    "green": _for_viewing("video of the objects over green", "green.mp4", "cutout_videos:GreenWriter"),
    "blur": _for_viewing(
        "video with all but the objects (or just them) blurred", "blur.mp4", "cutout_videos:BlurWriter"
    ),
    "pixelate": _for_viewing(
        "video with all but the objects (or just them) in blocks",
        "pixelate.mp4",
        "cutout_videos:PixelateWriter",
    ),
    "grey-out": _for_viewing(
        "video with all but the objects (or just them) grey", "grey-out.mp4", "cutout_videos:GreyOutWriter"
    ),
    "exr": Format(
        "Cryptomatte: OpenEXR images in which objects are picked by name",
        "exr",
        "cryptomatte:CryptomatteWriter",
        needs_frames=True,
        requires=("OpenEXR", "mmh3"),
        extra="exr",
    ),
    "matte": _for_viewing("matte: video of the objects' opacity", "matte.mp4", "cutout_videos:MatteWriter"),
    "matte-png": _for_viewing(
        "matte: numbered grey PNGs of the objects' opacity",
        "matte",
        "cutout_images:MattePngWriter",
        names_video=True,
    ),
}
"""Name -> format. To add one, write one file here and add one entry."""


def find_format(name: str, known: Iterable[str] | None = None) -> Format:
    """The format of that name.

    Raises:
        SettingsError: naming the nearest ones, for a name that is not in ``known`` (default: all).
    """
    names = list(FORMATS if known is None else known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(names)}"
        raise SettingsError(f"unknown format {name!r}; {hint}")
    return FORMATS[name]


def writers(*, internal: bool = False) -> list[str]:
    """Names of the formats that are written."""
    return [name for name, f in FORMATS.items() if f.writer and (internal or not f.internal)]


def readers() -> list[str]:
    """Names of the formats that are read."""
    return [name for name, f in FORMATS.items() if f.reader]


def writer_class(name: str) -> type[Writer]:
    """The class that writes that format.

    Raises:
        SettingsError: for a name that is not written.
        InputError: a package it needs is not installed.
    """
    found = find_format(name, writers(internal=True))
    result: type[Writer] = _load(name, found, found.writer)
    return result


def build_writer(name: str, path: Any, **options: Any) -> Writer:
    """The writer of that name, for the file or folder ``path``; options as the classes say.

    Raises:
        SettingsError: for a name that is not written.
        OutputError: if the place cannot be used.
    """
    return writer_class(name)(path, **options)  # type: ignore[call-arg]


def reader_function(name: str) -> Callable[[Path, Request], Annotations]:
    """The function that reads that format.

    Raises:
        SettingsError: for a name that is not read.
        InputError: a package it needs is not installed.
    """
    found = find_format(name, readers())
    result: Callable[[Path, Request], Annotations] = _load(name, found, found.reader)
    return result


def _load(name: str, found: Format, where: str | None) -> Any:
    assert where is not None
    module, attribute = where.split(":")
    try:
        return getattr(import_module(f".{module}", __package__), attribute)
    except ModuleNotFoundError as error:
        if error.name not in found.requires:
            raise
        raise InputError(
            f"format {name} needs {error.name}, which is not installed: "
            f"pip install '{DISTRIBUTION}[{found.extra}]'"
        ) from None
