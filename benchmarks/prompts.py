"""How good backbones are at every kind of prompt, beside GrabCut given the same prompt.

Objects are those of the first frames of 40 sequences of DAVIS 2016 (``dev``: ten validation sequences,
``train``: the thirty training sequences), the objects of videos with several (``several``), and a seeded
choice of objects of ``tiny_coco``, one an image (``photographs``).
No weights that are shipped were trained on any of these images; settings were chosen on all of them.
Seconds are processor time of one thread, which busy machines disturb least; GrabCut's are of the same run::

    OMP_NUM_THREADS=1 python benchmarks/prompts.py --backbone interactive --backbone classical -o FILE
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from common import data_root, write_json
from grabcut import BAND, ITERATIONS, band_grab_cut, grab_cut
from prompt_cases import (
    LONGEST,
    OBJECTS,
    PHOTOGRAPHS,
    SIZES,
    Case,
    davis_cases,
    photograph_cases,
    save_cases,
    saved_cases,
    several_cases,
)
from prompt_simulation import CLICKS, JITTER, Answer, Method, ask, rough_mask

from vos.backbones.base import Backbone
from vos.backbones.expected_quality import decoding_signals
from vos.backbones.in_video import encode_frame
from vos.backbones.interactive.backbone import build_interactive
from vos.backbones.registry import build_backbone
from vos.ops.iou import mask_iou
from vos.prompts import Prompt

CATASTROPHE = 0.3
"""A first mask of a lower IoU is of no use."""
WORSE = 0.05
"""A further click that costs more IoU made the mask worse."""
STILL = "motion=null"
"""A setting that makes no difference to a photograph."""


class Asked:
    """A backbone; an image is encoded once.

    ``name`` is a backbone's, or a file with weights of the interactive network, ``FILE.safetensors``;
    ``,setting=value`` may follow for that network; ``interactive,motion=null`` sees the first frames alone.
    """

    def __init__(self, name: str) -> None:
        named, *settings = name.split(",")
        self.backbone: Backbone = (
            build_interactive(checkpoint=named) if named.endswith(".safetensors") else build_backbone(named)
        )
        if settings:
            values = {key: json.loads(value) for key, value in (s.split("=") for s in settings)}
            self.backbone.settings = replace(self.backbone.settings, **values)  # type: ignore[attr-defined]
        self.case: Case | None = None
        self.encode_seconds: list[float] = []

    def __call__(self, case: Case, prompt: Prompt) -> Answer:
        if self.case is not case:
            start = time.process_time()
            self.features, self.case = encode_frame(self.backbone, case.frame), case
            self.encode_seconds.append(time.process_time() - start)
        start = time.process_time()
        candidates = self.backbone.decode(self.features, [prompt])
        seconds = time.process_time() - start
        masks = [mask.numpy() for mask in candidates.logits[0] > 0]
        scores = candidates.scores[0].numpy()
        mask = masks[int(scores.argmax())]
        signals = decoding_signals(prompt, scores, np.stack(masks), mask, case.image) if mask.any() else {}
        signals = {name: round(value, 4) for name, value in signals.items()}
        return Answer(mask, seconds, masks, [float(score) for score in scores], signals)


KINDS = (
    *("clicks", "click anywhere", "stroke"),
    *("box", "jittered box", "rough mask", "rough mask and box", "rough mask and click"),
)


def measure(case: Case, methods: dict[str, Method], kind: str) -> list[dict[str, Any]]:
    """A row for every method; of clicks one for each number in :data:`CLICKS`."""
    rows = []
    for name, method in methods.items():
        if (name == "band" and kind != "rough mask") or (name == "grabcut" and "mask and" in kind):
            continue
        if STILL in name and not case.nearby:
            continue
        asked = replace(case)  # random numbers start anew
        answers = ask(method, asked, kind)
        if kind == "clicks":
            for number in CLICKS:
                called = f"{number} click" + ("s" if number > 1 else "")
                rows.append(row_of(case, called, name, answers[:number]))
        else:
            rows.append(row_of(case, kind, name, answers))
    return rows


def row_of(case: Case, kind: str, name: str, answers: list[Answer]) -> dict[str, Any]:
    """What came of it: the last answer counts."""
    last, course = answers[-1], [round(mask_iou(answer.mask, case.truth), 4) for answer in answers]
    row: dict[str, Any] = {"group": case.group, "object": case.name, "prompt": kind, "method": name}
    row |= {"iou": course[-1], "seconds": round(last.seconds, 4)}
    if last.others:
        row["best_of_3"] = round(max(mask_iou(mask, case.truth) for mask in last.others), 4)
        row["candidates"] = [
            {
                "iou": round(mask_iou(mask, case.truth), 4),
                "score": round(score, 4),
                "share": round(float(mask.mean()), 4),
            }
            for mask, score in zip(last.others, last.scores, strict=True)
        ]
        row["signals"] = last.signals
    if len(course) > 1:
        row["course"] = course
    if kind.startswith("rough mask"):
        given = rough_mask(replace(case))
        row["given_iou"] = round(mask_iou(given, case.truth), 4)
    return row


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means by group, kind of prompt and method, and how often a first mask is useless or a click harms."""
    summary = []
    for groups in (("dev", "train"), ("dev",), ("train",), ("several",), ("photographs",)):
        for kind in dict.fromkeys(r["prompt"] for r in rows):
            for method in dict.fromkeys(r["method"] for r in rows):
                chosen = [
                    r for r in rows if r["group"] in groups and r["prompt"] == kind and r["method"] == method
                ]
                if not chosen:
                    continue
                keys = [k for k, v in chosen[0].items() if isinstance(v, float)]
                means = {k: round(float(np.mean([r[k] for r in chosen])), 4) for k in keys}
                lost = round(float(np.mean([r["iou"] < CATASTROPHE for r in chosen])), 4)
                line = {"groups": "+".join(groups), "prompt": kind, "method": method}
                line |= {"objects": len(chosen), **means, "catastrophes": lost}
                steps = [b - a for r in chosen for a, b in pairwise(r.get("course", []))]
                if steps:
                    line["clicks_that_made_it_worse"] = round(float(np.mean(np.array(steps) < -WORSE)), 4)
                summary.append(line)
    return summary


