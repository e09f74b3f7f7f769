"""What mask files of all dialects mean, and why some are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos.errors import PromptError
from vos.formats.index_png import encode_index_png
from vos.prompting.mask import parse_mask, read_masks
from vos.prompting.mask_values import MaskValues
from vos.prompting.parsing import load_prompts
from vos.results import davis_palette

LABELS = np.zeros((6, 8), np.uint8)
LABELS[1:3, 1:4] = 1
LABELS[4:, 5:] = 7


def save(path: Path, values: np.ndarray, mode: str | None = None) -> Path:
    """An image with these values; mode P gets the DAVIS palette."""
    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette(davis_palette().tobytes())
    elif mode is not None:
        image = image.convert(mode)
    image.save(path)
    return path


def masks_in(path: Path) -> dict[int, np.ndarray]:
    """Id -> mask of all targets in a file or folder."""
    return {target.object_id: target.prompt.mask for target in parse_mask(str(path), 3)}


def check(path: Path, expected: np.ndarray) -> None:
    """The file means exactly these labels."""
    found = masks_in(path)
    assert sorted(found) == [int(v) for v in np.unique(expected) if v]
    for number, mask in found.items():
        assert mask.dtype == np.bool_
        assert (mask == (expected == number)).all()


@pytest.mark.parametrize("mode", ["P", "L", "RGB of the palette", "I;16", "RGBA of the palette"])
def test_index_images(tmp_path: Path, mode: str) -> None:
    """Palette indices, grey values and the DAVIS palette's colours are the ids."""
    path = tmp_path / "m.png"
    if mode.endswith("of the palette"):
        Image.fromarray(davis_palette()[LABELS]).convert(mode.split()[0]).save(path)
    elif mode == "I;16":
        save(path, LABELS.astype(np.uint16))
    else:
        save(path, LABELS, mode if mode == "P" else None)
    check(path, LABELS)


def test_frame_index_is_kept(tmp_path: Path) -> None:
    """A mask belongs to the frame that was said."""
    path = save(tmp_path / "m.png", LABELS)
    assert [target.frame_index for target in parse_mask(str(path), 3)] == [3, 3]
    assert [target.frame_index for target in load_prompts(masks=[path], frame=40)] == [40, 40]
    assert [target.frame_index for target in load_prompts(masks=[path])] == [0, 0]


@pytest.mark.parametrize("kind", ["grey 8", "grey 16", "one bit", "RGB white", "palette"])
def test_white_is_object_one(tmp_path: Path, kind: str) -> None:
    """Black and white is one object, id 1."""
    white = (LABELS == 7).astype(np.uint8) * 255
    path = tmp_path / "m.png"
    if kind == "grey 16":
        save(path, white.astype(np.uint16) * 257)
    elif kind == "RGB white":
        Image.fromarray(np.repeat(white[..., None], 3, axis=2)).save(path)
    else:
        save(path, white, {"one bit": "1", "palette": "P"}.get(kind))
    check(path, (LABELS == 7).astype(np.uint8))


WIDE = np.select([LABELS == 7, LABELS == 1], [60000, 300], 0).astype(np.uint16)


@pytest.mark.parametrize("name", ["m.png", "m.npy"])
@pytest.mark.parametrize("others", [{}, {300: 0}, {60000: 0}, {60000: 511}, {300: 3}])
def test_ids_above_254(tmp_path: Path, name: str, others: dict[int, int]) -> None:
    """In 16 bits ids go up to 65534, also one alone whose bits are all set, as 511; 65535 is void."""
    wide = WIDE.copy()
    for old, new in others.items():
        wide[wide == old] = new
    wide[0] = 65535
    path = tmp_path / name
    np.save(path, wide) if path.suffix == ".npy" else save(path, wide)
    wide[0] = 0
    check(path, wide)


def test_a_thin_object_beside_a_high_id_is_no_soft_edge(tmp_path: Path) -> None:
    """Ids of 16 bits are far apart: what is dark beside something bright need not be its rim."""
    wide = np.zeros((20, 20), np.uint16)
    wide[1:15, 5:15], wide[0, 5:15] = 60000, 300
    check(save(tmp_path / "m.png", wide), wide)


@pytest.mark.parametrize(("high", "thin"), [(900, 300), (1000, 500), (60000, 30000), (500, 260)])
def test_a_column_beside_a_high_id_is_no_soft_edge(tmp_path: Path, high: int, thin: int) -> None:
    """It may be an object or a rim, so it is refused; it is never taken for grey."""
    wide = np.zeros((40, 60), np.uint16)
    wide[5:35, 10:40], wide[5:35, 40] = high, thin
    path = save(tmp_path / "m.png", wide)
    with pytest.raises(PromptError, match="--mask-values"):
        read_masks(path)
    assert sorted(read_masks(path, MaskValues.INDEX)) == sorted((high, thin))


