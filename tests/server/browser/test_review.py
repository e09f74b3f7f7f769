"""The review queue, the timeline, and moving through the video."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from vos.projects import Draft
from vos.server.jobs import BackgroundJob
from vos.server.workspace import Workspace

from .annotator import Annotator
from .conftest import CLIP, DOUBTFUL, FRAMES, Server


def states(server: Server) -> list[str]:
    """What is known of object 1 in every frame."""
    track = server.project.state.track(CLIP, 1)
    return [str(track.state(index)) for index in range(FRAMES)]


def test_the_queue_leads_to_what_is_doubtful(annotator: Annotator, server: Server) -> None:
    """In the order of the server, by key and by button; what is accepted stays so after a reload."""
    page = annotator.page
    annotator.mark(60, 70).track()
    page.wait_for_selector("#queue button")
    wanted = [item["frame"] for item in page.evaluate("fetch('/api/queue').then((r) => r.json())")["items"]]
    texts = page.locator("#queue b").all_inner_texts()
    assert texts == [f"Frame {frame}" for frame in wanted]
    assert min(abs(wanted[0] - frame) for frame in DOUBTFUL) <= 2
    annotator.press("j").wait_until_shown(wanted[0])
    assert page.inner_text("#queue-summary").startswith(f"1 of {len(wanted)}")
    if len(wanted) > 1:
        annotator.press("j").wait_until_shown(wanted[1])
        annotator.press("k").wait_until_shown(wanted[0])

    annotator.go_to(10).press("a")
    annotator.wait_for("Accepted frame 10")
    annotator.go_to(15).press("Shift+A")
    annotator.wait_for("Accepted frames 11 to 15")
    annotator.go_to(20).press("r")
    annotator.wait_for("Rejected frame 20")
    assert states(server)[9:21] == ["tracked", *["accepted"] * 6, *["tracked"] * 4, "rejected"]
    page.reload()
    annotator.wait_until_shown(0).go_to(12)
    expect(page.locator("#objects")).to_contain_text("accepted")


def test_a_range_is_marked_by_dragging_in_the_timeline(annotator: Annotator, server: Server) -> None:
    """And accepted as a whole; its frames stay locked when something else is tracked."""
    page = annotator.page
    annotator.mark(60, 70).track()
    box = page.locator("#timeline-canvas").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] - 8

    def at(frame: int) -> float:
        return box["x"] + (frame + 0.5) / FRAMES * box["width"]

    page.mouse.move(at(30), y)
    page.mouse.down()
    page.mouse.move(at(40), y, steps=4)
    page.mouse.up()
    expect(page.locator("#selection-text")).to_have_text("Marked: 30 to 40")
    page.click("button[data-action=accept]")
    annotator.wait_for("Accepted frames 30 to 40")
    assert [index for index, state in enumerate(states(server)) if state == "accepted"] == list(range(30, 41))
    assert page.is_hidden("#selection")
    slider = page.locator("#timeline")
    expect(slider).to_have_attribute("aria-valuetext", f"frame 40 of {FRAMES}, 1 object, object 1 accepted")
    annotator.press("Control+z")
    annotator.wait_for("Undone: acceptance, frames 30 to 40")
    annotator.press("Control+Shift+z")
    annotator.wait_for("Done again: acceptance, frames 30 to 40")


def test_tracking_shows_progress_and_can_be_cancelled(annotator: Annotator, server: Server) -> None:
    """What was tracked before stays."""
    import threading

    held = threading.Event()
    listening = server.project.open_video

    def slow(key: str | None = None):  # type: ignore[no-untyped-def]
        held.wait(20)
        return listening(key)

    annotator.mark(60, 70)
    server.project.open_video = slow  # type: ignore[method-assign]
    annotator.press("t")
    annotator.page.wait_for_selector("#job:not([hidden])")
    annotator.page.click("#job-cancel")
    held.set()
    annotator.wait_for("Tracking was cancelled")
    annotator.page.wait_for_selector("#job", state="hidden")
    assert set(states(server)[1:]) == {"unknown"}


def test_scrubbing_never_shows_a_wrong_picture(annotator: Annotator) -> None:
    """Whatever is asked for in between, the picture on screen is that of the frame it is said to be."""
    page = annotator.page
    page.evaluate(
        """() => {
          window.seen = [];
          const picture = document.getElementById("picture");
          new MutationObserver(() => requestAnimationFrame(() => {
            const { data } = picture.getContext("2d").getImageData(0, 0, picture.width, picture.height);
            const { x, y, scale } = document.getElementById("overlay").dataset;
            let number = 0;
            for (let bit = 0; bit < 8; bit++) {
              const px = Math.round(Number(x) + (bit + 0.5) * 10 * scale);
              const py = Math.round(Number(y) + 5 * scale);
              number = 2 * number + (data[4 * (py * picture.width + px)] > 127 ? 1 : 0);
            }
            window.seen.push([Number(picture.dataset.frame), number]);
          })).observe(picture, { attributes: true, attributeFilter: ["data-frame"] });
        }"""
    )
    box = page.locator("#timeline-canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + 5)
    page.mouse.down()
    for step in range(200):
        turn = step % 100
        share = (turn if turn < 50 else 100 - turn) / 50
        page.mouse.move(box["x"] + 2 + share * (box["width"] - 4), box["y"] + 5)
    page.mouse.up()
    annotator.wait_until_shown(int(page.locator("#timeline").get_attribute("aria-valuenow") or 0))
    page.wait_for_timeout(200)
    seen = page.evaluate("window.seen")
    assert len(seen) > 10
    assert [number for _, number in seen] == [frame for frame, _ in seen]


def test_playing_stops_at_the_end(annotator: Annotator) -> None:
    annotator.go_to(FRAMES - 6).press(".", "Space")
    annotator.wait_until_shown(FRAMES - 1)
    expect(annotator.page.locator("#play")).to_have_attribute("aria-label", "Play")
    assert annotator.barcode() == FRAMES - 1


def test_cancel_ends_the_job_that_is_shown(annotator: Annotator, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no other one that runs beside it."""

    def endless(workspace: Workspace, job: BackgroundJob) -> None:
        while True:
            job.report(1, 2, "at work")
            time.sleep(0.01)

    monkeypatch.setattr("vos.server.track.track", endless)
    monkeypatch.setattr("vos.server.exports.export", endless)
    page = annotator.page
    start = """(body) => fetch("/api/jobs", {
      method: "POST", body: JSON.stringify(body),
      headers: { "X-Vos": "1", "Content-Type": "application/json" },
    }).then((answer) => answer.status)"""
    assert page.evaluate(start, {"kind": "track"}) == 202
    assert page.evaluate(start, {"kind": "export", "formats": ["davis"]}) == 202
    page.wait_for_selector("#job-text:has-text('Export: at work (and 1 other job)')")
    page.click("#job-cancel")
    annotator.wait_for("Export was cancelled")
    page.wait_for_selector("#job-text:text-is('Tracking: at work')")
    page.click("#job-cancel")
    annotator.wait_for("Tracking was cancelled")


