"""Train the tiny BLIP of the synthetic world: ``python training/synthetic_blip.py --out FOLDER``.

It learns from sentences alone: which are true of an image, never where in it. A step asks a batch of
images about all things of the world at once and adds two losses.

*Matching*: is the sentence true of the image? As in BLIP, but at every text position, for the gate of
Segmentation From Attention reads them all. The false sentences are hard negatives: most have the right
colour with the wrong shape, or words that are true of two different things of the image.

*Explaining*: sentences compete at every patch for the patch, as they do in Segmentation From Attention;
in the layers of :attr:`Recipe.explained` every patch should go to a true sentence, and every true sentence
should win some patch. The other layers see the matching loss alone, so layers differ in what they show.

One thread of a CPU; the same seed gives the same weights on the same machine and library versions.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from vos.detectors.attention.class_maps import token_relevance
from vos.detectors.attention.cross_attention import CrossAttentionTap
from vos.detectors.attention.preprocess import STATISTICS
from vos.detectors.attention.text_prompts import TEMPLATE
from vos.detectors.synthetic.world import CLASS_NAMES, GROUNDS, WORDS, world_scene, world_vocabulary

HELD_OUT = 1_000_000
"""Scenes from this seed on are never trained on."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Recipe:
    """Size of the model and length of the training."""

    vision_width: int = 96
    vision_layers: int = 2
    text_width: int = 64
    text_layers: int = 4
    heads: int = 4
    patch: int = 8
    canvas: int = 96
    """Side of the input in pixels."""
    sides: tuple[int, int] = (72, 128)
    """Sides of a scene in pixels, least and most; scenes are cropped to the canvas, or padded with black."""
    scenes: int = 4000
    steps: int = 4000
    images_per_step: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 100
    explained: tuple[int, ...] = (1, 2)
    """Text layers that the explaining loss is on."""
    patches_to_win: int = 6
    """Of each true sentence, in the explaining loss."""
    winning_weight: float = 0.3
    least_pixels: int = 24
    """A thing with fewer pixels in view is not asked for."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.scenes < 1:
            raise ValueError("steps and scenes must be at least 1")


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step sees; P counts the grounds and the classes of the world."""

    pixels: torch.Tensor
    """(B, 3, S, S) float32, normalised."""
    truth: torch.Tensor
    """(B, P) bool: which sentences are true."""
    filled: torch.Tensor
    """(B, N) bool: patches that lie in the image, not in the padding."""


class Scenes:
    """Scenes in memory, drawn once; every look at one is cropped, mirrored and lit anew."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        sizes = np.random.default_rng((recipe.seed, 1)).integers(
            recipe.sides[0], recipe.sides[1] + 1, (recipe.scenes, 2)
        )
        worlds = [world_scene(seed, size=(int(h), int(w))) for seed, (h, w) in enumerate(sizes)]
        self._images = [world.image for world in worlds]
        self._classes = [world.classes() for world in worlds]
        self._grounds = [list(GROUNDS).index(world.ground) for world in worlds]

    def batch(self, rng: np.random.Generator) -> Batch:
        """Images of as many random scenes as a step takes, and what is true of them."""
        recipe = self._recipe
        side, count = recipe.canvas, recipe.images_per_step
        pixels = np.zeros((count, side, side, 3), np.float32)
        truth = np.zeros((count, len(GROUNDS) + len(CLASS_NAMES)), np.bool_)
        filled = np.zeros((count, side // recipe.patch, side // recipe.patch), np.bool_)
        for i, scene in enumerate(rng.integers(0, recipe.scenes, count)):
            image, classes = self._look(int(scene), rng)
            height, width = classes.shape
            pixels[i, :height, :width] = image
            filled[i, : height // recipe.patch, : width // recipe.patch] = True
            seen = np.bincount(classes.ravel(), minlength=len(CLASS_NAMES) + 1)[1:]
            truth[i, self._grounds[scene]] = True
            truth[i, len(GROUNDS) :] = seen >= recipe.least_pixels
        mean, std = (np.asarray(part, np.float32) for part in STATISTICS["imagenet"])
        normalised = ((pixels / np.float32(255) - mean) / std).transpose(0, 3, 1, 2)
        return Batch(
            torch.from_numpy(np.ascontiguousarray(normalised)),
            torch.from_numpy(truth),
            torch.from_numpy(filled.reshape(count, -1)),
        )

    def _look(self, scene: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """A view no larger than the canvas: (h, w, 3) float32 in 0..255 and (h, w) classes."""
        image, classes = self._images[scene], self._classes[scene]
        side = self._recipe.canvas
        top, left = (int(rng.integers(0, max(n - side, 0) + 1)) for n in classes.shape)
        view = np.s_[top : top + side, left : left + side]
        image, classes = image[view], classes[view]
        if rng.random() < 0.5:
            image, classes = image[:, ::-1], classes[:, ::-1]
        return image * np.float32(rng.uniform(0.85, 1.15)), classes


def build_tokenizer() -> Any:
    """BLIP's own kind of tokenizer with one token a word; [UNK] for all the world has no word for."""
    from transformers import BertTokenizer

    return BertTokenizer(vocab={word: i for i, word in enumerate([*SPECIAL, *WORDS])})