GROUPS: dict[str, Callable[[], Iterable[Case]]] = {
    "davis": davis_cases,
    "several": several_cases,
    "photographs": lambda: photograph_cases(data_root(), OBJECTS),
}
"""Groups of objects to choose from."""
METHODS: dict[str, Method] = {}
"""Of this process."""


def prepare(backbones: list[str], baseline: bool) -> None:
    """Build the methods once per process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    METHODS.update({name: Asked(name) for name in backbones})
    if baseline:
        METHODS.update({"grabcut": grab_cut, "band": band_grab_cut})


def measure_case(case: Case, kinds: tuple[str, ...]) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Rows of one case, and the seconds that each backbone took to encode it."""
    rows = [row for kind in kinds for row in measure(case, METHODS, kind)]
    encode = {
        name: method.encode_seconds[-1]
        for name, method in METHODS.items()
        if isinstance(method, Asked) and method.case is not None and method.case.name == case.name
    }
    print(case.name, *(f"{r['prompt']} {r['method']} {r['iou']:.2f}" for r in rows), sep="; ", flush=True)
    return rows, encode


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", action="append", help="name of a backbone; repeatable")
    parser.add_argument("--kind", action="append", choices=KINDS, help="kind of prompt; repeatable")
    parser.add_argument("--no-baseline", action="store_true", help="leave GrabCut out")
    parser.add_argument("--group", action="append", choices=GROUPS, help="group of objects; repeatable")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--cases", type=Path, help="folder that --save-cases wrote, in place of the data")
    parser.add_argument("--save-cases", type=Path, help="write images and masks there, and measure nothing")
    parser.add_argument("-o", "--output")
    arguments = parser.parse_args()
    if arguments.cases:
        cases = list(saved_cases(arguments.cases))
    else:
        cases = [case for group in arguments.group or GROUPS for case in GROUPS[group]()]
    if arguments.save_cases:
        save_cases(cases, arguments.save_cases)
        return
    if arguments.output is None:
        parser.error("give --output FILE, or --save-cases FOLDER")
    backbones = arguments.backbone or ["interactive", "classical"]
    kinds = tuple(arguments.kind or KINDS)
    first = backbones, not arguments.no_baseline
    with multiprocessing.get_context("spawn").Pool(arguments.jobs, prepare, first) as pool:
        found = pool.starmap(measure_case, [(case, kinds) for case in cases], chunksize=1)
    rows = [row for part, _ in found for row in part]
    summary = summarise(rows)
    for line in summary:
        print(line)
    settings = {
        "photographs": {"set": PHOTOGRAPHS, "objects": OBJECTS, "sizes": SIZES, "longest": LONGEST},
        "grabcut_iterations": ITERATIONS,
        "band": BAND,
        "jitter": JITTER,
        "encode_seconds": {
            k: round(float(np.median([e[k] for _, e in found if k in e])), 4) for k in found[0][1]
        },
    }
    write_json(arguments.output, "prompts: mean IoU of first masks", settings, summary + rows)


if __name__ == "__main__":
    main()
