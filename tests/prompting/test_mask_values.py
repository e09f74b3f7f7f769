"""Which reading of a mask's values is taken, and which masks are refused because two are likely."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageFilter
from vos_cli.main import cli

from vos.errors import PromptError
from vos.prompting.mask import parse_mask, read_masks
from vos.prompting.mask_values import MaskValues
from vos.prompting.parsing import load_prompts
from vos.results import davis_palette
from vos.testing import scene, write_images

ROWS, COLUMNS = np.mgrid[:120, :160]
DISC = np.hypot(ROWS - 60, COLUMNS - 50) < 12
OTHER = np.hypot(ROWS - 60, COLUMNS - 110) < 10
WHITE = Image.fromarray(DISC.astype(np.uint8) * 255)
BLURRED = WHITE.filter(ImageFilter.GaussianBlur(1.5))
LABELS = DISC.astype(np.uint8) + 2 * OTHER.astype(np.uint8)
Resampling = Image.Resampling


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((a & b).sum() / (a | b).sum())


def resized(image: Image.Image, resample: Image.Resampling) -> Image.Image:
    """The image made smaller and larger again."""
    return image.resize((97, 71), resample).resize(image.size, resample)


def jpeg(image: Image.Image, quality: int, mode: str = "L") -> Image.Image:
    """The image after compression with loss."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    decoded = Image.open(buffer)
    decoded.load()
    return decoded.convert(mode)


def halved() -> Image.Image:
    """A disc with three greys at its rim: too few to be told from ids by their number."""
    large = Image.fromarray(np.hypot(*np.mgrid[-120:120, -160:160]) < 24).convert("L")
    return large.resize((160, 120), Resampling.BOX)


SOFT = {
    "bilinear": resized(WHITE, Resampling.BILINEAR),
    "bicubic": resized(WHITE, Resampling.BICUBIC),
    "lanczos": resized(WHITE, Resampling.LANCZOS),
    "blurred": BLURRED,
    "JPEG once": jpeg(WHITE, 75),
    "JPEG once, in colour": jpeg(WHITE, 40, "RGB"),
    "16 bits": Image.fromarray(np.asarray(BLURRED).astype(np.uint16) * 257),
    "grey palette": BLURRED.quantize(32),
}


@pytest.mark.parametrize("kind", SOFT)
def test_white_with_a_soft_edge_is_one_object(tmp_path: Path, kind: str) -> None:
    """Greys around a white area are its edge: neither ids, nor is the area itself void."""
    SOFT[kind].save(tmp_path / "m.png")
    masks = read_masks(tmp_path / "m.png")
    assert list(masks) == [1]
    assert iou(masks[1], DISC) > 0.9


def test_three_greys_at_the_rim_are_no_objects(tmp_path: Path) -> None:
    """The number of greys does not decide, but that they lie along the white area."""
    image = halved()
    image.save(tmp_path / "m.png")
    values = np.asarray(image)
    assert 3 <= len(np.unique(values)) <= 6
    (mask,) = read_masks(tmp_path / "m.png").values()
    assert (mask == (values > 127)).all()


def palette_image(values: np.ndarray, *colours: tuple[int, int, int]) -> Image.Image:
    """An image with these palette entries."""
    image = Image.fromarray(values.astype(np.uint8))
    image.putpalette([channel for colour in colours for channel in colour])
    return image


def test_black_and_white_palette_with_white_first(tmp_path: Path) -> None:
    """Programs that save PNG-8 number colours as they come: white is the object, whatever its number is."""
    palette_image(~DISC, (255, 255, 255), (0, 0, 0)).save(tmp_path / "m.png")
    (mask,) = read_masks(tmp_path / "m.png").values()
    assert (mask == DISC).all()