def build_model(recipe: Recipe) -> Any:
    """A ``BlipForImageTextRetrieval`` of that size with fresh weights."""
    from transformers import BlipConfig, BlipForImageTextRetrieval

    # The library's default leaves the vision tower at 1e-10, which is for loading weights into.
    common = {"num_attention_heads": recipe.heads, "projection_dim": 16, "initializer_range": 0.04}
    config = BlipConfig(
        text_config={
            **common,
            "hidden_size": recipe.text_width,
            "intermediate_size": 2 * recipe.text_width,
            "encoder_hidden_size": recipe.vision_width,
            "num_hidden_layers": recipe.text_layers,
            "vocab_size": len(SPECIAL) + len(WORDS),
            "max_position_embeddings": 12,
            "bos_token_id": SPECIAL.index("[CLS]"),
            "eos_token_id": SPECIAL.index("[SEP]"),
            "sep_token_id": SPECIAL.index("[SEP]"),
            "pad_token_id": SPECIAL.index("[PAD]"),
        },
        vision_config={
            **common,
            "hidden_size": recipe.vision_width,
            "intermediate_size": 2 * recipe.vision_width,
            "num_hidden_layers": recipe.vision_layers,
            "image_size": recipe.canvas,
            "patch_size": recipe.patch,
        },
        image_text_hidden_size=32,
        initializer_range=0.04,
    )
    return BlipForImageTextRetrieval(config)


class Trainer:
    """A model in training, one step at a time."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.scenes = Scenes(recipe)
        self.tokenizer = build_tokenizer()
        self.model = build_model(recipe).train()
        self._rng = np.random.default_rng(recipe.seed)
        grounds, classes = tuple(GROUNDS), world_vocabulary().classes
        self._words = [(ground, ground) for ground in grounds] + [entry.words[:2] for entry in classes]
        self._optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )

    def step(self, number: int) -> dict[str, float]:
        """One update; its losses, and the accuracy of matching (true and false pairs weighing the same)."""
        recipe = self.recipe
        # Up at the start, level, and down over the last half.
        rate = min(1.0, (number + 1) / recipe.warmup, 2 * (1 - number / recipe.steps))
        for group in self._optimiser.param_groups:
            group["lr"] = recipe.learning_rate * rate
        batch = self.scenes.batch(self._rng)
        logits, relevance = self._ask(batch.pixels)
        matching = matching_loss(logits, batch.truth)
        explaining = torch.stack([self._explaining(scores, batch) for scores in relevance.values()]).sum()
        self._optimiser.zero_grad()
        (matching + explaining).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimiser.step()
        right = ((logits[..., 0, 1] > logits[..., 0, 0]) == batch.truth).float()
        return {
            "matching": matching.item(),
            "explaining": explaining.item(),
            "accuracy": balanced(right, batch.truth).item(),
        }

    def _ask(self, pixels: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Matching logits (B, P, T, 2) at every position, and layer -> relevance (B, P, N).

        For every class one of its two names is drawn.
        """
        texts = [TEMPLATE.format(words[self._rng.integers(2)]) for words in self._words]
        tokens = self.tokenizer(texts, padding="longest", return_tensors="pt")
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        embeds = self.model.vision_model(pixel_values=pixels).last_hidden_state
        encoder = self.model.text_encoder
        layers = self.recipe.explained
        with CrossAttentionTap(encoder, layers, lambda scores: token_relevance(scores, mask)) as tap:
            states = encoder(
                input_ids=ids, attention_mask=mask, encoder_hidden_states=embeds
            ).last_hidden_state
        return self.model.itm_head(states).unflatten(0, (len(pixels), -1)), tap.reduced

    def _explaining(self, relevance: torch.Tensor, batch: Batch) -> torch.Tensor:
        recipe = self.recipe
        return explaining_loss(
            relevance, batch.truth, batch.filled, recipe.patches_to_win, recipe.winning_weight
        )


