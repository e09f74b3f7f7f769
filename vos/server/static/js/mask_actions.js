// Actions on the mask of the selected object in the frame on screen.

import { ask } from "./dialogs.js";
import { count } from "./dom.js";
import { stepMask } from "./drafts.js";
import { area } from "./drawing.js";
import { rangeOf, rangeText, titleOf, videoOf } from "./here.js";
import { pixelsOf, runsOf } from "./runs.js";
import { ANCHOR } from "./strip.js";

const STEP = 10; // pixels per move of the crosshair

/** @param {any} app  See `main.js`. */
export function maskActions(app) {
  const { store, drafts, masks, editing, announce } = app;
  const state = store.state;
  const send = (events, text, more = {}) => app.sync.send({ events, text, ...more });

  async function commit() {
    const { polygon } = state;
    if (state.drag?.isByKey) return endDrag();
    if (polygon.length) {
      if (polygon.length < 3) return announce("A polygon has at least three corners.");
      store.set({ polygon: [] });
      return editing.polygon(polygon, 1);
    }
    await editing.settled();
    const draft = editing.current();
    const step = drafts.step(draft);
    if (!step) return announce("Nothing is unfinished in this frame. A accepts the mask as it is.");
    if (!(await editing.answered(draft)) || drafts.get(draft.video, draft.frame, draft.object) !== draft) return;
    const { frame, object } = draft;
    const { width, height } = videoOf(state);
    const pixels = stepMask(step, width * height);
    const isEmpty = area(pixels) === 0;
    const prompt = {
      points: step.points.map(([x, y]) => [x, y]),
      labels: step.points.map(([, , isOn]) => isOn),
      ...(step.box ? { box: step.box } : {}),
    };
    const event = {
      kind: "anchor",
      video: draft.video,
      frame,
      object,
      mask: isEmpty ? null : { sent: 0 },
      origin: step.origin,
      prompt,
      ...(step.origin === "clicked" ? { by: { name: state.segmenter.name } } : {}),
    };
    const sent = isEmpty ? [] : [{ video: draft.video, frame, object, width, height, mask: step.mask }];
    putLocally(frame, object, pixels);
    drafts.remove(draft);
    const text = `correction of ${titleOf(state, object)} in frame ${frame}`;
    // The object is gone if adding it was undone: it comes back with its mask.
    const events = state.objects.has(object) ? [event] : [{ kind: "object", object }, event];
    const answer = await send(events, text, { masks: sent, since: draft.since });
    if (answer) return announce(`Kept: ${text}. T tracks what follows from it.`);
    return drafts.restore(draft); // it was refused: the mask is unfinished again
  }

  /** Shows a mask that the server does not have yet as it will. */
  function putLocally(frame, object, mask) {
    const runs = masks.get(frame);
    if (!runs) return;
    const pixels = pixelsOf(runs);
    for (let at = 0; at < pixels.length; at++) {
      if (mask[at]) pixels[at] = object;
      else if (pixels[at] === object) pixels[at] = 0;
    }
    masks.put(frame, runsOf(pixels, runs.width, runs.height, frame));
    store.set({ masksRevision: state.masksRevision + 1 });
  }

  function drop() {
    if (state.drag) return store.set({ drag: null });
    if (state.polygon.length) return store.set({ polygon: [] });
    if (state.crosshair) store.set({ crosshair: null });
    const draft = editing.current();
    if (draft) {
      drafts.drop(draft);
      return announce("Dropped the unfinished mask. Undo brings it back.");
    }
    return store.set({ selection: null, marking: null, playing: false });
  }

  async function absent() {
    const object = await app.ensureObject();
    const { frame } = state;
    const draft = editing.current();
    const takeBack = draft ? drafts.drop(draft) : () => {};
    putLocally(frame, object, new Uint8Array(videoOf(state).width * videoOf(state).height));
    const event = { kind: "anchor", video: state.video, frame, object, mask: null, origin: "drawn" };
    if (await send([event], `${titleOf(state, object)} absent in frame ${frame}`))
      announce(`${titleOf(state, object)} is absent in frame ${frame}.`);
    else takeBack();
  }

  async function unanchor() {
    const { frame, object } = state;
    if (state.strip?.objects.get(object)?.state[frame] !== ANCHOR)
      return void announce("There is no correction of this object in this frame.");
    const event = { kind: "unanchor", video: state.video, frame, object };
    if (await send([event], `remove the correction in frame ${frame}`))
      announce(`Removed the correction of ${titleOf(state, object)} in frame ${frame}.`);
  }

  async function hideRange() {
    const { object } = state;
    const { first, last } = rangeOf(state);
    const event = { kind: "hide", video: state.video, object, first, last };
    if (!(await send([event], "absent in a range"))) return;
    store.set({ selection: null });
    announce(`${titleOf(state, object)} is absent in ${rangeText({ first, last })}.`);
  }

  function lastClick() {
    if (state.polygon.length) return store.set({ polygon: state.polygon.slice(0, -1) });
    return editing.takeBackClick();
  }

  async function coordinates() {
    const number = "[-+]?\\d+(?:\\.\\d+)?";
    const { width, height } = videoOf(state);
    const read = (text) => (text.match(new RegExp(number, "g")) ?? []).map(Number);
    const values = await ask({
      title: "Type points or a box",
      text: `The frame is ${width} x ${height} pixels, the origin is its top left corner.`,
      fields: [
        {
          name: "kind",
          label: "What",
          type: "select",
          options: ["On the object", "Off the object", "Box"].map((text) => ({ value: text, text })),
        },
        { name: "numbers", label: "x y, or x0 y0 x1 y1", type: "text", placeholder: "120 80" },
      ],
      submit: "Mark",
      check: ({ kind, numbers }) => {
        const found = read(numbers);
        if (found.length !== (kind === "Box" ? 4 : 2))
          return `Give ${kind === "Box" ? "four numbers" : "two numbers"}.`;
        const isInside = found.every((value, k) => value >= 0 && value < (k % 2 ? height : width));
        return isInside ? null : `That is outside the frame of ${width} x ${height} pixels.`;
      },
    });
    if (!values) return;
    const [x, y, x1, y1] = read(values.numbers);
    if (values.kind === "Box") await editing.box([x, y, x1, y1]);
    else await editing.click([[x, y, values.kind.startsWith("On") ? 1 : 0]]);
  }

  function moveCrosshair(dx, dy, event) {
    const { width, height } = videoOf(state);
    const [x, y] = state.crosshair ?? [Math.floor(width / 2), Math.floor(height / 2)];
    const step = event?.shiftKey ? 1 : STEP;
    const limit = (value, size) => Math.min(size - 1, Math.max(0, value));
    const next = [limit(x + dx * step, width), limit(y + dy * step, height)];
    store.set({ crosshair: next });
    const { drag } = state;
    if (drag?.box) store.set({ drag: { ...drag, box: [...drag.box.slice(0, 2), ...next] } });
    else if (drag) store.set({ drag: { ...drag, strokes: [...drag.strokes, next] } });
    announce(`Crosshair at ${next.join(", ")}.`);
  }

  /** What pressing the left (1) or the right (0) button does with the mouse. @param {0 | 1} isOn */
  function pressAtCrosshair(isOn) {
    const { crosshair, polygon, tool } = state;
    if (!crosshair) return moveCrosshair(0, 0);
    if (state.drag) return endDrag();
    if (tool === "polygon") {
      const corners = isOn ? [...polygon, crosshair] : polygon.slice(0, -1);
      store.set({ polygon: corners });
      return announce(`${count(corners.length, "corner")}. Enter closes the polygon.`);
    }
    if (tool === "brush" || tool === "eraser") {
      const value = tool === "brush" ? isOn : 1 - isOn;
      store.set({ drag: { strokes: [crosshair], value, isByKey: true } });
      return announce(`${value ? "Painting" : "Erasing"}: move the crosshair; the same key ends it.`);
    }
    if (tool === "box" && isOn) {
      store.set({ drag: { box: [...crosshair, ...crosshair], isByKey: true } });
      return announce("A corner of the box: move the crosshair to the opposite one, and press the same key.");
    }
    return editing.click([[...crosshair, isOn]]);
  }

  /** Ends a stroke or a box drawn by keys. */
  function endDrag() {
    const { drag } = state;
    store.set({ drag: null });
    return drag.box ? editing.box(drag.box) : editing.brush(drag.strokes, state.brush, drag.value);
  }

  const resizeBrush = (factor) => () => {
    const size = Math.round(
      factor > 1 ? Math.max(state.brush + 1, state.brush * factor) : state.brush * factor,
    );
    store.set({ brush: Math.min(200, Math.max(1, size)) });
  };
  const useTool = (tool) => () => {
    store.set({ tool, polygon: [], drag: null });
    announce(TOOL_HINTS[tool]);
  };

  return {
    ...Object.fromEntries(Object.keys(TOOL_HINTS).map((tool) => [`tool-${tool}`, useTool(tool)])),
    smaller: resizeBrush(0.8),
    larger: resizeBrush(1.25),
    "fill-holes": editing.holes,
    "cursor-left": (event) => moveCrosshair(-1, 0, event),
    "cursor-right": (event) => moveCrosshair(1, 0, event),
    "cursor-up": (event) => moveCrosshair(0, -1, event),
    "cursor-down": (event) => moveCrosshair(0, 1, event),
    "click-on": () => pressAtCrosshair(1),
    "click-off": () => pressAtCrosshair(0),
    coordinates,
    "last-click": lastClick,
    commit,
    drop,
    absent,
    unanchor,
    "hide-range": hideRange,
  };
}

const TOOL_HINTS = {
  click: "Left click on the object, right click off it.",
  box: "Drag a box around the object.",
  brush: "Paint the object; the right button erases. [ and ] change the size.",
  eraser: "Erase; the right button paints. [ and ] change the size.",
  polygon: "Click corner by corner; Enter or a click on the first corner closes.",
};
