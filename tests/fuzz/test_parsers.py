"""Whatever is in a file, it is read, or refused with an error that says so; nothing hangs."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st
from parsers import PARSERS, coco, fails_well, npy

from vos.errors import EvaluationError, PromptError, VosError
from vos.evaluation.discovery import evaluate_discovery
from vos.prompting.box import parse_box
from vos.prompting.point import parse_point
from vos.video import parse_size

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, of which pytest would keep every one
INPUTS = int(os.environ.get("VOS_FUZZ_INPUTS", "100000"))
"""For every parser, in the slow tests."""
PARTS = 8
"""That the inputs of one parser are in, to be done side by side with ``pytest -n``."""
PATIENCE = 60
"""Seconds after which an input counts as a hang."""
TOKENS = [
    *(b"0", b"-1", b"9" * 400, b"9" * 5000, b"1e400", b"NaN", b"null", b"true", b"[]", b"{}", b'""'),
    *(b"[" * 3000, b'{"a":' * 2000, b"\x00", b"\\u0000", b"\xff" * 8, b"\x80\x00\x00\x00", b"../.."),
    *(b"&a *a", b"!!python/x", b"2001-99-99", b"!!timestamp x", b"? :", b"'", b"\r", b"{'descr': '|O'}"),
    *(b"\xef\xbb\xbf", b"\xff\xfe"),
]


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """A hang fails the test."""

    def hang(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"no answer after {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, hang)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """A seed with a few changes: bits, bytes, pieces removed, doubled, taken from another, tokens."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 8, 30))):
        at, length = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 4, 16))
        match rng.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.randrange(256)
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + 4 * length]
            case 4:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                data[at : at + length] = other[start : start + length]
            case 5:
                data[at : at + rng.choice((0, length))] = rng.choice(TOKENS)
            case 6 if rng.random() < 0.2:
                del data[at:]
    return bytes(data)


def fuzz(name: str, folder: Path, numbers: range) -> None:
    """Parse mutated files; a number and the name of the parser make one."""
    parser = PARSERS[name]
    seeds = parser.seeds()
    for number in numbers:
        data = mutated(random.Random(f"{name} {number}"), seeds)
        signal.alarm(PATIENCE)
        try:
            fails_well(parser, folder / parser.file_name, data)
        except Exception as error:
            raise AssertionError(f"input {number} of {name}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("name", PARSERS)
def test_seeds(name: str, tmp_path: Path) -> None:
    """What the mutations start from is whole."""
    parser = PARSERS[name]
    missing = r"there is no mask file|no annotations|is not there|is not a PNG|it is not a PNG"
    for data in parser.seeds():
        message = fails_well(parser, tmp_path / parser.file_name, data)
        assert message is None or re.search(missing, message), message


@pytest.mark.parametrize("name", PARSERS)
def test_mutated_files(name: str, tmp_path: Path) -> None:
    """A short run of the byte mutator."""
    fuzz(name, tmp_path, range(100))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", PARSERS)
def test_many_mutated_files(name: str, part: int, tmp_path: Path) -> None:
    """A long run of the byte mutator."""
    fuzz(name, tmp_path, range(part, INPUTS, PARTS))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)
