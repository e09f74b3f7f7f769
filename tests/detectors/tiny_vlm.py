"""Tiny random LLaVA and Qwen-VL models with processors of our own: no download."""

from __future__ import annotations

from typing import Any

import torch

from vos.detectors.vl_sam.vlm import VisionLanguageModel

SENTENCE = ["a", "red", "car", ",", "two", "dogs", "and", "a", "tree", "on", "the", "road", "."]
LLAVA_TEMPLATE = (
    "{% for m in messages %}user {% for c in m['content'] %}{% if c['type'] == 'image' %}<image> "
    "{% else %}{{ c['text'] }} {% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %}"
    "assistant{% endif %}"
)
QWEN_TEMPLATE = LLAVA_TEMPLATE.replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>")


def tokenizer(special: list[str], **options: Any) -> Any:
    """One token a word, and the special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "</s>", *special, "user", "assistant", *dict.fromkeys(SENTENCE), "what"]
    plain = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]", eos_token="</s>", **options
    )
    fast.add_special_tokens({"additional_special_tokens": special})
    return fast


def tiny_llava(layers: int = 3, **options: Any) -> VisionLanguageModel:
    """48 px images, 4x4 patches, a Llama of width 32."""
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    words = tokenizer(["<image>"])
    size = {"height": 48, "width": 48}
    pictures = CLIPImageProcessor(size={"shortest_edge": 48}, crop_size=size)
    processor = LlavaProcessor(
        pictures,
        words,
        patch_size=12,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    )
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=48,
            patch_size=12,
        ),
        text_config=LlamaConfig(
            vocab_size=len(words),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=256,
        ),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    return VisionLanguageModel(LlavaForConditionalGeneration(config), processor, **options)


def tiny_qwen(generation: str = "2", **options: Any) -> VisionLanguageModel:
    """Qwen2-VL or Qwen2.5-VL with 8 px patches merged two by two; 4 heads share 2 keys."""
    import transformers as tf

    words = tokenizer(
        ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"],
    )
    ids = {name: words.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    limits = {"shortest_edge": 16 * 16, "longest_edge": 96 * 96}
    pictures = tf.Qwen2VLImageProcessor(patch_size=8, merge_size=2, temporal_patch_size=1, size=limits)
    videos = tf.Qwen2VLVideoProcessor(patch_size=8, merge_size=2, temporal_patch_size=1)
    older = generation == "2"
    make_processor = tf.Qwen2VLProcessor if older else tf.Qwen2_5_VLProcessor
    processor = make_processor(pictures, words, videos, chat_template=QWEN_TEMPLATE)
    vision = {"depth": 2, "num_heads": 2, "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 1}
    if older:
        vision |= {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    else:
        vision |= {
            "hidden_size": 32,
            "out_hidden_size": 32,
            "intermediate_size": 64,
            "window_size": 32,
            "fullatt_block_indexes": [1],
        }
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
        "bos_token_id": None,
        "eos_token_id": 2,
    }
    torch.manual_seed(0)
    name = "Qwen2VL" if older else "Qwen2_5_VL"
    config = getattr(tf, f"{name}Config")(
        vision_config=vision,
        text_config=text,
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=words.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=words.convert_tokens_to_ids("<|vision_end|>"),
    )
    return VisionLanguageModel(getattr(tf, f"{name}ForConditionalGeneration")(config), processor, **options)


MODELS = {
    "llava": tiny_llava,
    "qwen2-vl": lambda **options: tiny_qwen("2", **options),
    "qwen2.5-vl": lambda **options: tiny_qwen("2.5", **options),
}
