// The timeline: a row per object with the state of every frame; above them the queue's frames, and who is to work on
// which frames.

import { byId, count, fitted } from "./dom.js";
import { moved, tickStep, zoomed } from "./frame_range.js";
import { ACCEPTED, ANCHOR, REJECTED, STALE, STATE_TEXT, UNKNOWN } from "./strip.js";

/**
 * @param {object} app
 * @param {import("./store.js").Store} app.store
 * @param {(id: number) => string} app.color
 * @param {any} app.drafts
 * @param {(frame: number) => void} app.goTo
 * @param {(id: number) => void} app.select
 */
export function createTimeline({ store, color, drafts, goTo, select }) {
  const slider = byId("timeline");
  const canvas = byId("timeline-canvas");
  const context = canvas.getContext("2d");
  let range = { first: 0, span: 1 };
  /** @type {{kind: "scrub" | "range", start: number, x: number} | null} */
  let dragging = null;
  let isScheduled = false;

  const numFrames = () => store.state.videos.get(store.state.video)?.frames ?? 1;
  const rows = () => store.state.visibleObjects;
  /** @returns {[number, number, string][]} first and last frame, and who is to work on them */
  const assigned = () => store.state.assigned[store.state.video] ?? [];
  const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
  const tickHeight = () => Math.round(1.5 * rem());
  const rulerHeight = () => tickHeight() + (assigned().length ? Math.round(1.2 * rem()) : 0);
  const rowHeight = () => Math.round(1.6 * rem());
  const xOf = (frame) => ((frame - range.first) / range.span) * slider.clientWidth;
  const frameAt = (event) => {
    const x = event.clientX - canvas.getBoundingClientRect().left;
    const frame = Math.floor(range.first + (x / slider.clientWidth) * range.span);
    return Math.min(numFrames() - 1, Math.max(0, frame));
  };

  function reset() {
    range = { first: 0, span: numFrames() };
    draw();
  }

  function zoom(factor, center) {
    range = zoomed(range, factor, center, numFrames());
    draw();
  }

  /** Around the frame on screen. */
  const zoomHere = (factor) => zoom(factor, store.state.frame);

  function moveTo(first) {
    range = moved(range, first, numFrames());
    draw();
  }

  function draw() {
    if (!isScheduled) {
      isScheduled = true;
      requestAnimationFrame(paint);
    }
  }

  function follow() {
    const { frame } = store.state;
    if (frame < range.first || frame >= range.first + range.span) moveTo(frame - range.span / 2);
  }

  function paint() {
    isScheduled = false;
    const ratio = window.devicePixelRatio;
    const width = slider.clientWidth;
    const height = rulerHeight() + Math.max(1, rows().length) * rowHeight();
    canvas.style.height = `${height}px`;
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(slider);
    const theme = Object.fromEntries(
      ["ink", "faint", "line", "doubt", "accent", "panel"].map((name) => [
        name,
        style.getPropertyValue(`--${name}`),
      ]),
    );
    paintRuler(width, theme);
    rows().forEach((id, row) => paintRow(id, rulerHeight() + row * rowHeight(), width, theme));
    paintQueue(theme);
    paintSelection(height, theme);
    paintPlayhead(height, theme);
    describe();
  }

  function paintRuler(width, theme) {
    context.font = `${0.72 * rem()}px system-ui, sans-serif`;
    context.fillStyle = theme.faint;
    context.strokeStyle = theme.line;
    const step = tickStep(range.span, width / (5 * rem()));
    context.beginPath();
    for (let tick = Math.ceil(range.first / step) * step; tick < range.first + range.span; tick += step) {
      const x = Math.round(xOf(tick)) + 0.5;
      context.moveTo(x, tickHeight() - 5);
      context.lineTo(x, tickHeight());
      context.fillText(String(tick), x + 3, tickHeight() - 5);
    }
    context.stroke();
    for (const entry of assigned()) paintAssigned(entry, width, theme);
  }

  /** A band with a name, which stays in sight while a part of the band is. */
  function paintAssigned([first, last, name], width, theme) {
    const [x0, x1] = [Math.max(0, xOf(first)), Math.min(width, xOf(last + 1))];
    if (x1 <= x0) return;
    const [top, height] = [tickHeight() + 1, rulerHeight() - tickHeight() - 2];
    context.fillStyle = theme.line;
    context.fillRect(x0, top, x1 - x0, height);
    context.fillStyle = theme.ink;
    context.fillRect(x0, top, 1, height);
    context.fillRect(x1 - 1, top, 1, height);
    context.fillText(fitted(context, name, x1 - x0 - 10), x0 + 5, top + height - 0.3 * rem());
  }

  function paintRow(id, top, width, theme) {
    const strip = store.state.strip?.objects.get(id);
    const height = rowHeight();
    if (id === store.state.object) {
      context.globalAlpha = 0.1;
      context.fillStyle = theme.accent;
      context.fillRect(0, top, width, height);
      context.globalAlpha = 1;
    }
    context.fillStyle = theme.line;
    context.fillRect(0, top + height - 1, width, 1);
    if (!strip) return;
    const bar = { top: top + 3, height: height - 7 };
    for (let x = 0; x < width;) x = paintSpan(strip, id, x, width, bar, theme);
    paintDoubt(strip, width, bar, theme);
    for (const [frame, origin] of strip.anchors) paintAnchor(frame, bar, origin === "absent", theme);
    for (const draft of drafts.all()) {
      if (draft.at > 0 && draft.video === store.state.video && draft.object === id)
        paintDraft(draft.frame, bar, theme);
    }
  }

  /** Paints the columns of one state, from `x` on; where the next one begins. */
  function paintSpan(strip, id, x, width, bar, theme) {
    const kind = columnKind(strip, x, width);
    let end = x + 1;
    while (end < width && columnKind(strip, end, width) === kind) end++;
    const [state, isEmpty] = [kind >> 1, kind & 1];
    if (state !== UNKNOWN) {
      const isFaint = state === STALE || state === REJECTED;
      context.globalAlpha = isFaint ? 0.35 : 0.8;
      context.fillStyle = color(id);
      const [top, height] = isEmpty ? [bar.top + bar.height / 2 - 1, 2] : [bar.top, bar.height];
      context.fillRect(x, top, end - x, height);
      context.globalAlpha = 1;
      if (isFaint) stripes(x, end, bar, theme, state === REJECTED);
      if (state === ACCEPTED || state === ANCHOR) {
        context.fillStyle = theme.ink;
        context.fillRect(x, bar.top + bar.height, end - x, 3);
      }
    }
    return end;
  }

  /** The most telling state of the frames in a column of pixels, and whether the object is empty there. */
  function columnKind(strip, x, width) {
    const first = Math.min(numFrames() - 1, Math.floor(range.first + (x / width) * range.span));
    const last = Math.max(first, Math.ceil(range.first + ((x + 1) / width) * range.span) - 1);
    let state = strip.state[first];
    let isEmpty = 1;
    for (let frame = first; frame <= Math.min(last, numFrames() - 1); frame++) {
      if (strip.state[frame] === REJECTED || strip.state[frame] === STALE) state = strip.state[frame];
      if (strip.area[frame]) isEmpty = 0;
    }
    return (state << 1) | isEmpty;
  }

  function stripes(x0, x1, bar, theme, isCrossed) {
    context.save();
    context.beginPath();
    context.rect(x0, bar.top, x1 - x0, bar.height);
    context.clip();
    context.strokeStyle = theme.ink;
    context.lineWidth = 1;
    context.beginPath();
    for (let x = Math.floor(x0 / 6) * 6 - bar.height; x < x1; x += 6) {
      context.moveTo(x, bar.top + bar.height);
      context.lineTo(x + bar.height, bar.top);
      if (isCrossed) {
        context.moveTo(x, bar.top);
        context.lineTo(x + bar.height, bar.top + bar.height);
      }
    }
    context.stroke();
    context.restore();
  }

  function paintDoubt(strip, width, bar, theme) {
    context.fillStyle = theme.doubt;
    for (let x = 0; x < width; x += 2) {
      const first = Math.floor(range.first + (x / width) * range.span);
      const last = Math.max(first, Math.ceil(range.first + ((x + 2) / width) * range.span) - 1);
      let most = 0;
      for (let frame = first; frame <= Math.min(last, numFrames() - 1); frame++) {
        most = Math.max(most, strip.doubt[frame]);
      }
      const height = Math.round((most / 255) * bar.height);
      if (height > 1) context.fillRect(x, bar.top + bar.height - height, 2, height);
    }
  }

  const middleOf = (frame) => (xOf(frame) + xOf(frame + 1)) / 2;

  function paintAnchor(frame, bar, isAbsent, theme) {
    const [x, y, size] = [middleOf(frame), bar.top + bar.height / 2, bar.height / 2 + 1];
    context.beginPath();
    context.moveTo(x, y - size);
    context.lineTo(x + size, y);
    context.lineTo(x, y + size);
    context.lineTo(x - size, y);
    context.closePath();
    context.fillStyle = isAbsent ? theme.panel : theme.ink;
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = isAbsent ? theme.ink : theme.panel;
    context.stroke();
  }

  function paintDraft(frame, bar, theme) {
    context.beginPath();
    context.arc(middleOf(frame), bar.top + bar.height / 2, bar.height / 2, 0, 2 * Math.PI);
    context.setLineDash([3, 2]);
    context.lineWidth = 2;
    context.strokeStyle = theme.ink;
    context.stroke();
    context.setLineDash([]);
  }

  function paintQueue(theme) {
    context.fillStyle = theme.doubt;
    for (const item of store.state.queue?.items ?? []) {
      if (item.video !== store.state.video) continue;
      const x = middleOf(item.frame);
      context.beginPath();
      context.moveTo(x - 5, 1);
      context.lineTo(x + 5, 1);
      context.lineTo(x, 8);
      context.fill();
    }
  }

  function paintSelection(height, theme) {
    const { selection } = store.state;
    if (!selection) return;
    const [x0, x1] = [xOf(selection.first), xOf(selection.last + 1)];
    context.globalAlpha = 0.25;
    context.fillStyle = theme.accent;
    context.fillRect(x0, 0, x1 - x0, height);
    context.globalAlpha = 1;
    context.fillRect(x0 - 1, 0, 2, height);
    context.fillRect(x1 - 1, 0, 2, height);
  }

  function paintPlayhead(height, theme) {
    const [x0, x1] = [xOf(store.state.frame), xOf(store.state.frame + 1)];
    context.fillStyle = theme.accent;
    context.globalAlpha = 0.3;
    context.fillRect(x0, 0, Math.max(1, x1 - x0), height);
    context.globalAlpha = 1;
    context.fillRect((x0 + x1) / 2 - 1, 0, 2, height);
  }

  /** What the timeline shows of this frame, for those who do not see it. */
  function describe() {
    const { frame, strip } = store.state;
    const states = rows().map(
      (id) => `object ${id} ${STATE_TEXT[strip?.objects.get(id)?.state[frame] ?? UNKNOWN]}`,
    );
    slider.setAttribute("aria-valuemax", String(numFrames() - 1));
    slider.setAttribute("aria-valuenow", String(frame));
    const here = assigned().filter(([first, last]) => first <= frame && frame <= last);
    const text = [
      `frame ${frame} of ${numFrames()}`,
      ...here.map(([, , name]) => `assigned to ${name}`),
      count(states.length, "object"),
      ...states,
    ].join(", ");
    slider.setAttribute("aria-valuetext", text);
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    const y = event.clientY - canvas.getBoundingClientRect().top;
    const frame = frameAt(event);
    const id = rows()[Math.floor((y - rulerHeight()) / rowHeight())];
    dragging = { kind: y < rulerHeight() ? "scrub" : "range", start: frame, x: event.clientX };
    if (dragging.kind === "range" && id !== undefined) select(id);
    store.set({ selection: null });
    goTo(frame);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!dragging) return;
    const frame = frameAt(event);
    goTo(frame);
    if (dragging.kind === "range" && Math.abs(event.clientX - dragging.x) > 4) {
      store.set({
        selection: { first: Math.min(frame, dragging.start), last: Math.max(frame, dragging.start) },
      });
    }
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (dragging = null));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const sideways = event.shiftKey ? event.deltaY : event.deltaX;
      if (Math.abs(sideways) > Math.abs(event.deltaY) || event.shiftKey) {
        moveTo(range.first + (sideways / slider.clientWidth) * range.span);
      } else {
        zoom(Math.exp(event.deltaY / 300), frameAt(event));
      }
    },
    { passive: false },
  );
  new ResizeObserver(draw).observe(slider);
  store.on(["frame"], follow);
  store.on(["video", "videos"], reset);
  store.on(
    [
      "frame",
      "strip",
      "queue",
      "selection",
      "object",
      "visibleObjects",
      "objects",
      "palette",
      "theme",
      "drafts",
      "assigned",
    ],
    draw,
  );
  return { zoom: zoomHere, showAll: reset };
}
