"""Answers clicks: one thread that has a promptable model, and the features of the frames seen last."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError, PromptError, VosError
from ..frame import Frame
from ..prompts import Prompt

if TYPE_CHECKING:
    from ..backbones.base import Backbone

logger = logging.getLogger(__name__)

CAPACITY = 8
"""Frames whose features are kept."""


@dataclass(frozen=True)
class Reply:
    """What a prompt gave."""

    mask: NDArray[np.bool_]
    """(H, W)."""
    confidence: float
    milliseconds: float
    """Of work, once its frame was there."""
    message: str = ""
    """Why the mask is empty."""


class SupersededError(Exception):
    """A later prompt was given before this one was looked at."""


@dataclass(eq=False)
class _Task:
    key: tuple[str, int]
    """Video and frame."""
    load: Callable[[], Frame]
    """Gives the frame; may wait for the decoder."""
    prompt: Prompt | None
    """None: only get the features ready."""
    known: NDArray[np.bool_] | None = None
    refine: bool = False
    number: int = 0
    object_id: int = 0
    future: Future[Any] = field(default_factory=Future)


class PromptWorker:
    """See the module. The model is loaded in the thread when it is first needed, or by :meth:`warm_up`.

    Args:
        name: a key of :data:`vos.backbones.registry.BACKBONES`.
        device: where it runs.
        tell: called when the state changes, with :meth:`describe`.
    """

    def __init__(self, name: str, device: str, tell: Callable[[dict[str, str]], None]) -> None:
        self.name = name
        self.device = device
        self._tell = tell
        self._state, self._message = "idle", ""
        self._changed = threading.Condition()
        self._tasks: list[_Task] = []
        self._frames: OrderedDict[tuple[str, int], Frame] = OrderedDict()
        self._backbone: Backbone | None = None
        self._wants_warmth = False
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def describe(self) -> dict[str, str]:
        """Name, state (``idle``, ``loading``, ``ready``, ``failed``) and what went wrong."""
        return {"name": self.name, "state": self._state, "message": self._message}

    def record(self) -> dict[str, Any]:
        """What masks that it made are recorded with."""
        from ..projects.engine import segmenter_record

        return segmenter_record(self.name, {"device": self.device})

    def warm_up(self) -> None:
        """Load the model, without waiting for it, unless that was tried before."""
        with self._changed:
            if self._state == "idle":
                self._wants_warmth = True
                self._begin()

    def prepare(self, key: tuple[str, int], load: Callable[[], Frame]) -> Future[Any]:
        """Compute the features of a frame, unless prompts are waiting; a later call replaces this one."""
        return self._add(_Task(key, load, None))

    def decode(
        self,
        key: tuple[str, int],
        load: Callable[[], Frame],
        prompt: Prompt,
        known: NDArray[np.bool_] | None,
        *,
        refine: bool,
        object_id: int,
        number: int,
    ) -> Future[Any]:
        """The mask of a prompt, as an :class:`Reply`.

        The future raises SupersededError if one with a higher ``number``, for the same object and frame, was
        given before this one was looked at; PromptError if the prompt does not fit the frame; ModelError if
        there is no model.
        """
        return self._add(_Task(key, load, prompt, known, refine, number, object_id))

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_closed = True
            for task in self._tasks:
                task.future.cancel()
            self._tasks.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _add(self, task: _Task) -> Future[Any]:
        with self._changed:
            for other in list(self._tasks):
                if _replaces(task, other):
                    self._tasks.remove(other)
                    if other.future.set_running_or_notify_cancel():
                        other.future.set_exception(SupersededError())
                elif _replaces(other, task):
                    task.future.set_exception(SupersededError())
                    return task.future
            if self._is_closed:
                task.future.cancel()
                return task.future
            self._tasks.append(task)
            self._begin()
        return task.future

    def _begin(self) -> None:
        if self._thread is None and not self._is_closed:
            self._thread = threading.Thread(target=self._run, name="prompts", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    # In the thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._tasks or self._wants_warmth)
                if self._is_closed:
                    return
                task = None
                if self._tasks:  # prompts before frames that are only looked at
                    task = min(self._tasks, key=lambda task: task.prompt is None)
                    self._tasks.remove(task)
                self._wants_warmth = False
            if task is None:
                self._load_quietly()
            elif task.future.set_running_or_notify_cancel():
                try:
                    task.future.set_result(self._answer(task))
                except VosError as error:
                    task.future.set_exception(error)
                except Exception as error:
                    logger.exception("answering a prompt failed")
                    task.future.set_exception(error)

    def _load_quietly(self) -> None:
        try:
            self._model()
        except VosError as error:
            logger.warning("%s", error)

    def _model(self) -> Backbone:
        if self._backbone is None:
            self._set_state("loading")
            try:
                from ..backbones.feature_cache import FeatureCache
                from ..backbones.registry import build_backbone

                backbone = build_backbone(self.name, device=self.device)
                self._backbone = FeatureCache(backbone, CAPACITY)
            except VosError as error:
                self._set_state("failed", str(error))
                raise
            except Exception as error:
                self._set_state("failed", f"cannot load {self.name}: {error}")
                raise ModelError(f"cannot load {self.name}: {error}") from error
            self._set_state("ready")
        return self._backbone

    def _set_state(self, state: str, message: str = "") -> None:
        self._state, self._message = state, message
        self._tell(self.describe())

    def _answer(self, task: _Task) -> Reply | None:
        from ..backbones.in_video import encode_frame
        from ..prompting.decoding import preview_prompt

        model = self._model()
        frame = self._frame(task)
        start = time.perf_counter()
        if task.prompt is None:
            encode_frame(model, frame)
            return None
        try:
            preview = preview_prompt(frame, task.prompt, model, task.known, refine=task.refine)
        except PromptError as error:
            nothing = np.zeros(frame.size, bool)
            return Reply(nothing, 0.0, _since(start), str(error))
        text = "" if preview.mask.any() else "nothing was found: try a box, more points, or the brush"
        return Reply(preview.mask, preview.confidence, _since(start), text)

    def _frame(self, task: _Task) -> Frame:
        """Always the same array for a frame, by which the cache of features knows it."""
        if task.key not in self._frames:
            self._frames[task.key] = task.load()
            while len(self._frames) > CAPACITY:
                self._frames.popitem(last=False)
        self._frames.move_to_end(task.key)
        return self._frames[task.key]


def _replaces(task: _Task, other: _Task) -> bool:
    """Whether ``other`` is superseded by ``task``."""
    if task.prompt is None or other.prompt is None:
        return task.prompt is None and other.prompt is None
    return (task.key, task.object_id) == (other.key, other.object_id) and task.number > other.number


def _since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