DRAWING = Image.fromarray(davis_palette()[LABELS]).filter(ImageFilter.GaussianBlur(0.8))
REFUSED = {
    "entry 0 of the palette is red": palette_image(
        np.where(DISC, 0, np.where(OTHER, 1, 2)), (255, 0, 0), (0, 0, 255), (0, 0, 0)
    ),
    "a soft drawing in 16 colours": DRAWING.quantize(16),
    "a soft drawing dithered": DRAWING.convert("P"),
    "high ids resized": resized(Image.fromarray(LABELS * 60), Resampling.BILINEAR),
    "low ids resized": resized(Image.fromarray(LABELS * 5), Resampling.BILINEAR),
    "no background": Image.fromarray(LABELS + 1),
    "ids 1 and 2 resized": resized(Image.fromarray(LABELS), Resampling.BILINEAR),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_two_likely_readings_are_refused(tmp_path: Path, kind: str) -> None:
    """The message names a flag for each reading, and each flag gives its reading."""
    REFUSED[kind].save(tmp_path / "m.png")
    with pytest.raises(PromptError, match=r"--mask-values soft.*--mask-values binary.*--mask-values index"):
        read_masks(tmp_path / "m.png")
    stored = np.asarray(REFUSED[kind])
    by_index = read_masks(tmp_path / "m.png", MaskValues.INDEX)
    assert sorted(by_index) == sorted(set(np.unique(stored).tolist()) - {0, 255})
    assert all((mask == (stored == number)).all() for number, mask in by_index.items())
    assert list(read_masks(tmp_path / "m.png", MaskValues.BINARY)) == [1]


@pytest.mark.parametrize("greys", [(128, 255), (255, 128), (85, 255)])
def test_white_beside_grey_is_void_or_an_object(tmp_path: Path, greys: tuple[int, int]) -> None:
    """Two objects drawn in grey and white: the white one does not vanish as void."""
    Image.fromarray(np.array([0, *greys], np.uint8)[LABELS]).save(tmp_path / "m.png")
    with pytest.raises(PromptError, match=f"has 255 beside {min(greys)}: it is void .* or one more object"):
        read_masks(tmp_path / "m.png")
    assert list(read_masks(tmp_path / "m.png", MaskValues.INDEX)) == [min(greys)]


@pytest.mark.parametrize(
    ("values", "mode"), [(DISC, "1"), (DISC.astype(np.uint8) * 255, "L"), (DISC * np.uint16(65535), "I;16")]
)
def test_a_tiff_that_stores_white_as_0(tmp_path: Path, values: np.ndarray, mode: str) -> None:
    """Shown and stored pixels are opposites; some write True and False like this. A fax is read as shown."""
    image = Image.fromarray(values)
    assert image.mode == mode
    image.save(tmp_path / "black.tif", tiffinfo={262: 1})
    data = bytearray((tmp_path / "black.tif").read_bytes())
    at = data.index(bytes([6, 1, 3, 0, 1, 0, 0, 0, 1]))  # the tag, a short, one of them: 1
    data[at + 8] = 0
    path = tmp_path / "white.tif"
    path.write_bytes(data)
    inside, outside = int(DISC.sum()), int((~DISC).sum())
    with pytest.raises(
        PromptError, match=f"{outside} px are white as it is shown, and {inside} px are not 0"
    ):
        read_masks(path)
    assert (next(iter(read_masks(path, MaskValues.INDEX).values())) == DISC).all()
    assert (read_masks(path, MaskValues.SOFT)[1] == ~DISC).all()
    if mode == "1":
        image.save(tmp_path / "fax.tif", compression="group4")
        assert (read_masks(tmp_path / "fax.tif")[1] == DISC).all()


def test_channels_of_a_tiff_are_refused(tmp_path: Path) -> None:
    """Pillow reads the first of two and says nothing."""
    image = Image.fromarray(np.stack([DISC, OTHER], axis=-1).astype(np.uint8) * 255, "LA")
    image.save(tmp_path / "m.tif")
    data = (tmp_path / "m.tif").read_bytes()
    at = data.index(bytes([0x52, 1, 3, 0, 1, 0, 0, 0, 2]))  # ExtraSamples: alpha
    (tmp_path / "m.tif").write_bytes(data[: at + 8] + b"\0" + data[at + 9 :])
    with pytest.raises(PromptError, match="holds 2 channels, which may be objects"):
        read_masks(tmp_path / "m.tif")


@pytest.mark.parametrize("value", [-1, 65536, 2**40])
@pytest.mark.parametrize("name", ["m.npy", "m.tif"])
def test_numbers_that_are_no_ids(tmp_path: Path, name: str, value: int) -> None:
    """They are named before anything as large as the number is made."""
    values = np.where(DISC, value, 0)
    if name == "m.npy":
        np.save(tmp_path / name, values)
        np.save(tmp_path / "u.npy", np.where(DISC, np.uint64(2**63 + 5), 0))
        with pytest.raises(PromptError, match="out of range"):
            read_masks(tmp_path / "u.npy")
    elif abs(value) < 2**31:
        Image.fromarray(values.astype(np.int32)).save(tmp_path / name)
    else:
        return
    with pytest.raises(PromptError, match=f"object id {value} in .*{name}: out of range"):
        read_masks(tmp_path / name)


def test_void_is_told_from_white(tmp_path: Path) -> None:
    """255 around low ids is void, as in DAVIS, however large it is."""
    labels = np.where(np.hypot(ROWS - 60, COLUMNS - 50) < 30, 255, 0)
    labels[DISC] = 1
    labels[59:61, 48:50] = 2
    Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "m.png")
    masks = read_masks(tmp_path / "m.png")
    assert {number: int(mask.sum()) for number, mask in masks.items()} == {1: int(DISC.sum()) - 4, 2: 4}


