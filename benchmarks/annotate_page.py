"""How fast the page of ``vos annotate`` is in Chromium: clicks, stepping, scrubbing, jumps.

    python benchmarks/annotate_page.py clip.mp4 --json page.json

Times are wall times in the page, from the event to what it draws; the yardstick is the processor time to
decode a frame and encode it as JPEG, in the same run. VOS_CHROMIUM names the browser, else ``chromium``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from annotate import yardstick
from common import RESULTS, write_json
from playwright.sync_api import Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]

UNTIL = """
window.until = async (condition) => {
  const start = performance.now();
  while (!condition()) {
    await new Promise(requestAnimationFrame);
    if (performance.now() - start > 60000) throw new Error(`waited in vain for ${condition}`);
  }
  return performance.now() - start;
};
"""

STEP = """async ([key, frame]) => {
  const { dataset } = document.getElementById("overlay");
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  return until(() => Number(dataset.frame) === frame);
}"""

SCRUB = """async (moves) => {
  const canvas = document.getElementById("timeline-canvas");
  const { dataset } = document.getElementById("overlay");
  const { left, top, width } = canvas.getBoundingClientRect();
  const send = (type, x) => canvas.dispatchEvent(
    new PointerEvent(type, { clientX: left + x, clientY: top + 3, pointerId: 1, bubbles: true }));
  canvas.setPointerCapture = () => {};
  send("pointerdown", 0.3 * width);
  const shown = new Set();
  const start = performance.now();
  for (let move = 0; move < moves; move++) {
    send("pointermove", (0.3 + 0.2 * move / moves) * width);
    await new Promise(requestAnimationFrame);
    shown.add(dataset.frame);
  }
  send("pointerup", 0);
  return [shown.size, (performance.now() - start) / 1000];
}"""

CLICK = """async ([x, y]) => {
  const overlay = document.getElementById("overlay");
  const message = document.getElementById("message");
  message.textContent = "";
  const { left, top } = overlay.getBoundingClientRect();
  const at = overlay.dataset;
  overlay.setPointerCapture = () => {};
  overlay.dispatchEvent(new PointerEvent("pointerdown", {
    clientX: left + Number(at.x) + x * Number(at.scale), clientY: top + Number(at.y) + y * Number(at.scale),
    pointerId: 1, bubbles: true,
  }));
  return until(() => message.textContent.includes("Enter keeps"));
}"""


def row(what: str, times: list[float], **more: Any) -> dict[str, Any]:
    """Median and worst of wall times in milliseconds."""
    return {
        "what": what,
        "repeats": len(times),
        "wall_ms_median": round(statistics.median(times), 1),
        "wall_ms_worst": round(max(times), 1),
        **more,
    }


def measure(page: Page, address: str, repeats: int) -> list[dict[str, Any]]:
    """All rows."""
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("#overlay[data-frame='0']")
    rows = [row("first picture", [1000 * (time.perf_counter() - start)])]
    page.wait_for_function("() => document.getElementById('saved').textContent === 'Saved'", timeout=120_000)
    frames = int(page.get_attribute("#timeline", "aria-valuemax") or 0) + 1
    page.wait_for_timeout(3000)
    rows.append(row("next frame, fetched before", [page.evaluate(STEP, ["f", n + 1]) for n in range(20)]))
    page.wait_for_timeout(1000)
    rows.append(row("previous frame, seen before", [page.evaluate(STEP, ["d", 19 - n]) for n in range(20)]))
    shown, seconds = page.evaluate(SCRUB, 10 * repeats)
    rows.append({"what": "scrubbing", "frames_shown": shown, "frames_per_second": round(shown / seconds, 1)})
    rows.append(row("jump to the last frame", [page.evaluate(STEP, ["End", frames - 1])]))
    page.evaluate(STEP, ["Home", 0])
    page.wait_for_timeout(2000)
    clicks = [page.evaluate(CLICK, [100 + 7 * n, 90 + 5 * n]) for n in range(repeats)]
    rows.append(row("click to mask", clicks[1:], first_ms=round(clicks[0], 1)))
    return rows


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("--segmenter", default="classical")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path, default=RESULTS / "annotate_page.json")
    options = parser.parse_args()
    browser = os.environ.get("VOS_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        source = Path(folder) / options.video.name
        source.symlink_to(options.video.resolve())
        command = [sys.executable, "-m", "vos_cli", "annotate", str(source), "--no-browser", "-q"]
        server = subprocess.Popen(
            [*command, "--segmenter", options.segmenter], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        try:
            opened = playwright.chromium.launch(executable_path=browser, args=FLAGS)
            page = opened.new_page(viewport={"width": 1280, "height": 720})
            page.add_init_script(UNTIL)
            rows = measure(page, server.stdout.readline().strip(), options.repeats)
            version = opened.version
            opened.close()
        finally:
            server.terminate()
            server.wait()
    settings = {
        "video": options.video.name,
        "segmenter": options.segmenter,
        "chromium": version,
        "yardstick_processor_ms": round(yardstick(options.video), 2),
    }
    write_json(options.json, "annotate_page", settings, rows)
    for entry in rows:
        print(entry)


if __name__ == "__main__":
    main()
