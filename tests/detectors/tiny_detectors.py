"""Tiny random Grounding DINO and OWLv2, saved in the layout of the published checkpoints."""

from __future__ import annotations

import string
from pathlib import Path

import torch

WORDS = ("red", "car", "dog", "star", "ball", "cat")


def save_grounding_dino(folder: Path) -> Path:
    """4 px patches, 20 queries, 32 text tokens; BERT's own numbers for its special tokens."""
    import transformers as tf

    vocabulary = [f"[unused{i}]" for i in range(1030)]
    for i, token in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 1012: ".", 1029: "?"}.items():
        vocabulary[i] = token
    vocabulary += WORDS
    tokenizer = tf.BertTokenizerFast(vocab={word: i for i, word in enumerate(vocabulary)}, do_lower_case=True)
    pictures = tf.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    torch.manual_seed(0)
    config = tf.GroundingDinoConfig(
        backbone_config=tf.SwinConfig(
            image_size=64,
            patch_size=4,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            out_indices=[2, 3, 4],
        ),
        text_config=tf.BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=20,
        max_text_len=32,
    )
    tf.GroundingDinoForObjectDetection(config).save_pretrained(folder)
    pictures.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_owlv2(folder: Path) -> Path:
    """64 px images, 4 x 4 patches, 32 text tokens of one letter each."""
    import transformers as tf

    letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    vocabulary = [*letters, "<|startoftext|>", "<|endoftext|>"]
    tokenizer = tf.CLIPTokenizerFast(
        vocab={token: i for i, token in enumerate(vocabulary)}, merges=[], model_max_length=32
    )
    pictures = tf.Owlv2ImageProcessor(size={"height": 64, "width": 64})
    size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = tf.Owlv2Config(
        text_config={
            **size,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 32,
            "bos_token_id": len(vocabulary) - 2,
            "eos_token_id": len(vocabulary) - 1,
            "pad_token_id": len(vocabulary) - 1,
        },
        vision_config={**size, "image_size": 64, "patch_size": 16},
        projection_dim=32,
    )
    tf.Owlv2ForObjectDetection(config).save_pretrained(folder)
    pictures.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_sam3(folder: Path) -> Path:
    """An image model of SAM 3 for 112 px, 8 x 8 patches, 12 queries; 32 text tokens of one letter each."""
    import transformers as tf

    letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    vocabulary = [*letters, "<|startoftext|>", "<|endoftext|>"]
    tokenizer = tf.CLIPTokenizerFast(
        vocab={token: i for i, token in enumerate(vocabulary)}, merges=[], model_max_length=32
    )
    size = {"height": 112, "width": 112}
    pictures = tf.Sam3ImageProcessor(size=size, mask_size={"height": 32, "width": 32})
    part = {"hidden_size": 32, "num_attention_heads": 2}
    layers = part | {"num_layers": 1, "intermediate_size": 32}
    torch.manual_seed(0)
    config = tf.Sam3Config(
        vision_config={
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": 32,
                "intermediate_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "global_attn_indexes": [1],
                "image_size": 112,
                "pretrain_image_size": 56,
                "window_size": 4,
            },
        },
        text_config={
            **part,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 32,
            "projection_dim": 16,
            "bos_token_id": len(vocabulary) - 2,
            "eos_token_id": len(vocabulary) - 1,
            "pad_token_id": len(vocabulary) - 1,
        },
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config=layers | {"num_queries": 12},
        mask_decoder_config=part,
    )
    tf.Sam3Model(config).save_pretrained(folder)
    tf.Sam3Processor(pictures, tokenizer).save_pretrained(folder)
    return folder


SAVED = {"grounding-dino": save_grounding_dino, "owlv2": save_owlv2}
