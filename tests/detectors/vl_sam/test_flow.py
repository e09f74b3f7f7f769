"""Attention flow: definition, row recursion and stream; golden arrays; what a model's run gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.detectors.vl_sam.attention_capture import LayerStore, capturing
from vos.detectors.vl_sam.attention_flow import (
    FlowStream,
    aggregate_heads,
    column_factors,
    flow_full,
    flow_rows,
    head_weights,
    object_map,
)
from vos.detectors.vl_sam.noun_phrases import parse_objects
from vos.detectors.vl_sam.vlm import VisionLanguageModel
from vos.errors import ModelError, PromptError

from ..tiny_vlm import MODELS, tiny_llava

REGULARISATIONS = ("per_layer", "final", "none")


def causal_attention(layers: int, heads: int, length: int, seed: int = 0) -> torch.Tensor:
    """(L, H, N, N) float64 random causal attention."""
    generator = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(layers, heads, length, length, generator=generator, dtype=torch.float64)
    hidden = torch.ones(length, length).triu(1).bool()
    return scores.masked_fill(hidden, -torch.inf).softmax(dim=-1)


@pytest.mark.parametrize("case", ["a", "b"])
def test_golden_flow(attention_golden, case):
    """Head weights, aggregation, factors, flow under each regularisation and maps, to 1e-12."""
    stored = {
        name.split("/")[1]: torch.from_numpy(np.asarray(value))
        for name, value in attention_golden.arrays("vlsam_flow").items()
        if name.startswith(case)
    }
    close = {"rtol": 1e-12, "atol": 1e-15}
    attention = stored["S"]
    torch.testing.assert_close(head_weights(attention), stored["W"], **close)
    aggregated = aggregate_heads(attention)
    torch.testing.assert_close(aggregated, stored["Sp"], **close)
    torch.testing.assert_close(column_factors(len(stored["col_factor"])), stored["col_factor"], **close)
    torch.testing.assert_close(flow_full(aggregated[:1], "none"), stored["T1_none"], **close)
    torch.testing.assert_close(flow_full(aggregated[:2], "none"), stored["T2_none"], **close)
    start, stop = stored["span"].tolist()
    rows, grid = stored["rows"].tolist(), tuple(stored["grid"].tolist())
    for regularisation in REGULARISATIONS:
        expected = stored[f"T_{regularisation}"]
        torch.testing.assert_close(flow_full(aggregated, regularisation), expected, **close)
        picked = flow_rows(aggregated, rows, regularisation)
        torch.testing.assert_close(picked, expected[rows], **close)
        stream = FlowStream((start, stop), regularisation)
        for layer in aggregated:
            stream.add(layer)
        torch.testing.assert_close(stream.rows(rows), expected[rows, start:stop], **close)
        plain = picked[:, start:stop].mean(dim=0).reshape(grid)
        torch.testing.assert_close(plain, stored[f"map_{regularisation}"], **close)
        stretched = object_map(picked[:, start:stop], grid)
        torch.testing.assert_close(stretched, stored[f"map01_{regularisation}"], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("regularisation", REGULARISATIONS)
@pytest.mark.parametrize(("layers", "length"), [(1, 5), (2, 17), (7, 40)])
def test_fast_flow_equals_the_whole_product(regularisation, layers, length):
    """The recursion's rows and the stream's columns are those of the naive product."""
    aggregated = aggregate_heads(causal_attention(layers, 3, length, seed=layers))
    full = flow_full(aggregated, regularisation)
    torch.testing.assert_close(flow_rows(aggregated, [0, length - 1], regularisation), full[[0, length - 1]])
    stream = FlowStream((1, length - 2), regularisation)
    for layer in aggregated:
        stream.add(layer)
    torch.testing.assert_close(stream.rows(range(length)), full[:, 1 : length - 2])


def test_head_weights_by_hand():
    """A one-hot head weighs 1, a uniform causal head the mean of 1/(i+1)."""
    length = 6
    uniform = torch.ones(length, length).tril() / torch.arange(1, length + 1)[:, None]
    weights = head_weights(torch.stack([torch.eye(length), uniform]))
    assert weights[0].item() == 1
    assert weights[1].item() == pytest.approx(np.mean(1 / np.arange(1, length + 1)))


def test_row_sums_without_regularisation():
    """All rows of T_L have the sum t_l = (1 + w_l)(1 + t_{l-1})."""
    attention = causal_attention(4, 2, 12)
    flow = flow_full(aggregate_heads(attention), "none")
    expected = 0.0
    for weight in head_weights(attention).mean(dim=1).tolist():
        expected = (1 + weight) * (1 + expected)
    torch.testing.assert_close(flow.sum(dim=1), torch.full((12,), expected, dtype=torch.float64))


def test_regularisation_moves_the_collapsed_column():
    """Uniform causal attention, last row: the largest image column is the first without, the last with."""
    length, span = 30, slice(2, 26)
    uniform = torch.ones(length, length, dtype=torch.float64).tril()
    uniform = (uniform / uniform.sum(dim=1, keepdim=True)).expand(5, 1, length, length)
    aggregated = aggregate_heads(uniform)
    for regularisation, place in (("none", 0), ("per_layer", 23), ("final", 23)):
        row = flow_rows(aggregated, [length - 1], regularisation)[0, span]
        assert row.argmax().item() == place


def test_a_constant_map_is_zero():
    """It points nowhere, and is not divided by zero."""
    assert object_map(torch.full((2, 4), 0.3), (2, 2)).tolist() == [[0, 0], [0, 0]]


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """50 rows, 70 columns of noise."""
    return np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)


def forced_run(vlm: VisionLanguageModel, image: np.ndarray, answer: list[int]) -> tuple[torch.Tensor, slice]:
    """(L, H, N, N) attention of the library's own eager implementation, and the image's columns."""
    forced = vlm._append(vlm._inputs(image, "what"), answer)
    vlm.model.set_attn_implementation("eager")
    with torch.no_grad():
        outputs = vlm.model(**forced, output_attentions=True, use_cache=False)
    (start, stop), _ = vlm._image_span(forced)
    return torch.stack([layer[0] for layer in outputs.attentions]), slice(start, stop)


@pytest.mark.parametrize("name", MODELS)
def test_attention_contract(name, image):
    """Every model: rows sum to one, are causal, and their flow is what one capturing pass gives."""
    vlm = MODELS[name]()
    answer = vlm.processor.tokenizer("a red car , two dogs", add_special_tokens=False)["input_ids"]
    found = vlm.attend(image, "what", answer)
    attention, columns = forced_run(vlm, image, answer)
    torch.testing.assert_close(attention.sum(dim=-1), torch.ones(attention.shape[:-1]))
    assert attention.triu(1).abs().max() == 0
    full = flow_full(aggregate_heads(attention).double())
    asked = attention.shape[-1] - len(answer)
    torch.testing.assert_close(found.rows.double(), full[asked:, columns], rtol=1e-5, atol=1e-7)
    assert found.rows.shape == (6, found.grid[0] * found.grid[1])
    assert "".join(found.pieces) == found.text == "a red car , two dogs"
    assert ((found.probabilities > 0) & (found.probabilities < 1)).all()


def test_grids_cover_the_image(image):
    """LLaVA sees a square of fixed size, Qwen-VL keeps the image's proportions."""
    for name, grid in (("llava", (4, 4)), ("qwen2-vl", (3, 4))):
        vlm = MODELS[name]()
        answer = vlm.processor.tokenizer("two dogs", add_special_tokens=False)["input_ids"]
        assert vlm.attend(image, "what", answer).grid == grid


