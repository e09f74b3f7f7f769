"""A tiny BLIP with random weights that has words for the synthetic world and PASCAL's background."""

from __future__ import annotations

from pathlib import Path

import torch

from vos.detectors.attention.text_prompts import general_lexicon
from vos.detectors.synthetic.world import WORDS

CANVAS = 48
"""Side of its input in pixels."""


def save_random_blip(folder: Path) -> Path:
    """4 text layers of width 32, 8 px patches, one token a word."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BlipConfig, BlipForImageTextRetrieval, PreTrainedTokenizerFast

    background = [word for name in general_lexicon().background for word in name.split()]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys([*WORDS, *background])]
    plain = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="[UNK]"))
    plain.normalizer = normalizers.Lowercase()
    plain.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    plain.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=plain, **special).save_pretrained(folder)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "initializer_range": 0.2}
    torch.manual_seed(0)
    config = BlipConfig(
        text_config={
            **size,
            "vocab_size": len(names),
            "encoder_hidden_size": 32,
            "num_hidden_layers": 4,
            "max_position_embeddings": 12,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "sep_token_id": 3,
            "pad_token_id": 0,
        },
        vision_config={**size, "num_hidden_layers": 2, "image_size": CANVAS, "patch_size": 8},
        initializer_range=0.2,
    )
    BlipForImageTextRetrieval(config).save_pretrained(folder)
    return folder