@pytest.mark.parametrize("white", [1023, 4095, 16383])
def test_white_of_other_depths_is_told_from_ids_by_a_flag(tmp_path: Path, white: int) -> None:
    """A file of 10, 12 or 14 bits in 16: its white is as likely as an id."""
    path = save(tmp_path / "m.png", np.where(LABELS == 7, white, 0).astype(np.uint16))
    with pytest.raises(PromptError, match=f"value {white} alone.*binary.*index"):
        read_masks(path)
    assert sorted(read_masks(path, MaskValues.INDEX)) == [white]
    assert sorted(read_masks(path, MaskValues.BINARY)) == [1]


def test_masks_of_results_are_prompts(tmp_path: Path) -> None:
    """What is written for ids above 254 can be given again."""
    (tmp_path / "m.png").write_bytes(encode_index_png(WIDE))
    check(tmp_path / "m.png", WIDE)


def test_255_can_be_read_as_void_in_16_bits(tmp_path: Path) -> None:
    """255 beside higher ids is refused, for it may be meant as an object, unless ``index`` is chosen."""
    wide = WIDE.copy()
    wide[0] = 255
    path = save(tmp_path / "m.png", wide)
    with pytest.raises(PromptError, match="--mask-values index reads it as void"):
        read_masks(path)
    assert list(read_masks(path, MaskValues.INDEX)) == [300, 60000]


def test_void_is_background(tmp_path: Path) -> None:
    """255 beside other ids is void and belongs to no object."""
    labels = LABELS.copy()
    labels[0] = 255
    check(save(tmp_path / "m.png", labels, "P"), LABELS)


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("int64", LABELS.astype(np.int64), LABELS),
        ("bool", LABELS == 7, (LABELS == 7).astype(np.uint8)),
        ("stack", np.stack([LABELS == 7, LABELS == 1]), np.select([LABELS == 7, LABELS == 1], [1, 2], 0)),
        ("stack of 0 and 1", np.stack([LABELS == 7]).astype(np.uint8), (LABELS == 7).astype(np.uint8)),
    ],
)
def test_arrays(tmp_path: Path, name: str, array: np.ndarray, expected: np.ndarray) -> None:
    """(H, W) whole numbers or bool, and (N, H, W) bool with ids from 1."""
    np.save(tmp_path / "m.npy", array)
    check(tmp_path / "m.npy", expected)


def test_overlapping_masks_of_a_stack_stay_whole(tmp_path: Path) -> None:
    """Reading does not resolve overlaps: each mask is as it was given."""
    masks = np.ones((2, 4, 4), bool)
    masks[1, :2] = False
    np.save(tmp_path / "m.npy", masks)
    assert (np.stack(list(masks_in(tmp_path / "m.npy").values())) == masks).all()


def test_folder_ids_and_names(tmp_path: Path) -> None:
    """A numeric stem is the id; other stems get the smallest free ids in order and stay as names."""
    for stem in ("2", "zebra", "ant", "004"):
        save(tmp_path / f"{stem}.png", (LABELS == 7).astype(np.uint8) * 255)
    (tmp_path / "notes.txt").write_text("not a mask")
    targets = parse_mask(str(tmp_path), 0)
    assert [(t.object_id, t.name) for t in targets] == [(1, "ant"), (2, None), (3, "zebra"), (4, None)]
    assert all((t.prompt.mask == (LABELS == 7)).all() for t in targets)


def test_folder_image_may_have_any_single_value(tmp_path: Path) -> None:
    """In a folder the file name says who it is, whatever number the pixels have."""
    save(tmp_path / "5.png", np.where(LABELS == 7, 7, 0).astype(np.uint8), "P")
    assert list(masks_in(tmp_path)) == [5]


REFUSED = [
    ("missing.png", None, "there is no mask file"),
    ("m.png", b"", "is not an image"),
    ("m.png", b"hello", "is not an image"),
    ("m.npy", b"hello", "cannot read .* as a NumPy array"),
    ("m.npy", np.full((4, 4), 0.7, np.float32), "float32.*cut probabilities at 0.5"),
    ("m.npy", np.full((4, 4), 65536), "object id 65536 .* out of range; ids are 1 to 65534 without 255"),
    ("m.npy", np.full((4, 4), -1), "object id -1"),
    ("m.npy", np.zeros((4, 4), int), "is empty"),
    ("m.npy", np.zeros((2, 4, 4), bool), "mask 1 of 2 .* is empty"),
    ("m.npy", np.ones((255, 2, 2), bool), "255 masks, but ids of array rows go up to 254"),
    ("m.npy", np.arange(32).reshape(2, 4, 4), r"shape \(2, 4, 4\)"),
    ("m.npy", np.array(["a"]), "a mask is"),
    ("m.npy", np.ones(5, bool), r"shape \(5,\)"),
    ("m.png", np.zeros((4, 4), np.uint8), "is empty: it shows no object"),
    ("m.jpg", np.full((16, 16), 255, np.uint8), "lossy compression.*save the mask as PNG"),
]


@pytest.mark.parametrize(("name", "content", "message"), REFUSED)
def test_refused(tmp_path: Path, name: str, content: object, message: str) -> None:
    """What is no mask is refused with the file, the reason and what to do."""
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray):
        np.save(path, content) if path.suffix == ".npy" else save(path, content)
    with pytest.raises(PromptError, match=message) as caught:
        parse_mask(str(path), 0)
    assert path.name in str(caught.value)


