"""Corrections, and taking them back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from vos.errors import InputError
from vos.projects import Draft, Project
from vos.projects.events import Event
from vos.testing import Scene

from .annotator import Annotator, iou, is_drawn
from .conftest import CLIP, FRAMES, SIZE, Server

CORNERS = [(19.5, 99.5), (59.5, 99.5), (59.5, 129.5), (19.5, 129.5)]
RECTANGLE = np.zeros(SIZE, bool)
RECTANGLE[100:130, 20:60] = True


def digests(project: Project) -> list[str]:
    """Of what is shown of every frame."""
    return [
        hashlib.sha256(np.ascontiguousarray(project.frame(CLIP, index).labels).tobytes()).hexdigest()
        for index in range(FRAMES)
    ]


def anchored(server: Server, frame: int) -> np.ndarray:
    """The mask of object 1 that was given in a frame."""
    shown = server.project.shown(CLIP, frame, 1)
    assert shown is not None
    assert shown.state == "anchor"
    return shown.mask


def draw_rectangle(annotator: Annotator) -> None:
    """With the polygon tool."""
    annotator.press("y")
    for corner in CORNERS:
        annotator.click(*corner)
    annotator.press("Enter")
    annotator.wait_for("Enter keeps it")


def test_a_correction_touches_only_what_is_beside_it(
    annotator: Annotator, server: Server, truth: Scene
) -> None:
    """The drawn pixels are kept exactly; only the two intervals beside the frame are tracked again."""
    annotator.mark(60, 70)
    for frame in (20, 60):
        annotator.go_to(frame).click(*truth_centre(truth, frame))
        annotator.wait_for("Enter keeps it")
        annotator.press("Enter")
        annotator.wait_for(f"frame {frame}. T tracks")
    annotator.track()
    before, events = digests(server.project), len(server.project.events())
    annotator.go_to(40)
    draw_rectangle(annotator)
    annotator.press("Enter")
    annotator.wait_for("Kept")
    annotator.track()
    expected = RECTANGLE | (truth.labels[40] == 1)
    np.testing.assert_array_equal(anchored(server, 40), expected)
    after = digests(server.project)
    outside = [index for index in range(FRAMES) if not 20 < index < 60]
    assert [after[index] for index in outside] == [before[index] for index in outside]
    assert after[40] != before[40]
    tracked = [event.payload for event in server.project.events()[events:] if event.kind == "tracked"]
    assert {(entry["first"], entry["last"]) for entry in tracked} == {(21, 39), (41, 59)}


def truth_centre(truth: Scene, frame: int) -> tuple[float, float]:
    """Of object 1."""
    rows, columns = np.nonzero(truth.labels[frame] == 1)
    return float(columns.mean()), float(rows.mean())


def test_undo_takes_the_unfinished_mask_first(annotator: Annotator, server: Server, truth: Scene) -> None:
    """By key and by button, step by step, and back again."""
    page = annotator.page
    annotator.mark(60, 70)
    draw_rectangle(annotator)
    both = annotator.overlay(SIZE)
    assert is_drawn(both, RECTANGLE | (truth.labels[0] == 1))
    annotator.press("Control+z")
    annotator.wait_for("Undone: a step of the unfinished mask")
    assert is_drawn(annotator.overlay(SIZE), truth.labels[0] == 1)
    annotator.press("Control+Shift+Z")
    annotator.wait_for("Done again: a step")
    assert iou(annotator.overlay(SIZE), both) == 1
    annotator.press("Control+z")
    annotator.wait_for("Undone: a step of the unfinished mask")
    page.click("button[data-action=undo]")
    annotator.wait_for("Undone: correction, frame 0")
    assert server.project.state.track(CLIP, 1).anchors == {}
    page.click("button[data-action=redo]")
    annotator.wait_for("Done again: correction, frame 0")
    np.testing.assert_array_equal(anchored(server, 0), truth.labels[0] == 1)
    page.click("button[data-action=redo]")
    annotator.wait_for("Done again: a step of the unfinished mask")
    assert iou(annotator.overlay(SIZE), both) == 1


def test_a_dropped_mask_comes_back(annotator: Annotator, server: Server, truth: Scene) -> None:
    """Whether Esc dropped it or the object was said to be absent; what was done later is undone before."""
    annotator.press("n")
    draw_rectangle(annotator)
    annotator.press("Escape")
    annotator.wait_for("Dropped")
    assert not annotator.overlay(SIZE).any()
    annotator.press("f").wait_until_shown(1).press("Control+z")
    annotator.wait_for("Undone: dropping the unfinished mask")
    annotator.wait_until_shown(0)
    assert is_drawn(annotator.overlay(SIZE), RECTANGLE)
    annotator.press("Control+Shift+Z")
    annotator.wait_for("Done again: dropping")
    assert not annotator.overlay(SIZE).any()
    annotator.press("Control+z")
    annotator.wait_for("Undone: dropping")
    annotator.press("x")
    annotator.wait_for("is absent in frame 0")
    annotator.press("Control+z")
    annotator.wait_for("Undone: correction, frame 0")
    annotator.press("Control+z")
    annotator.wait_for("Undone: dropping")
    annotator.press("Enter")
    annotator.wait_for("Kept")
    np.testing.assert_array_equal(anchored(server, 0), RECTANGLE)


@pytest.mark.parametrize("begin", ["box", "Shift"])
def test_a_mask_that_is_begun_anew_can_be_undone(
    annotator: Annotator, server: Server, truth: Scene, begin: str
) -> None:
    """To the mask before it, by one step."""
    annotator.press("n")
    draw_rectangle(annotator)
    if begin == "box":
        annotator.press("b").drag((30, 40), (90, 100))
    else:
        annotator.press("q").page.keyboard.down("Shift")
        annotator.click(60, 70)
        annotator.page.keyboard.up("Shift")
    annotator.wait_for("confidence")
    assert not annotator.overlay(SIZE)[120, 30]
    annotator.press("Control+z")
    annotator.wait_for("Undone: a step")
    assert is_drawn(annotator.overlay(SIZE), RECTANGLE)
    annotator.press("Enter")
    annotator.wait_for("Kept")
    np.testing.assert_array_equal(anchored(server, 0), RECTANGLE)


def test_what_was_undone_last_is_done_again_first(annotator: Annotator, server: Server, truth: Scene) -> None:
    """The first click adds an object; both are undone, and both come back."""
    annotator.click(60, 70)
    annotator.wait_for("Enter keeps it")
    annotator.press("Control+z")
    annotator.wait_for("Undone: a step")
    annotator.press("Control+z")
    annotator.wait_for("Undone: change of an object")
    annotator.press("Control+Shift+Z")
    annotator.wait_for("Done again: change of an object")
    assert server.project.state.visible == (1,)
    annotator.press("Control+Shift+Z")
    annotator.wait_for("Done again: a step")
    annotator.press("Enter")
    annotator.wait_for("Kept")
    np.testing.assert_array_equal(anchored(server, 0), truth.labels[0] == 1)


def test_a_mask_brings_its_object_back(annotator: Annotator, server: Server) -> None:
    """Somebody else may have removed it meanwhile."""
    annotator.press("n")
    draw_rectangle(annotator)
    server.project.append([Draft("remove", {"object": 1})])
    annotator.page.wait_for_selector("#objects:has-text('None yet')")
    annotator.press("Enter")
    annotator.page.click("dialog >> text=Use mine")
    annotator.wait_for("Kept")
    assert server.project.state.visible == (1,)
    np.testing.assert_array_equal(anchored(server, 0), RECTANGLE)


def test_an_unfinished_mask_survives_a_reload(annotator: Annotator, server: Server) -> None:
    """It is still unfinished, and can be kept."""
    annotator.press("n")
    draw_rectangle(annotator)
    annotator.page.reload()
    annotator.wait_until_shown(0).page.wait_for_selector("#draft:not([hidden])")
    annotator.press("Enter")
    annotator.wait_for("Kept")
    np.testing.assert_array_equal(anchored(server, 0), RECTANGLE)


def test_brush_eraser_and_holes(annotator: Annotator, server: Server) -> None:
    """A ring is painted, filled, and cut; by keys and by buttons."""
    page = annotator.page
    annotator.press("p")
    page.fill("#brush", "9")
    annotator.drag((100, 40), (140, 40), (140, 80), (100, 80), (100, 40))
    annotator.wait_for("Enter keeps it")
    page.click("[data-action=fill-holes]")
    page.wait_for_function("() => document.getElementById('message').textContent.includes('2,')")
    page.click("[data-tool=eraser]")
    annotator.drag((120, 60), (121, 60))
    page.wait_for_timeout(50)
    annotator.press("Enter")
    annotator.wait_for("Kept")
    mask = anchored(server, 0)
    assert mask[40, 100:141].all()
    assert mask[70, 110]
    assert not mask[60, 120]
    assert not mask[20, 120]


def test_a_polygon_is_closed_by_enter_and_by_its_first_corner(annotator: Annotator, server: Server) -> None:
    """Its corners can be taken back; three are needed."""
    annotator.press("y").click(100, 40).click(140, 40).press("Enter")
    annotator.wait_for("at least three corners")
    annotator.click(20, 120).press("Backspace").click(140, 80).click(100, 80).press("Enter")
    annotator.wait_for("Enter keeps it")
    annotator.press("Enter")
    annotator.wait_for("Kept")
    square = anchored(server, 0)
    assert square[42:79, 102:139].all()
    assert square.sum() == pytest.approx(41 * 41, rel=0.06)
    annotator.press("n").click(160, 40).click(200, 40).click(200, 80).click(160, 40).press("Enter")
    annotator.wait_for("Kept")
    shown = server.project.shown(CLIP, 0, 2)
    assert shown is not None
    assert shown.mask.sum() == pytest.approx(41 * 41 / 2, rel=0.1)


def test_box_and_fresh_clicks(annotator: Annotator, server: Server, truth: Scene) -> None:
    """A box finds the object in it; clicks can be taken back, and a mask begun anew."""
    annotator.press("b").drag((30, 40), (90, 100))
    annotator.wait_for("Enter keeps it")
    seen = annotator.overlay(SIZE)
    assert seen[truth.labels[0] == 1].all()
    assert not seen[45, 35], "in the box, and not in the object"
    annotator.press("q").page.keyboard.down("Shift")
    annotator.click(200, 100)
    annotator.page.keyboard.up("Shift")
    annotator.page.wait_for_timeout(300)
    assert is_drawn(annotator.overlay(SIZE), truth.labels[0] == 2)
    annotator.press("Backspace")
    annotator.wait_for("Nothing is clicked")
    assert not annotator.overlay(SIZE).any()
    annotator.press("x")
    annotator.wait_for("absent in frame 0")
    assert not anchored(server, 0).any()


def test_objects_are_renamed_swapped_split_and_merged(
    annotator: Annotator, server: Server, truth: Scene
) -> None:
    page = annotator.page
    annotator.mark(60, 70).press("n").mark(200, 100)
    annotator.track("Shift+T")
    page.fill("#object-name", "box")
    page.press("#object-name", "Enter")
    annotator.wait_for("Changed object 2")
    page.fill("#object-color", "#aa00bb")
    page.wait_for_timeout(200)
    state = server.project.state
    assert (state.objects[2].name, state.objects[2].color) == ("box", "#aa00bb")

    annotator.go_to(30).press("s")
    page.fill("dialog label:has-text('To frame') input", "39")
    page.click("dialog button[type=submit]")
    annotator.wait_for("Swapped box and object 1 in frames 30 to 39")
    assert iou(shown(server, 35, 2), truth.labels[35] == 1) == 1
    annotator.press("Control+z")
    annotator.wait_for("Undone: swap")
    assert iou(shown(server, 35, 2), truth.labels[35] == 2) == 1

    page.click("#object-editor >> text=Split…")
    page.click("dialog button[type=submit]")
    annotator.wait_for("Object 3 has frames 30 to 71 of box")
    annotator.press("Control+z")
    annotator.wait_for("Undone: split, frames 30 to 71")
    annotator.press("Control+Shift+Z")
    annotator.wait_for("Done again: split, frames 30 to 71")
    assert shown(server, 29, 2).any()
    assert not shown(server, 35, 2).any()
    assert iou(shown(server, 35, 3), truth.labels[35] == 2) == 1

    page.click("button[aria-label='Select object 3, number 3']")
    page.click("#object-editor >> text=Merge…")
    page.select_option("dialog select", "2")
    page.click("dialog button[type=submit]")
    annotator.wait_for("Merging is done")
    assert server.project.state.visible == (1, 2)
    assert iou(shown(server, 35, 2), truth.labels[35] == 2) == 1
    annotator.press("Control+z")
    annotator.wait_for("Undone: merging of two objects")
    assert server.project.state.visible == (1, 2, 3)


def shown(server: Server, frame: int, object_id: int) -> np.ndarray:
    """The mask of an object, as it is shown."""
    found = server.project.shown(CLIP, frame, object_id)
    assert found is not None
    return found.mask


def test_other_pages_see_what_happens(
    annotator: Annotator, server: Server, open_page: Callable[..., Annotator]
) -> None:
    """Two pages on one project; who comes later is asked, and both masks stay in the project."""
    other = open_page(server.address, expected=("409",)).wait_until_shown(0)
    annotator.mark(60, 70)
    other.page.wait_for_selector("#objects >> text=corrected")
    draw_rectangle(other)
    annotator.click(20, 130)
    annotator.page.wait_for_selector("#draft:not([hidden])")
    annotator.press("x")
    annotator.wait_for("absent in frame 0")
    other.press("Enter")
    other.page.wait_for_selector("dialog >> text=Somebody else changed the same")
    other.page.click("dialog >> text=Keep theirs")
    other.wait_for("Kept theirs")
    assert not anchored(server, 0).any()
    other.press("Enter")
    other.page.wait_for_selector("dialog[open]")
    other.page.click("dialog >> text=Use mine")
    other.wait_for("Kept:")
    assert anchored(server, 0)[RECTANGLE].all()
    kept = [event for event in server.project.events() if event.kind == "anchor"]
    assert len(kept) == 3, "nothing was lost"


def test_an_unfinished_mask_stays_with_its_object(annotator: Annotator, server: Server) -> None:
    """Somebody else's object, read late, has the number that it was begun under."""
    annotator.mark(60, 70).press("n")
    draw_rectangle(annotator)
    project = server.project
    annotator.page.wait_for_function("() => document.querySelector('#saved').textContent.endsWith('Saved')")
    assert 2 in project.state.objects
    tree = Event("ben", 1, 1, "object", {"object": 2, "name": "tree"})
    (project.folder / "journal" / "ben.jsonl").write_bytes(tree.line())
    project.refresh()
    annotator.wait_for("object 2 is object 3 now")
    annotator.press("Enter")
    annotator.wait_for("Kept: correction of object 3")
    assert shown(server, 0, 3)[RECTANGLE].all()
    assert project.state.objects[2].name == "tree"
    assert project.shown(CLIP, 0, 2) is None


