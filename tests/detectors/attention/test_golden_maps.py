"""Scores, maps, gate and unaries against the recorded reference (tolerances of the golden data's README)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vos.detectors.attention.blip import BlipMatcher
from vos.detectors.attention.class_maps import ensemble, prompt_softmax, token_relevance
from vos.detectors.attention.cross_attention import CrossAttentionTap
from vos.detectors.attention.preprocess import image_to_canvas, labels_to_canvas

from ..tiny_blip import Golden

MODES = ("multi", "single")


def scores(
    golden: Golden, matcher: BlipMatcher, mode: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(2, L, P, H, T, K) scores of all layers, (2, P, T, D) states, (2, K, D) image embeddings."""
    encoded = golden.encoded(mode)
    pixels = torch.from_numpy(golden.arrays("maps_multi")["pixel_values"])
    with torch.no_grad():
        embeds = matcher.encode_images(pixels)
        with CrossAttentionTap(matcher.model.text_encoder, golden.all_layers, lambda z: z) as tap:
            states = matcher.model.text_encoder(
                input_ids=encoded.input_ids,
                attention_mask=encoded.attention_mask,
                encoder_hidden_states=embeds,
            ).last_hidden_state
    stacked = torch.stack([tap.reduced[n] for n in golden.all_layers], dim=1)
    return stacked, states.unflatten(0, (2, -1)), embeds


def test_the_tiny_model_has_the_recorded_weights(attention_golden, golden_matcher):
    """Every tensor has the recorded sum and sum of magnitudes, so a difference below is not the model's."""
    recorded = attention_golden.description["checksums_sum_abssum"]
    state = golden_matcher.model.state_dict()
    assert set(recorded) == set(state)
    for name, (total, magnitude) in recorded.items():
        assert state[name].double().sum().item() == pytest.approx(total, abs=1e-9)
        assert state[name].double().abs().sum().item() == pytest.approx(magnitude, abs=1e-9)


def test_network_input_and_padded_labels(attention_golden):
    """Resize, padding and normalisation give the recorded input, the nearest resize the recorded labels."""
    stored = attention_golden.arrays("maps_multi")
    for row, index in enumerate(stored["image_index"]):
        pixels, _ = image_to_canvas(attention_golden.image(index), 128)
        np.testing.assert_allclose(pixels, stored["pixel_values"][row], atol=1e-4)
        np.testing.assert_array_equal(
            labels_to_canvas(attention_golden.labels(index), 128), stored["labels"][row]
        )


def test_hooked_scores_and_matching_logits(attention_golden, golden_matcher):
    """The scores before the softmax, and the matching head at every position, are the reference's."""
    stored = attention_golden.arrays("maps_multi")
    z, states, _ = scores(attention_golden, golden_matcher, "multi")
    np.testing.assert_allclose(z[:, list(attention_golden.layers)], stored["logits"], atol=1e-4)
    with torch.no_grad():
        itm = golden_matcher.model.itm_head(states)
    np.testing.assert_allclose(itm, stored["itm_logits"], atol=2e-5)


@pytest.mark.parametrize("mode", MODES)
def test_maps_of_every_step(attention_golden, golden_matcher, mode):
    """Token sums, softmax over prompts, gate, gated maps, class maps and the ensemble's unary."""
    stored = attention_golden.arrays(f"maps_{mode}")
    encoded = attention_golden.encoded(mode)
    z, _, embeds = scores(attention_golden, golden_matcher, mode)
    relevance = token_relevance(z, encoded.attention_mask)
    np.testing.assert_allclose(relevance, stored["a"], atol=5e-4)
    np.testing.assert_allclose(prompt_softmax(relevance), stored["b"], atol=2e-5)
    with torch.no_grad():
        found = golden_matcher.relevance(embeds, encoded, attention_golden.all_layers)
    np.testing.assert_allclose(found.gate, stored["r"], atol=2e-5)
    gated = torch.stack([found.maps[n] for n in attention_golden.all_layers], dim=1)
    np.testing.assert_allclose(gated.flatten(-2), stored["c"], atol=2e-5)
    classes = found.class_maps(encoded.prompts)
    np.testing.assert_allclose(
        torch.stack([classes[n] for n in attention_golden.all_layers], dim=1), stored["class_maps"], atol=2e-5
    )
    unary = ensemble([classes[n] for n in attention_golden.layers], (128, 128))
    np.testing.assert_allclose(unary[: len(stored["U"])], stored["U"], atol=2e-5)


