"""Without a mouse, without seeing, and on screens of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from vos.testing import Scene

from .annotator import Annotator
from .conftest import CLIP, FRAMES, SIZE, Server

NAMES = """() => [...document.querySelectorAll("button, a[href], input, select, canvas, [role]")]
  .filter((element) => element.checkVisibility() && element.getAttribute("aria-hidden") !== "true")
  .filter((element) => !(element.getAttribute("aria-label") || element.getAttribute("aria-labelledby")
    || element.textContent.trim() || element.labels?.length || element.title))
  .map((element) => element.outerHTML.slice(0, 100))"""


def test_keyboard_only_from_start_to_export(annotator: Annotator, server: Server) -> None:
    """Mark with the crosshair and by typing, keep, track, review, export."""
    page = annotator.page
    annotator.press("n", "Control+ArrowLeft")
    annotator.wait_for("Crosshair at 118, 72")
    annotator.press(*["Control+ArrowLeft"] * 5, "Control+Shift+ArrowUp", "i")
    annotator.wait_for("Enter keeps it")
    annotator.press("Enter")
    annotator.wait_for("Kept")
    annotator.press("n", "Shift+I")
    page.wait_for_selector("dialog[open]")
    page.keyboard.type("200 100")
    annotator.press("Enter")
    annotator.wait_for("Object 2:")
    annotator.press("Enter")
    annotator.wait_for("Kept")
    annotator.track("Shift+T")
    annotator.press("j")
    page.wait_for_selector("#queue [aria-current=true]")
    annotator.press("a", "End").wait_until_shown(FRAMES - 1)
    annotator.press("Alt+ArrowLeft").wait_until_shown(0)
    annotator.press("Control+e")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Enter")
    annotator.wait_for("is ready")
    assert all(server.project.state.track(CLIP, k).state(30) == "tracked" for k in (1, 2))


def test_every_tool_can_be_used_by_keys(annotator: Annotator, server: Server, truth: Scene) -> None:
    """At the crosshair: a stroke that follows it, an eraser, a polygon, a box."""

    def kept() -> np.ndarray:
        annotator.press("Enter")
        annotator.wait_for("Kept")
        shown = server.project.shown(CLIP, 0, max(server.project.state.visible))
        assert shown is not None
        return shown.mask

    right, down = ["Control+ArrowRight"] * 4, ["Control+ArrowDown"] * 4
    annotator.press("n", "p", "i")  # the crosshair begins in the middle: 128, 72
    annotator.wait_for("Crosshair at 128, 72")
    annotator.press("i", *right, "i")
    annotator.wait_for("Enter keeps it")
    annotator.page.mouse.move(*annotator.on_screen(20, 20))  # draws nothing
    annotator.press("e", *["["] * 20, "i", "Control+ArrowLeft", "i")
    annotator.wait_for("Enter keeps it")
    stroke = kept()
    assert stroke[66:79, 128:155].all()
    assert not stroke[72, 158:169].any(), "erased"
    assert stroke[78, 158:168].all()
    assert not stroke[:60].any()
    assert not stroke[:, :110].any()

    annotator.press("n", "y", "i", *down, "i", "u", "i", *["Control+ArrowLeft"] * 4, "i", "Enter")
    annotator.wait_for("Enter keeps it")
    triangle = kept()
    assert triangle.sum() == pytest.approx(40 * 40 / 2, rel=0.1)
    assert triangle[110, 155]

    annotator.press("n", "b", *["Control+ArrowUp"] * 7, *["Control+ArrowLeft"] * 9, "i")
    annotator.press(*["Control+ArrowDown"] * 6, *["Control+ArrowRight"] * 6, "i")
    annotator.wait_for("confidence")
    assert kept()[truth.labels[0] == 1].all()


def test_the_timeline_is_zoomed_by_keys(annotator: Annotator) -> None:
    """Around the frame on screen, and back to all of it."""
    page = annotator.go_to(36).page

    def right_end() -> None:
        box = page.locator("#timeline-canvas").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 8)

    annotator.press("Alt+=")
    right_end()
    annotator.wait_until_shown(53)
    annotator.press("Alt+-")
    right_end()
    annotator.wait_until_shown(FRAMES - 1)
    annotator.press("Alt++", "Alt+0")
    right_end()
    annotator.wait_until_shown(FRAMES - 1)


def test_numbers_select_the_object_of_that_number(annotator: Annotator) -> None:
    """Also where others are gone."""
    page = annotator.page
    annotator.press("n", "n", "n", "2", "Shift+Delete")
    annotator.wait_for("Removed object 2")
    page.wait_for_selector("#objects tr:has-text('object 2')", state="detached")
    annotator.press("2")
    annotator.wait_for("There is no object 2")
    annotator.press("3")
    annotator.wait_for("object 3 is selected")
    expect(page.locator("#objects tr[aria-selected=true]")).to_contain_text("object 3")


def test_keys_work_beside_the_slider_of_the_brush(annotator: Annotator) -> None:
    """Arrows move it while it has the focus from the keyboard, all other keys act."""
    page = annotator.press("p").page
    page.focus("#brush")
    before = int(page.input_value("#brush"))
    annotator.press("ArrowRight")
    assert int(page.input_value("#brush")) == before + 1
    annotator.press("f").wait_until_shown(1)
    page.click("#brush", position={"x": 5, "y": 8})
    assert int(page.input_value("#brush")) < before
    annotator.press("ArrowRight").wait_until_shown(2)


def test_space_ticks_a_box(annotator: Annotator) -> None:
    annotator.press("n")
    box = annotator.page.locator("input[aria-label='Show object 1']")
    box.focus()
    annotator.press("Space")
    expect(box).not_to_be_checked()
    expect(annotator.page.locator("#play")).to_have_text("▶ Play")


def test_keys_do_nothing_while_somebody_types(annotator: Annotator, server: Server) -> None:
    annotator.press("n")
    annotator.wait_for("Object 1 is new")
    annotator.press("F2")
    annotator.page.keyboard.type("dad")
    annotator.press("Enter")
    annotator.wait_for("Changed object 1")
    assert server.project.state.objects[1].name == "dad"
    expect(annotator.page.locator("#position")).to_contain_text("Frame 0")


def test_everything_has_a_name_and_tab_goes_round(annotator: Annotator) -> None:
    """In the order on screen: the top, objects, tools, frame, review, playback, timeline."""
    page = annotator.page
    annotator.mark(60, 70).track()
    page.wait_for_selector("#queue button")
    assert page.evaluate(NAMES) == []
    page.focus("#video")
    regions = ["top"]
    for _ in range(90):
        page.keyboard.press("Tab")
        region = page.evaluate(
            "document.activeElement.closest('#top, #left, #tools, #stage, #right, #transport, #timeline')?.id"
        )
        if region is None:
            break
        if not regions or regions[-1] != region:
            regions.append(region)
    assert regions == ["top", "left", "tools", "stage", "right", "transport", "timeline"]
    outline = page.locator("#middle").aria_snapshot()
    assert 'button "Click" [pressed]' in outline
    assert "status" in outline


def test_the_list_of_keys(annotator: Annotator) -> None:
    annotator.press("?")
    expect(annotator.page.locator("dialog")).to_contain_text("Ctrl + Shift + Z")
    annotator.press("Escape")
    expect(annotator.page.locator("dialog")).to_have_count(0)


def test_text_can_be_read(annotator: Annotator) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3), light and dark, and targets of at least 24 pixels."""
    page = annotator.press("n").page
    page.wait_for_selector("#objects input")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for fore, back in [("ink", "panel"), ("faint", "panel"), ("doubt", "panel"), ("on-accent", "accent")]:
            colours = page.evaluate(
                """([fore, back]) => [fore, back].map((name) => {
                  const element = document.createElement("i");
                  document.body.append(element);
                  element.style.color = `var(--${name})`;
                  return getComputedStyle(element).color.match(/[\\d.]+/g).map(Number);
                })""",
                [fore, back],
            )
            lighter, darker = sorted((luminance(colour) for colour in colours), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (scheme, fore, back)
    heights = page.evaluate(
        "[...document.querySelectorAll('button, select, input')].filter((b) => b.checkVisibility())"
        ".map((b) => (b.closest('label.target, .checks label') ?? b).getBoundingClientRect())"
        ".map(({ width, height }) => Math.min(width, height))"
    )
    assert min(heights) >= 24


def luminance(colour: list[float]) -> float:
    """Relative luminance of an sRGB colour."""
    shares = [value / 255 for value in colour[:3]]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_long_name_is_shortened(annotator: Annotator, server: Server) -> None:
    """Its label is as wide as the object, and covers nothing else."""
    annotator.mark(60, 70)
    annotator.page.fill("#object-name", "the large orange ball that rolls to the right and never comes back")
    annotator.page.press("#object-name", "Enter")
    annotator.wait_for("Changed object 1")
    annotator.page.wait_for_selector("#objects >> text=the large orange ball")
    annotator.page.wait_for_timeout(100)
    seen = annotator.drawn(SIZE)
    assert seen[43, 38:80].all(), "the label"
    assert not seen[:, 90:].any()


def test_everything_fits_the_screen(annotator: Annotator) -> None:
    """From a small laptop to 4K nothing is cut off, and the frame has most of the room."""
    page = annotator.mark(60, 70).page
    for width, height in [(1024, 700), (1280, 720), (3840, 2160)]:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(50)
        cut = page.evaluate(
            """() => [...document.querySelectorAll("button, select, input")]
              .filter((b) => b.checkVisibility())
              .map((b) => [b.getBoundingClientRect(), b.outerHTML.slice(0, 80)])
              .filter(([box]) => box.left < 0 || box.right > innerWidth)"""
        )
        assert cut == []
        for panel in ("#left", "#right", "#objects"):
            inside, room = page.eval_on_selector(panel, "(p) => [p.scrollWidth, p.clientWidth]")
            assert inside <= room, (panel, width)
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        stage = page.locator("#stage").bounding_box()
        assert stage is not None
        assert stage["width"] > 0.5 * width
        assert stage["height"] > 0.5 * height


def test_the_palette_and_the_theme_can_be_chosen(annotator: Annotator) -> None:
    """And are remembered."""
    page = annotator.page
    annotator.press("n")
    page.click("button[data-action=settings]")
    page.select_option("dialog label:has-text('Colours') select", "davis")
    page.select_option("dialog label:has-text('Page') select", "dark")
    page.click("dialog button[type=submit]")
    colour = "getComputedStyle(document.querySelector('#objects .swatch')).backgroundColor"
    page.wait_for_function(f"() => {colour} === 'rgb(128, 0, 0)'")
    page.reload()
    annotator.wait_until_shown(0)
    page.wait_for_function(f"() => {colour} === 'rgb(128, 0, 0)'")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


def test_keys_can_be_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server, open_page: Callable[..., Annotator]
) -> None:
    """By keys.json of the user's configuration; the list of keys says so."""
    (tmp_path / "vos").mkdir()
    (tmp_path / "vos" / "keys.json").write_text('{"keys": {"next": ["l"], "labels": ["Shift+L"]}}')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    annotator = open_page(server.address).wait_until_shown(0)
    annotator.press("l").wait_until_shown(1)
    annotator.press("f").press("Shift+L")
    expect(annotator.page.locator("[data-action=labels]")).to_have_attribute("aria-pressed", "false")
    expect(annotator.page.locator("#position")).to_contain_text("Frame 1 ")
    assert "(L)" in (annotator.page.get_attribute("button[data-action=next]", "title") or "")