def test_what_the_server_refuses_is_not_reported_as_done(
    server: Server, open_page: Callable[..., Annotator], truth: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and what was shown in advance is taken back."""
    annotator = open_page(server.address, expected=("400",)).wait_until_shown(0)
    page = annotator.page
    annotator.mark(60, 70).press("n").mark(200, 100).press("1")
    annotator.track("Shift+T")
    page.wait_for_selector("#queue-summary:has-text('settled')")

    def refuse(*args: object, **more: object) -> None:
        raise InputError("the disk is made of cheese")

    def refused(what: str, *selectors: str) -> None:
        annotator.press("h", "h")  # something else was said last
        page.evaluate("document.getElementById('message').textContent = ''")
        for key in selectors:
            if key.startswith("key:"):
                annotator.press(key.removeprefix("key:"))
            else:
                page.click(key)
        message = annotator.wait_for("cheese")
        assert message.startswith("Not done"), what
        page.wait_for_timeout(150)
        assert annotator.message == message, what

    monkeypatch.setattr(server.project, "append", refuse)
    submit = "dialog button[type=submit]"
    refused("absent", "key:x")
    annotator.wait_until_shown(0)
    assert is_drawn(annotator.overlay(SIZE), truth.labels[0] > 0)
    refused("remove the correction", "key:Delete")
    refused("swap", "key:s", submit)
    refused("split", "#object-editor >> text=Split…", submit)
    refused("remove", "key:Shift+Delete")
    annotator.press("f").wait_until_shown(1)
    refused("accept", "key:a")
    refused("hide", "key:m", "key:m", "[data-action=hide-range]")
    page.fill("#object-name", "box")
    refused("rename", "#object-category")
    page.wait_for_selector("#objects:has-text('object 1')")
