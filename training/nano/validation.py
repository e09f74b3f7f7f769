"""J on videos with masks while a network is trained: all of one size, and side by side on a GPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from vos.backbones.nano.cues import CUES, MASK
from vos.backbones.nano.network import NanoNetwork, read_memory

from .cue_noise import CueNoise, rough_fields

CERTAINTY, STRENGTH = 0.8, 1.2
"""Of the perturbed masks that are refined in validation."""
VALIDATION_SIZE, VALIDATION_FRAMES, VALIDATION_STEP = (256, 448), 11, 4


class Validation:
    """Videos with masks, all resized to one size and scored side by side; none is trained on.

    ``folder`` holds ``<sequence>.mp4`` and ``<sequence>/<frame>.png``, as :mod:`benchmarks.davis` reads.
    """

    def __init__(self, folder: Path, device: str) -> None:
        videos = sorted(folder.glob("*.mp4"))
        with ThreadPoolExecutor() as threads:
            read = list(threads.map(_read_video, videos))
        self.frames = torch.from_numpy(np.stack([frames for frames, _ in read])).to(device)
        self.frames = self.frames.permute(0, 1, 4, 2, 3)
        self.masks = torch.from_numpy(np.stack([masks for _, masks in read])).float().to(device)
        with torch.random.fork_rng(devices=[] if device == "cpu" else [0]):
            torch.manual_seed(0)
            rough = []
            for masks in self.masks:
                size = masks.sum(dim=(1, 2)).clamp_min(16).sqrt()
                rough.append(rough_fields(masks, size, torch.full_like(size, STRENGTH), CueNoise()))
        self.fields = torch.stack(rough)

    @torch.no_grad()
    def score(self, network: NanoNetwork, chunk: int = 10) -> dict[str, float]:
        """Mean J in percent: alone, and of rough masks before and after."""
        rows = [self._scores(network, slice(at, at + chunk)) for at in range(0, len(self.frames), chunk)]
        alone, rough, mended = (100 * float(torch.cat(part).mean()) for part in zip(*rows, strict=True))
        return {"alone": alone, "rough": rough, "mended": mended}

    def _scores(self, network: NanoNetwork, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        frames, masks, fields = self.frames[rows], self.masks[rows], self.fields[rows]
        alone = self._follow(network, frames, masks, None)
        mended = self._follow(network, frames, masks, fields)
        rough = torch.stack(
            [overlaps(fields[:, t] > 0, masks[:, t]) for t in range(1, masks.shape[1])], dim=1
        )
        return alone, rough.mean(dim=1), mended

    def _follow(self, network: NanoNetwork, frames: Tensor, masks: Tensor, fields: Tensor | None) -> Tensor:
        """(B,) mean J of following the first mask; ``fields`` are mended frame by frame, and remembered."""
        device, (count, length) = frames.device.type, frames.shape[:2]
        seen = []
        first = last = None
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            for t in range(length):
                image = frames[:, t].float() / 127.5 - 1
                pyramid = network.encoder(image.contiguous(memory_format=torch.channels_last))
                keys = network.memory.keys(pyramid)
                own = masks[:, 0]
                if t:
                    cues = torch.zeros(count, len(CUES), *image.shape[-2:], device=frames.device)
                    if fields is not None:
                        cues[:, MASK] = CERTAINTY * fields[:, t]
                    memory = [first] if last is None else [first, last]
                    memory_read = read_memory(
                        keys,
                        torch.cat([m[0] for m in memory], dim=2),
                        torch.cat([m[1] for m in memory], dim=2),
                    )
                    logits, _ = network.decoder(pyramid, cues, memory_read)
                    mean = logits.float().mean(dim=1)
                    seen.append(overlaps(mean > 0, masks[:, t]))
                    own = torch.sigmoid(mean)
                value = network.memory.values(pyramid, torch.stack([own, torch.zeros_like(own)], dim=1))
                part = keys.flatten(2), value.flatten(2)
                if t == 0:
                    first = part
                else:
                    last = part
        return torch.stack(seen, dim=1).mean(dim=1)


def overlaps(masks: Tensor, truth: Tensor) -> Tensor:
    """(N,) IoU of (N, h, w) bool masks with (N, h, w) float32 truth, 0 or 1; 1 where both are empty."""
    inside = truth > 0.5
    union = (masks | inside).sum(dim=(1, 2))
    common = (masks & inside).sum(dim=(1, 2))
    return torch.where(union > 0, common / union.clamp_min(1), 1.0)


def _read_video(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(T, h, w, 3) uint8 RGB and (T, h, w) bool: some frames of the start of a video, and their masks."""
    truths = sorted((path.parent / path.stem).glob("*.png"))
    reader, size = cv2.VideoCapture(str(path)), VALIDATION_SIZE[::-1]
    frames, masks = [], []
    for index in range(min(len(truths), VALIDATION_FRAMES * VALIDATION_STEP)):
        found, image = reader.read()
        if found and index % VALIDATION_STEP == 0:
            frames.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA)[..., ::-1])
            truth = (cv2.imread(str(truths[index]), cv2.IMREAD_UNCHANGED) > 0).astype(np.float32)
            masks.append(cv2.resize(truth, size, interpolation=cv2.INTER_AREA) >= 0.5)
    missing = VALIDATION_FRAMES - len(frames)
    return np.stack(frames + frames[-1:] * missing), np.stack(masks + masks[-1:] * missing)
