"""From the printed address to a tracked object."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from vos.testing import Scene, ScriptedBackbone

from .annotator import Annotator, iou, is_drawn
from .conftest import CLIP, FRAMES, SIZE, Server


def test_the_token_goes_from_the_address(server: Server, open_page: Callable[..., Annotator]) -> None:
    """It opens the session and is not left where others could see it; scripts cannot read the cookie."""
    annotator = open_page(server.address).wait_until_shown(0)
    assert "token" not in annotator.page.url
    assert annotator.page.evaluate("document.cookie") == ""
    assert annotator.barcode() == 0
    annotator.page.reload()
    annotator.wait_until_shown(0)


def test_without_a_session_the_page_says_what_to_do(
    server: Server, open_page: Callable[..., Annotator]
) -> None:
    annotator = open_page(server.address.split("#")[0], expected=("401",))
    annotator.page.wait_for_selector("text=Open the address that it printed last")


def test_clicks_make_a_mask(annotator: Annotator, server: Server, truth: Scene) -> None:
    """What is drawn over the frame is the object; a click off it on another object changes nothing there."""
    annotator.click(60, 70)
    annotator.wait_for("Enter keeps it")
    seen = annotator.overlay(SIZE)
    assert iou(seen, truth.labels[0] == 1) > 0.9
    assert is_drawn(seen, truth.labels[0] == 1)
    annotator.click(20, 130, button="right")
    annotator.page.wait_for_function("() => !document.getElementById('saved').textContent.includes('Segm')")
    assert iou(annotator.overlay(SIZE), truth.labels[0] == 1) > 0.8
    assert server.project.state.track(CLIP, 1).anchors == {}, "nothing is kept before Enter"


def test_enter_keeps_what_all_clicks_give(
    annotator: Annotator,
    server: Server,
    truth: Scene,
    backbone: ScriptedBackbone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if it comes before the answer to the last one: not the mask that was there before."""
    annotator.click(60, 70)
    annotator.wait_for("Enter keeps it")
    annotator.page.wait_for_function("() => !document.getElementById('saved').textContent.includes('Segm')")
    is_open, decode = threading.Event(), backbone.decode
    monkeypatch.setattr(backbone, "decode", lambda *a, **k: is_open.wait(30) and decode(*a, **k))
    annotator.click(200, 100).click(205, 105).press("Enter")
    annotator.wait_for("Waiting for the mask")
    assert server.project.state.track(CLIP, 1).anchors == {}
    is_open.set()
    annotator.wait_for("Kept")
    shown = server.project.shown(CLIP, 0, 1)
    assert shown is not None
    assert iou(shown.mask, truth.labels[0] == 2) > 0.9


def test_tracking_shows_masks_in_all_frames(annotator: Annotator, server: Server, truth: Scene) -> None:
    annotator.mark(60, 70).track()
    annotator.page.wait_for_selector("#job", state="hidden")
    annotator.go_to(30)
    assert iou(annotator.overlay(SIZE), truth.labels[30] == 1) > 0.9
    known = [server.project.shown(CLIP, index, 1) for index in range(FRAMES)]
    assert all(shown is not None and shown.mask.any() for shown in known)


def test_the_first_steps_tick_themselves_off(server: Server, open_page: Callable[..., Annotator]) -> None:
    """Help for those who are new, until they close it."""
    annotator = open_page(server.address, is_new=True).wait_until_shown(0)
    steps = annotator.page.locator("#start li")
    assert steps.nth(0).get_attribute("data-done") == "false"
    annotator.mark(60, 70).track()
    annotator.page.wait_for_selector("#start li:nth-child(3)[data-done=true]")
    annotator.page.click("#start button")
    annotator.page.reload()
    annotator.wait_until_shown(0)
    assert annotator.page.is_hidden("#start")