def test_jpeg_under_another_name_is_refused(tmp_path: Path) -> None:
    """The content decides, not the suffix."""
    save(tmp_path / "m.jpg", LABELS)
    (tmp_path / "m.jpg").rename(tmp_path / "m.png")
    with pytest.raises(PromptError, match="JPEG file"):
        parse_mask(str(tmp_path / "m.png"), 0)


def test_truncated_png_is_refused(tmp_path: Path) -> None:
    """A file that was cut off is damaged, not empty."""
    noise = np.random.default_rng(0).integers(0, 3, (64, 64), dtype=np.uint8)
    path = save(tmp_path / "m.png", noise)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(PromptError, match=r"damaged"):
        parse_mask(str(path), 0)


def test_colours_that_stand_for_nothing_are_refused(tmp_path: Path) -> None:
    """A colour picture names one of its strange colours, where it is, and what to do."""
    pixels = davis_palette()[LABELS].copy()
    pixels[2, 5] = (12, 34, 56)
    Image.fromarray(pixels).save(tmp_path / "m.png")
    with pytest.raises(
        PromptError, match=r"1 of its colours.*\(12, 34, 56\) at 5,2; save it as an index PNG"
    ):
        parse_mask(str(tmp_path / "m.png"), 0)


def test_transparency_is_refused(tmp_path: Path) -> None:
    """A cut-out could mean its alpha channel or its colours: neither is guessed."""
    Image.fromarray(np.full((4, 4, 4), 128, np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(PromptError, match="partly transparent"):
        parse_mask(str(tmp_path / "m.png"), 0)


def test_many_ids(tmp_path: Path) -> None:
    """An index image may have many ids."""
    many = np.repeat(np.repeat(np.arange(100, dtype=np.uint8).reshape(10, 10), 5, axis=0), 5, axis=1)
    check(save(tmp_path / "many.png", many), many)


def test_folders_refused(tmp_path: Path) -> None:
    """No images, an image with several objects, two names for one id, masks of frames."""
    with pytest.raises(PromptError, match="no mask images"):
        parse_mask(str(tmp_path), 0)
    save(tmp_path / "dog.png", LABELS)
    with pytest.raises(PromptError, match=r"dog.png shows 2 objects \(1, 7\)"):
        parse_mask(str(tmp_path), 0)
    single = (LABELS == 7).astype(np.uint8) * 255
    save(tmp_path / "dog.png", single)
    save(tmp_path / "01.png", single)
    save(tmp_path / "1.png", single)
    with pytest.raises(PromptError, match="named for object 1"):
        parse_mask(str(tmp_path), 0)
    (tmp_path / "1.png").rename(tmp_path / "00000.png")
    with pytest.raises(PromptError, match=r"00000.png would be object 0.*give one of them"):
        parse_mask(str(tmp_path), 0)
    (tmp_path / "00000.png").rename(tmp_path / "255.png")
    with pytest.raises(PromptError, match="255 is void"):
        parse_mask(str(tmp_path), 0)
    (tmp_path / "255.png").rename(tmp_path / "3000.png")
    assert {target.object_id for target in parse_mask(str(tmp_path), 0)} == {1, 2, 3000}
    for number in range(254):
        (tmp_path / f"x{number}.png").write_bytes(b"")
    with pytest.raises(PromptError, match=r"257 images, but ids that are chosen .* 254"):
        parse_mask(str(tmp_path), 0)


def test_real_davis_masks(davis_root: Path, davis_multi_root: Path) -> None:
    """DAVIS 2016 masks are object 1; those of 2017 keep their ids."""
    folder = davis_root / "Annotations" / "480p" / "cows"
    (cows,) = parse_mask(str(folder / "00000.png"), 0)
    assert cows.object_id == 1
    assert cows.prompt.mask is not None
    assert cows.prompt.mask.shape == (480, 854)
    girls = parse_mask(str(davis_multi_root / "Annotations" / "480p" / "schoolgirls" / "00000.png"), 0)
    assert [girl.object_id for girl in girls] == [1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(PromptError, match="give one of them"):
        parse_mask(str(folder), 0)


@pytest.mark.parametrize("transparency", [0, b"\0\xff\xff"])
def test_a_transparent_first_entry_is_background(tmp_path: Path, transparency: int | bytes) -> None:
    """Whatever its colour, which nobody sees; without transparency a white entry 0 could be anything."""
    labels = np.zeros((20, 24), np.uint8)
    labels[2:9, 3:12], labels[11:18, 3:12] = 1, 2
    image = Image.fromarray(labels)
    image.putpalette([255, 255, 255, 200, 30, 30, 30, 30, 200] + [0, 0, 0] * 253)
    image.save(tmp_path / "clear.png", transparency=transparency)
    check(tmp_path / "clear.png", labels)
    image.save(tmp_path / "white.png")
    with pytest.raises(PromptError, match="entry 0 is not black"):
        masks_in(tmp_path / "white.png")
