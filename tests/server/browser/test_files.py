"""Export and import by the page; other people's programs read what it writes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from vos.projects import Project
from vos.server.workspace import Options

from .annotator import Annotator
from .conftest import CLIP, SIZE, Server, serving


def export(annotator: Annotator, folder: Path, *formats: str) -> zipfile.ZipFile:
    """What the page downloads."""
    page = annotator.page
    annotator.press("Control+e")
    page.wait_for_selector("dialog fieldset input")
    for box in page.locator("dialog fieldset input").all():
        box.set_checked(box.get_attribute("value") in formats)
    page.click("dialog button[type=submit]")
    # Not for the line of messages, in which another message may take the place of this one at once.
    page.wait_for_selector(f'#download[download="{CLIP}.zip"]')
    with page.expect_download() as download:
        page.click("#download")
    path = folder / "export.zip"
    download.value.save_as(path)
    return zipfile.ZipFile(path)


def test_three_formats_say_what_is_shown(annotator: Annotator, server: Server, tmp_path: Path) -> None:
    annotator.mark(60, 70).press("n").mark(200, 100)
    annotator.track("Shift+T")
    archive = export(annotator, tmp_path, "davis", "coco", "mots-txt")
    wanted = server.project.frame(CLIP, 30).labels
    names = archive.namelist()

    png = next(name for name in names if "davis" in name and name.endswith("00030.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(archive.read(png)))), wanted)

    files = [json.loads(archive.read(name)) for name in names if name.endswith(".json")]
    coco = next(content for content in files if "annotations" in content)
    image = next(entry["id"] for entry in coco["images"] if entry["file_name"].startswith("00030"))
    found = [entry["segmentation"] for entry in coco["annotations"] if entry["image_id"] == image]
    masks = [
        coco_mask.decode(entry if isinstance(entry["counts"], str) else coco_mask.frPyObjects(entry, *SIZE))
        for entry in found
    ]
    assert {int(mask.sum()) for mask in masks} == {int((wanted == k).sum()) for k in (1, 2)}

    texts = [archive.read(name).decode() for name in names if name.endswith(".txt")]
    rows = [row for text in texts for line in text.splitlines() if len(row := line.split(" ")) == 6]
    rows = [row for row in rows if int(row[0]) == 31]
    assert len(rows) == 2
    total = sum(coco_mask.decode({"size": list(SIZE), "counts": row[5]}).sum() for row in rows)
    assert total == (wanted > 0).sum()


def exported(annotator: Annotator, folder: Path) -> Path:
    """A COCO file that the page downloads."""
    archive = export(annotator, folder, "coco")
    path = folder / "masks.json"
    path.write_bytes(archive.read(next(name for name in archive.namelist() if name.endswith(".json"))))
    return path


def send(annotator: Annotator, path: Path) -> None:
    """Import a file by the page."""
    page = annotator.page
    page.click("button[data-action=import]")
    page.set_input_files("dialog input[type=file]", path)
    page.click("dialog button[type=submit]")


def test_masks_are_imported(annotator: Annotator, server: Server, tmp_path: Path) -> None:
    """What was exported comes back as corrections of new objects, which one undo takes away."""
    annotator.mark(60, 70)
    path = exported(annotator, tmp_path)
    send(annotator, path)
    annotator.wait_for("Import is done")
    one, two = (server.project.shown(CLIP, 0, k) for k in (1, 2))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.mask, two.mask)
    annotator.press("Control+z")
    annotator.wait_for("Undone")
    assert server.project.state.visible == (1,)


LATE = """
window.EventSource = class extends EventSource {
  addEventListener(kind, handler) {
    const late = (event) => setTimeout(() => handler(event), 1500);
    super.addEventListener(kind, kind === "job" ? late : handler);
  }
};
"""
"""Messages about jobs come late."""


def test_an_end_that_is_known_before_its_message(annotator: Annotator, tmp_path: Path) -> None:
    """The project, which is asked for after an import, may tell that it is done before the stream does."""
    annotator.mark(60, 70)
    path = exported(annotator, tmp_path)
    page = annotator.page
    page.add_init_script(LATE)
    page.reload()
    annotator.wait_until_shown(0)
    send(annotator, path)
    page.set_default_timeout(10_000)
    annotator.wait_for("Import is done")
    page.wait_for_timeout(2000)
    assert not page.is_visible("#job-progress"), "a late message takes the end back"


def test_a_project_has_several_videos(
    project: Project, clip: Path, server: Server, open_page: Callable[..., Annotator]
) -> None:
    """Objects are the same in all of them, masks are not."""
    project.add_video(clip, "second")
    annotator = open_page(server.address).wait_until_shown(0)
    annotator.mark(60, 70).go_to(20)
    annotator.page.select_option("#video", "second")
    annotator.wait_until_shown(0)
    assert not annotator.overlay(SIZE).any()
    annotator.mark(200, 100)
    state = server.project.state
    assert state.track("second", 1).anchors.keys() == {0}
    assert state.track(CLIP, 1).anchors.keys() == {0}
    annotator.page.select_option("#video", CLIP)
    annotator.wait_until_shown(0)
    assert annotator.overlay(SIZE)[70, 60]


def test_a_project_without_videos(tmp_path: Path, clip: Path, open_page: Callable[..., Annotator]) -> None:
    """It says what to do, whatever is pressed, and shows the first video that is added."""
    empty = Project.create(tmp_path / "empty", annotator="anna")
    with serving(empty, Options()) as address:
        annotator = open_page(address)
        page = annotator.page
        page.wait_for_selector("#notice:has-text('vos project add PROJECT VIDEO')")
        page.evaluate(
            """() => {
              const line = document.getElementById("message");
              window.said = [];
              new MutationObserver(() => said.push(line.textContent)).observe(line, { childList: true });
            }"""
        )
        for binding in page.evaluate("import('/js/keys.js').then(({ BINDINGS }) => BINDINGS)"):
            if binding["id"] != "help":
                annotator.press(*(key.replace("Ctrl", "Control") for key in binding["keys"]))
        # Answers of the server, such as that there is nothing to redo, may come after it.
        page.wait_for_function("() => said.some((text) => text.includes('no video yet'))")
        box = page.locator("#timeline-canvas").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 50, box["y"] + 5)
        annotator.page.close()


def test_a_read_only_page_changes_nothing(project: Project, open_page: Callable[..., Annotator]) -> None:
    """It shows everything, and says why nothing can be drawn."""
    project.close()
    reading = Project.open(project.folder, annotator="ben", read_only=True)
    with serving(reading, Options()) as address:
        annotator = open_page(address).wait_until_shown(0)
        annotator.click(60, 70)
        annotator.wait_for("open read-only")
        assert annotator.page.is_disabled("button[data-action=track]")
        for key in ("n", "x", "a", "Shift+T", "Enter", "Control+z"):
            annotator.press("q")
            annotator.wait_for("Left click")
            annotator.press(key)
            annotator.wait_for("open read-only: nothing can be changed")
        annotator.press("f").wait_until_shown(1)
        annotator.page.close()
