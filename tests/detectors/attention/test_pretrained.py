"""Checkpoints that are whole, of another kind, or damaged."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as tf

from vos.detectors.attention.preprocess import image_to_canvas
from vos.detectors.attention.registry import build_language_model
from vos.errors import ModelError

from ..tiny_blip import build_model
from ..tiny_vlm import tiny_llava, tokenizer


def test_a_blip_folder_comes_back_as_saved(attention_golden, tmp_path: Path):
    """Saved and loaded, the tiny model gives the same maps; half precision stays close."""
    model = build_model(attention_golden.description)
    model.save_pretrained(tmp_path)
    tokenizer([]).save_pretrained(tmp_path)
    encoded = attention_golden.encoded("single")
    pixels = torch.from_numpy(image_to_canvas(attention_golden.image(0), 128)[0])[None]
    maps = []
    for source, precision in ((tmp_path, "float32"), (tmp_path, "float16")):
        matcher = build_language_model("blip", checkpoint=source, canvas=128, precision=precision)
        with torch.no_grad():
            found = matcher.relevance(matcher.encode_images(pixels), encoded, (0, 2)).maps[2]
        assert found.dtype == torch.float32
        maps.append(found)
    stored = attention_golden.arrays("maps_single")["c"][0, 2].reshape(-1, 8, 8)
    np.testing.assert_allclose(maps[0][0], stored, atol=2e-5)
    np.testing.assert_allclose(maps[1][0], stored, atol=5e-2)
    assert not torch.equal(maps[0], maps[1])


def test_a_checkpoint_without_a_matching_head_is_refused(
    attention_golden, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """The library would fill the head with random numbers, print a table, and go on."""
    model = build_model(attention_golden.description)
    del model.itm_head
    model.save_pretrained(tmp_path)
    tokenizer([]).save_pretrained(tmp_path)
    capfd.readouterr()
    with pytest.raises(ModelError, match=r"lacks 2 weights, such as itm_head\.bias"):
        build_language_model("blip", checkpoint=tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_damaged_checkpoint_is_refused(attention_golden, tmp_path: Path):
    """Cut short, it is named with what to do."""
    build_model(attention_golden.description).save_pretrained(tmp_path)
    tokenizer([]).save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="hf download"):
        build_language_model("blip", checkpoint=tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path):
    """It is called that, not a failure to reach the network."""
    with pytest.raises(ModelError, match=r"there is no folder.*hf download"):
        build_language_model("blip", checkpoint=tmp_path / "none")


@pytest.mark.parametrize("name", ["blip", "vlm"])
def test_what_is_missing_in_a_folder(name: str, tmp_path: Path):
    """One line names the file that is not there and what to fetch, and no class of ours or of a library."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "half").mkdir()
    tf.BertModel(tf.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1)).save_pretrained(
        tmp_path / "other"
    )
    (tmp_path / "half" / "config.json").write_text((tmp_path / "other" / "config.json").read_text())
    cases = {
        "empty": "the folder .* holds no model: it has no config.json",
        "half": "the folder .* holds no weights: it has no model.safetensors",
        "other/model.safetensors": "is a file; the model is a folder",
        "other": "is of another kind",
    }
    for place, message in cases.items():
        with pytest.raises(ModelError, match=rf"{message}.*hf download .*--detector-weights DIR") as error:
            build_language_model(name, checkpoint=tmp_path / place)
        assert not re.search(r"\n|Auto|BlipFor|<class", str(error.value))


def test_a_language_model_folder_comes_back_as_saved(tmp_path: Path):
    """A LLaVA saved and loaded through the table looks where it looked before."""
    before = tiny_llava()
    before.model.save_pretrained(tmp_path)
    before.processor.save_pretrained(tmp_path)
    after = build_language_model("vlm", checkpoint=tmp_path, temperature=0)
    image = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    answer = before.processor.tokenizer("two dogs", add_special_tokens=False)["input_ids"]
    torch.testing.assert_close(
        after.attend(image, "what", answer).rows, before.attend(image, "what", answer).rows
    )