def test_token_probabilities_are_those_of_generation(image):
    """The likeliest word at every position is what greedy generation says."""
    vlm = tiny_llava(temperature=0, max_new_tokens=5)
    special = vlm.processor.tokenizer.all_special_ids
    vlm.model.generation_config.suppress_tokens = special
    answer = vlm.answer(image, "what")
    assert len(answer) == 5
    found = vlm.attend(image, "what", answer)
    forced = vlm._append(vlm._inputs(image, "what"), answer)
    with torch.no_grad():
        logits = vlm.model(**forced).logits[0, -len(answer) - 1 : -1].softmax(dim=-1)
    logits[:, special] = 0
    np.testing.assert_allclose(found.probabilities, logits.amax(dim=-1), rtol=1e-4)


def test_a_name_has_the_rows_of_its_tokens(image):
    """The map of "red car" is the mean of two rows; its probability the mean of two."""
    vlm = tiny_llava()
    answer = vlm.processor.tokenizer("a red car , two dogs", add_special_tokens=False)["input_ids"]
    found = vlm.attend(image, "what", answer)
    car, dog = parse_objects(found.text)
    assert (car.name, dog.name) == ("red car", "dog")
    assert found.name_probability(car) == pytest.approx(float(found.probabilities[1:3].mean()))
    values = found.name_map(car, (50, 70))
    assert values.shape == (50, 70)
    assert values.min() == 0
    assert values.max() == 1
    expected = object_map(found.rows[1:3], found.grid)
    small = values[6::12, 8::17][:4, :4]
    assert np.corrcoef(small.ravel(), expected.numpy().ravel())[0, 1] > 0.9


def test_capturing_puts_the_attention_back(image):
    """After the pass, and after an error in it, the model attends as before; layers arrive in order."""
    vlm = tiny_llava(layers=4)
    forced = vlm._append(vlm._inputs(image, "what"), [7])
    before = vlm._language_model.config._attn_implementation
    store = LayerStore()
    with torch.no_grad(), capturing(vlm._language_model, store):
        vlm.model(**forced, use_cache=False)
    assert vlm._language_model.config._attn_implementation == before
    attention, _ = forced_run(vlm, image, [7])
    torch.testing.assert_close(torch.stack(store.layers), aggregate_heads(attention))
    with pytest.raises(RuntimeError, match="stop"), capturing(vlm._language_model, store):
        raise RuntimeError("stop")
    assert vlm._language_model.config._attn_implementation == "eager"


def test_heads_in_groups_give_the_same(image, monkeypatch):
    """One head at a time or all at once: the same S', and memory is bounded by the group."""
    vlm = tiny_llava()
    answer = vlm.processor.tokenizer("two dogs", add_special_tokens=False)["input_ids"]
    together = vlm.attend(image, "what", answer)
    monkeypatch.setattr("vos.detectors.vl_sam.attention_capture._BLOCK", 1)
    alone = vlm.attend(image, "what", answer)
    torch.testing.assert_close(alone.rows, together.rows)


def test_errors_of_use(image):
    """No answer, too long an answer, and a model that has no image tokens: errors that say so."""
    vlm = tiny_llava()
    with pytest.raises(PromptError, match="empty answer"):
        vlm.attend(image, "what", [])
    with pytest.raises(PromptError, match="limit of the model is 256"):
        vlm.attend(image, "what", [5] * 300)
    with pytest.raises(ModelError, match="LLaVA or Qwen-VL"):
        VisionLanguageModel(vlm._language_model, vlm.processor)
    with pytest.raises(ModelError, match="hf download"):
        VisionLanguageModel.load("/nowhere/at/all")