keys = st.sampled_from(["id", "frame", "name", "mask", "points", "box"])
targets = st.dictionaries(keys, values, max_size=6)
QUICK = settings(
    max_examples=100,
    database=None,
)
THOROUGH = settings(QUICK, max_examples=max(INPUTS // PARTS, 1))


@QUICK
@given(content=st.lists(targets, max_size=3))
def test_prompt_files(content: list[object], tmp_path: Path) -> None:
    """Any JSON in the place of the targets."""
    text = json.dumps({"version": 1, "targets": content})
    fails_well(PARSERS["prompts"], tmp_path / "p.json", text.encode())


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_many_prompt_files(part: int, tmp_path: Path) -> None:
    """As above, for long."""

    @seed(part)
    @THOROUGH
    @given(content=st.lists(targets, max_size=3))
    def check(content: list[object]) -> None:
        text = json.dumps({"version": 1, "targets": content})
        fails_well(PARSERS["prompts"], tmp_path / "p.json", text.encode())

    check()


segmentations = values | st.fixed_dictionaries(
    {"size": st.just([24, 32]) | values, "counts": st.text("0123456789:;<=>?@KLMNOPo", max_size=9) | values}
)
fields = st.sampled_from(["segmentation", "bbox", "area", "score", "iscrowd", "id", "image_id"])


@QUICK
@given(segmentation=segmentations, field=fields, value=values)
def test_coco_files(segmentation: object, field: str, value: object, tmp_path: Path) -> None:
    """Any JSON in the place of a segmentation and of another field."""
    data = coco(**{"segmentation": segmentation, field: value})
    fails_well(PARSERS["coco"], tmp_path / "c.json", data)


@QUICK
@example(text="1:1e39,2")
@example(text="1:1,1,1e39,9")
@given(text=st.text(max_size=40) | st.from_regex(r"[0-9]{1,3}:[-+.,0-9eE:infa]{0,30}"))
def test_flags(text: str) -> None:
    """Any text as a point, a box or a size: finite, or refused."""
    with contextlib.suppress(VosError):
        (target,) = parse_point(text, 0)
        assert np.isfinite(target.prompt.points).all()
    with contextlib.suppress(VosError):
        (target,) = parse_box(text, 0)
        assert np.isfinite(target.prompt.box).all()
    with contextlib.suppress(VosError):
        assert np.min(parse_size(text)) >= 1


@pytest.mark.parametrize("digits", [400, 5000])
def test_very_long_numbers(digits: int) -> None:
    """A message, and a short one."""
    number = "9" * digits
    for parse in (
        lambda: parse_point(f"1:{number},2", 0),
        lambda: parse_point(f"{number}:1,2", 0),
        lambda: parse_box(f"1:1,1,{number},2", 0),
        lambda: parse_size(f"{number}x{number}"),
    ):
        with pytest.raises(VosError) as caught:
            parse()
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ("014000", "run length"),
        ("", "run lengths sum to 0"),
        ("1:", "run length"),
        ([5, 5], "run lengths sum to 10"),
        ([1 << 70], "run length"),
        (["a"], "whole numbers"),
    ],
)
def test_run_lengths_that_do_not_add_up(tmp_path: Path, counts: object, reason: str) -> None:
    """They are refused before pycocotools, which would not return, sees them."""
    signal.alarm(PATIENCE)
    results, truth = tmp_path / "r.json", tmp_path / "t.json"
    results.write_bytes(coco(segmentation={"size": [24, 32], "counts": counts}))
    truth.write_bytes(coco())
    with pytest.raises(EvaluationError, match=reason):
        evaluate_discovery(results, truth)
    assert evaluate_discovery(truth, truth).ar == 1


@pytest.mark.parametrize(
    "polygon", ["abc", [], [[1, 1, 5]], [[1, 1, 2, 2, 3]], [[1, 1, 1e9, 1, 5, 5]], [1, 2]]
)
def test_polygons_without_an_area(tmp_path: Path, polygon: object) -> None:
    """They are refused, too."""
    results, truth = tmp_path / "r.json", tmp_path / "t.json"
    results.write_bytes(coco(segmentation=polygon))
    truth.write_bytes(coco())
    with pytest.raises(EvaluationError, match=r"annotation 1 of .* cannot be used"):
        evaluate_discovery(results, truth)


def test_a_very_long_name_of_a_mask(tmp_path: Path) -> None:
    """The message is short."""
    content = {"version": 1, "targets": [{"id": 1, "mask": "9" * 5000 + ".png"}]}
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(PromptError, match="there is no mask file") as caught:
        PARSERS["prompts"].parse(tmp_path / "p.json")
    assert len(str(caught.value)) < 400


def test_an_archive_named_npy(tmp_path: Path) -> None:
    """The name of the right function is in the message."""
    np.savez(tmp_path / "m.npz", a=np.ones(3))
    (tmp_path / "m.npz").rename(tmp_path / "m.npy")
    with pytest.raises(PromptError, match=r"numpy\.savez; save one array with numpy\.save"):
        PARSERS["npy"].parse(tmp_path / "m.npy")


def test_a_header_that_claims_too_much(tmp_path: Path) -> None:
    """No memory is asked for what is not in the file."""
    data = npy(np.zeros((24, 32), np.uint8)).replace(b"(24, 32)", b"(9999999, 9999999)")
    (tmp_path / "m.npy").write_bytes(data)
    with pytest.raises(PromptError, match="header"):
        PARSERS["npy"].parse(tmp_path / "m.npy")