def test_a_near_picture_is_shown_until_the_exact_one_is_there(annotator: Annotator) -> None:
    """Marked as loading, and drawn with the number of its own frame."""
    page, held = annotator.page, []
    is_held = True
    page.wait_for_timeout(1000)  # the server decodes ahead
    page.route(
        lambda url: "/frames/" in url and "near" not in url,
        lambda route: held.append(route) if is_held else route.continue_(),
    )
    annotator.press("End")
    page.wait_for_function("() => document.getElementById('picture').dataset.frame !== '0'")
    shown = int(page.get_attribute("#picture", "data-frame") or 0)
    assert annotator.barcode() == shown > FRAMES // 4
    assert "(loading)" in page.inner_text("#position")
    is_held = False
    for route in held:
        route.continue_()
    annotator.wait_until_shown(FRAMES - 1)
    page.wait_for_selector("#position:not(:has-text('loading'))")
    assert annotator.barcode() == FRAMES - 1


def test_the_ruler_shows_who_is_to_work_on_which_frames(annotator: Annotator, server: Server) -> None:
    """A band from the first frame to the last one, also in words."""
    page = annotator.page
    slider = page.locator("#timeline")
    height = "document.getElementById('timeline-canvas').clientHeight"
    before = page.evaluate(height)
    server.project.append([Draft("assign", {"video": CLIP, "first": 18, "last": 35, "to": "ben"})])
    annotator.press("Home")
    page.wait_for_function(f"() => {height} > {before}")
    filled = page.evaluate(
        """([before, frames]) => {
          const canvas = document.getElementById("timeline-canvas");
          const y = 1.5 * parseFloat(getComputedStyle(document.documentElement).fontSize) + 5;
          const context = canvas.getContext("2d");
          const alphaAt = (frame) => context.getImageData((frame / 72) * canvas.width, y, 1, 1).data[3];
          return frames.map((frame) => alphaAt(frame) > 0);
        }""",
        [before, [15, 19, 35, 38]],
    )
    assert filled == [False, True, True, False]
    expect(slider).not_to_have_attribute("aria-valuetext", re.compile("assigned"))
    annotator.go_to(20)
    expect(slider).to_have_attribute("aria-valuetext", re.compile("frame 20 of 72, assigned to ben"))