def test_thin_objects_stay_ids(tmp_path: Path) -> None:
    """An object that is one pixel wide, beside another, is no smoothed edge."""
    labels = LABELS.copy()
    labels[:, 80] = 3
    labels[60] = np.where((labels[60] == 0) & (COLUMNS[60] > 50) & (COLUMNS[60] < 110), 4, labels[60])
    Image.fromarray(labels).save(tmp_path / "m.png")
    assert list(read_masks(tmp_path / "m.png")) == [1, 2, 3, 4]


def test_pages_are_refused(tmp_path: Path) -> None:
    """Pages of a TIFF may be objects or frames; the second does not vanish."""
    WHITE.save(
        tmp_path / "m.tif", save_all=True, append_images=[Image.fromarray(OTHER.astype(np.uint8) * 255)]
    )
    with pytest.raises(PromptError, match="2 pages, which may be objects or frames"):
        read_masks(tmp_path / "m.tif")


def test_jpeg_needs_a_flag(tmp_path: Path) -> None:
    """A JPEG is no mask of ids; one object in white is cut out of it where that is asked for."""
    WHITE.save(tmp_path / "m.jpg")
    with pytest.raises(PromptError, match=r"lossy.*--mask-values soft"):
        read_masks(tmp_path / "m.jpg")
    assert iou(read_masks(tmp_path / "m.jpg", MaskValues.SOFT)[1], DISC) > 0.95