def test_scores_are_the_librarys_own(attention_golden, golden_matcher):
    """Their softmax is the cross-attention the text encoder itself reports, one image at a time."""
    encoded = attention_golden.encoded("multi")
    z, states, embeds = scores(attention_golden, golden_matcher, "multi")
    for image in range(2):
        with torch.no_grad():
            outputs = golden_matcher.model.text_encoder(
                input_ids=encoded.input_ids,
                attention_mask=encoded.attention_mask,
                encoder_hidden_states=embeds[image : image + 1],
                output_attentions=True,
            )
        np.testing.assert_allclose(states[image], outputs.last_hidden_state, atol=2e-5)
        for layer, probabilities in enumerate(outputs.cross_attentions):
            np.testing.assert_allclose(z[image, layer].softmax(dim=-1), probabilities, atol=1e-5)


def test_images_in_a_batch_get_the_maps_they_get_alone(attention_golden, golden_matcher):
    """Batching changes nothing, and a batch of one needs no special case."""
    encoded = attention_golden.encoded("multi")
    pixels = torch.from_numpy(
        np.stack([image_to_canvas(attention_golden.image(i), 128)[0] for i in range(3)])
    )
    with torch.no_grad():
        embeds = golden_matcher.encode_images(pixels)
        together = golden_matcher.relevance(embeds, encoded, (0, 3))
        for i in range(3):
            alone = golden_matcher.relevance(golden_matcher.encode_images(pixels[i : i + 1]), encoded, (0, 3))
            torch.testing.assert_close(together.gate[i : i + 1], alone.gate, atol=1e-5, rtol=0)
            for layer in (0, 3):
                torch.testing.assert_close(
                    together.maps[layer][i : i + 1], alone.maps[layer], atol=1e-5, rtol=0
                )


def test_prompts_pass_the_first_self_attention_once(attention_golden, golden_matcher):
    """Whatever the number of images, layer 0 sees P sequences; from layer 1 on there are B times P."""
    encoded = attention_golden.encoded("single")
    rows: dict[int, int] = {}
    layers = golden_matcher.model.text_encoder.encoder.layer
    handles = [
        layer.attention.register_forward_pre_hook(lambda m, args, n=n: rows.update({n: len(args[0])}))
        for n, layer in enumerate(layers)
    ]
    embeds = golden_matcher.encode_images(torch.zeros(3, 3, 128, 128))
    with torch.no_grad():
        golden_matcher.relevance(embeds, encoded, (0,))
    for handle in handles:
        handle.remove()
    count = len(encoded.input_ids)
    assert rows == {0: count, 1: 3 * count, 2: 3 * count, 3: 3 * count}


def test_nothing_stays_hooked_and_only_the_layers_in_use_are_kept(attention_golden, golden_matcher):
    """After a pass the model has no hook left, and the tap holds the layers asked for and no other."""
    encoded = attention_golden.encoded("single")
    encoder = golden_matcher.model.text_encoder

    def count_hooks() -> int:
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in encoder.modules())

    before = count_hooks()
    with torch.no_grad():
        embeds = golden_matcher.encode_images(torch.zeros(1, 3, 128, 128))
        with CrossAttentionTap(encoder, (1, 3), lambda z: z.sum()) as tap:
            encoder(
                input_ids=encoded.input_ids,
                attention_mask=encoded.attention_mask,
                encoder_hidden_states=embeds,
            )
    assert set(tap.reduced) == {1, 3}
    assert all(tensor.ndim == 0 for tensor in tap.reduced.values())
    assert count_hooks() == before


def test_prompt_texts_of_the_reference(attention_golden):
    """The sentences of both modes come out of the class list as recorded, background words always all."""
    from vos.detectors.attention.text_prompts import ClassWords, Vocabulary, build_prompts

    first, *rest = json.loads((attention_golden.folder / "inputs/classes.json").read_text())
    vocabulary = Vocabulary(
        (first["name"], *first["related_word"]),
        tuple(ClassWords(entry["name"], tuple(entry.get("related_word", ()))) for entry in rest),
    )
    texts = json.loads((attention_golden.folder / "prompts.json").read_text())
    for mode in MODES:
        prompts = build_prompts(vocabulary, multi=mode == "multi")
        assert list(prompts.texts) == texts[mode]
        assert [list(span) for span in prompts.spans] == attention_golden.arrays(f"maps_{mode}")[
            "spans"
        ].tolist()