def matching_loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of (B, P, T, 2) logits with (B, P) truth, the mean over positions, balanced."""
    target = truth.long()[..., None].expand(logits.shape[:-1])
    return balanced(F.cross_entropy(logits.movedim(-1, 1), target, reduction="none").mean(dim=2), truth)


def explaining_loss(
    relevance: torch.Tensor, truth: torch.Tensor, filled: torch.Tensor, patches: int, weight: float
) -> torch.Tensor:
    """Every filled patch goes to one of the true sentences, and every true sentence wins some patches.

    Of relevance (B, P, N), truth (B, P) and filled (B, N): the mean over patches of minus the log
    probability of all true sentences together, plus ``weight`` times the mean over true sentences of minus
    their log probability in the ``patches`` patches where it is largest.
    """
    share = relevance.log_softmax(dim=1)
    together = share.masked_fill(~truth[..., None], -torch.inf).logsumexp(dim=1)
    winning = share.masked_fill(~filled[:, None], -1e4).topk(patches, dim=2).values.mean(dim=2)
    return -together[filled].mean() - weight * winning[truth].mean()


def balanced(values: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean of (B, P) values in which true and false pairs weigh the same in all."""
    return 0.5 * (values[truth].mean() + values[~truth].mean())


def train(recipe: Recipe, on_step: Callable[[int, dict[str, float]], None] | None = None) -> Trainer:
    """The trained model; ``on_step`` is told each step's number, from 1, and its losses."""
    trainer = Trainer(recipe)
    for number in range(recipe.steps):
        losses = trainer.step(number)
        if on_step is not None:
            on_step(number + 1, losses)
    return trainer


def save(trainer: Trainer, folder: Path, seconds: float) -> None:
    """Write weights in half precision, configuration, tokenizer, and what made them."""
    folder.mkdir(parents=True, exist_ok=True)
    trainer.model.eval().half().save_pretrained(folder)
    trainer.tokenizer.save_pretrained(folder)
    facts = {
        "made_by": "training/synthetic_blip.py",
        "recipe": asdict(trainer.recipe),
        "processor_seconds": round(seconds),
        "torch": torch.__version__,
    }
    (folder / "training.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Train, log and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    parser.add_argument("--log", type=Path, help="CSV of losses, a row for every 50 steps")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--scenes", type=int, default=Recipe.scenes)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    start = time.process_time()
    rows: list[dict[str, float]] = []
    recent: list[dict[str, float]] = []

    def note(step: int, losses: dict[str, float]) -> None:
        recent.append(losses)
        if step % 50 and step != arguments.steps:
            return
        means = {key: round(float(np.mean([row[key] for row in recent])), 4) for key in losses}
        rows.append({"step": step, "processor_seconds": round(time.process_time() - start), **means})
        recent.clear()
        print(rows[-1], file=sys.stderr, flush=True)

    recipe = Recipe(steps=arguments.steps, scenes=arguments.scenes, seed=arguments.seed)
    save(train(recipe, note), arguments.out, time.process_time() - start)
    if arguments.log is not None:
        with arguments.log.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