ARRAYS = {
    "0/255": DISC.astype(np.uint8) * 255,
    "(H, W, 1)": DISC[..., None],
    "(1, H, W)": DISC[None],
    "(1, H, W) of 0/255": DISC[None].astype(np.uint8) * 255,
    "0.0 and 1.0": DISC.astype(np.float32),
    "soft": np.asarray(BLURRED),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_one_object(tmp_path: Path, kind: str) -> None:
    """An array follows the rules of a grey image; a last axis of length 1 says nothing."""
    np.save(tmp_path / "m.npy", ARRAYS[kind])
    masks = read_masks(tmp_path / "m.npy")
    assert list(masks) == [1]
    assert iou(masks[1], DISC) > 0.95


def test_probabilities_need_a_flag(tmp_path: Path) -> None:
    """Fractions are cut at one half where that is asked for."""
    np.save(tmp_path / "m.npy", DISC * np.float32(0.7) + np.float32(0.1))
    with pytest.raises(PromptError, match="--mask-values soft"):
        read_masks(tmp_path / "m.npy")
    assert (read_masks(tmp_path / "m.npy", MaskValues.SOFT)[1] == DISC).all()


@pytest.mark.parametrize("names", ["{:05d}.png", "{}.png", "frame_{:04d}.png", "masks.npy"])
def test_masks_of_one_object_in_many_frames_are_refused(tmp_path: Path, names: str) -> None:
    """They would become as many objects in one frame."""
    masks = [np.roll(DISC, 2 * step, axis=1) for step in range(6)]
    given = tmp_path / "masks"
    given.mkdir()
    if names.endswith(".npy"):
        given = given / names
        np.save(given, np.stack(masks))
    else:
        for number, mask in enumerate(masks, start=1):
            Image.fromarray(mask.astype(np.uint8) * 255).save(given / names.format(number))
    with pytest.raises(PromptError, match="many frames"):
        parse_mask(str(given), 0)


def test_two_masks_of_one_object_are_refused(tmp_path: Path) -> None:
    """Two that are all but equal; an object may lie on another."""
    for name, second in (
        ("frames", np.roll(DISC, 1, axis=1)),
        ("objects", np.hypot(ROWS - 60, COLUMNS - 50) < 16),
    ):
        (tmp_path / name).mkdir()
        Image.fromarray(DISC).save(tmp_path / name / "1.png")
        Image.fromarray(second).save(tmp_path / name / "2.png")
    with pytest.raises(PromptError, match="one object in many frames"):
        parse_mask(str(tmp_path / "frames"), 0)
    assert len(parse_mask(str(tmp_path / "objects"), 0)) == 2


def test_what_was_understood_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Number of objects, their sizes, and which values they come from."""
    halved().save(tmp_path / "soft.png")
    Image.fromarray(LABELS).save(tmp_path / "ids.png")
    with caplog.at_level(logging.INFO, "vos"):
        size = int(read_masks(tmp_path / "soft.png")[1].sum())
        read_masks(tmp_path / "ids.png")
    sizes = f"{DISC.sum()} px (id 1) and {OTHER.sum()} px (id 2)"
    assert f"soft.png: 1 object, {size} px, from grey values above 127" in caplog.text
    assert f"ids.png: 2 objects, {sizes}, from grey values as ids" in caplog.text


def test_command_line(tmp_path: Path) -> None:
    """What was understood is on stderr, not with --quiet; the flag chooses another reading."""
    clip = scene("crossing", num_frames=2, size=(48, 64), seed=1)
    write_images(clip, tmp_path / "frames")
    values = np.zeros((48, 64), np.uint8)
    values[10:30, 10:30] = 60
    mask = tmp_path / "m.png"
    Image.fromarray(values).save(mask)

    def run(out: str, *more: str) -> str:
        line = ["track", str(tmp_path / "frames"), "-m", str(mask), "-o", str(tmp_path / out), *more]
        result = CliRunner().invoke(cli, line)
        assert result.exit_code == 0, result.output
        return result.stderr

    assert "m.png: 1 object, 400 px (id 60), from grey values as ids" in run("ids")
    assert "m.png: 1 object, 400 px, from all that is not 0" in run("one", "--mask-values", "binary")
    assert "m.png" not in run("quiet", "-q")


def test_unknown_values() -> None:
    """Python callers get the list of readings."""
    with pytest.raises(PromptError, match="'grey' are unknown; choose one of auto, binary, index, soft"):
        load_prompts(points=["1:2,3"], mask_values="grey")


def test_void_in_a_coloured_palette_is_void(tmp_path: Path) -> None:
    """Its entry 255 is no white that a second object was drawn in."""
    values = np.array([0, 100, 60], np.uint8)[LABELS]
    values[:4] = 255
    image = Image.fromarray(values)
    image.putpalette(davis_palette().ravel().tolist())
    image.save(tmp_path / "m.png")
    assert sorted(read_masks(tmp_path / "m.png")) == [60, 100]
