// The frame on screen: its picture, the masks over it, and what is being drawn.

import { contours, measure, runsOf } from "./runs.js";
import { stepMask } from "./drafts.js";
import { channels, inkOn } from "./palette.js";
import { REJECTED, STALE } from "./strip.js";
import { byId, fitted } from "./dom.js";

const FILL = 100; // opacity of masks, of 255
const LABEL = 8; // widest label of a small object, in units of its letters' height
const SHARP = 2; // magnification from which pixels are shown as squares

/**
 * @typedef {object} Viewer
 * @property {(event: {clientX: number, clientY: number}) => [number, number]} toImage
 *   Position in the frame; pixel centres are whole numbers.
 * @property {(factor: number, at?: {clientX: number, clientY: number}) => void} zoom
 * @property {(dx: number, dy: number) => void} pan
 * @property {() => void} fit
 * @property {() => void} draw  Soon.
 * @property {() => number} pictureWidth  Device pixels that a whole frame is wide on screen.
 * @property {() => number} scale  CSS pixels per pixel of the frame.
 */

/**
 * @param {object} app
 * @param {import("./store.js").Store} app.store
 * @param {import("./pictures.js").Pictures} app.pictures
 * @param {import("./masks.js").Masks} app.masks
 * @param {any} app.drafts
 * @param {(id: number) => string} app.color
 * @param {(id: number) => string} app.nameOf
 * @returns {Viewer}
 */
export function createViewer({ store, pictures, masks, drafts, color, nameOf }) {
  const stage = byId("stage");
  const [pictureCanvas, overlay] = [byId("picture"), byId("overlay")];
  const pictureContext = pictureCanvas.getContext("2d");
  const context = overlay.getContext("2d");
  const layer = document.createElement("canvas");
  const view = { scale: 1, x: 0, y: 0, isFitted: true };
  let isScheduled = false;
  /** @type {{parts: any[], paths: Map<number, Path2D>, boxes: Map<number, any>, draftPath: Path2D | null}} */
  let drawn = { parts: [], paths: new Map(), boxes: new Map(), draftPath: null };

  const video = () => store.state.videos.get(store.state.video);

  function draw() {
    if (!isScheduled) {
      isScheduled = true;
      requestAnimationFrame(paint);
    }
  }

  function paint() {
    isScheduled = false;
    const { width, height } = stage.getBoundingClientRect();
    const ratio = window.devicePixelRatio;
    for (const canvas of [pictureCanvas, overlay]) {
      const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    }
    if (!video()) return;
    if (view.isFitted) fitNow(width, height);
    paintPicture(ratio);
    paintOverlay(ratio);
  }

  function fitNow(width, height) {
    const margin = 8;
    const { width: w, height: h } = video();
    view.scale = Math.max(0.01, Math.min((width - 2 * margin) / w, (height - 2 * margin) / h));
    view.x = (width - w * view.scale) / 2;
    view.y = (height - h * view.scale) / 2;
  }

  function useFrameCoordinates(target, ratio) {
    const scale = view.scale * ratio;
    target.setTransform(scale, 0, 0, scale, view.x * ratio, view.y * ratio);
    target.imageSmoothingEnabled = view.scale < SHARP;
  }

  function paintPicture(ratio) {
    const { shown } = store.state;
    pictureContext.setTransform(1, 0, 0, 1, 0, 0);
    pictureContext.clearRect(0, 0, pictureCanvas.width, pictureCanvas.height);
    const picture = shown === null ? undefined : pictures.get(shown);
    if (!picture) return;
    useFrameCoordinates(pictureContext, ratio);
    pictureContext.drawImage(picture, 0, 0, video().width, video().height);
    pictureCanvas.dataset.frame = String(shown);
  }

  function paintOverlay(ratio) {
    const { shown, hideMasks, labels, object } = store.state;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, overlay.width, overlay.height);
    if (shown === null) return;
    const runs = masks.get(shown);
    const step =
      shown === store.state.frame ? drafts.step(drafts.get(video().key, shown, object)) : undefined;
    renderMasks(runs, step);
    Object.assign(overlay.dataset, {
      frame: shown,
      scale: view.scale,
      x: view.x,
      y: view.y,
      masks: runs && masks.isCurrent(shown) ? "current" : "waiting",
    });
    useFrameCoordinates(context, ratio);
    if (!hideMasks) {
      context.drawImage(layer, 0, 0);
      for (const [id, path] of drawn.paths) outline(path, color(id), id === object ? 2.5 : 1.5);
      if (drawn.draftPath) outline(drawn.draftPath, "#ffffff", 2.5);
      if (labels) for (const [id, { box }] of drawn.boxes) label(id, box);
    }
    paintPrompts(step);
  }

  /** Fills the layer of masks anew, if anything it depends on has changed. */
  function renderMasks(runs, step) {
    const { hidden, only, object, strip, palette, shown, objects } = store.state;
    const parts = [
      runs,
      step,
      step?.mask,
      hidden,
      only,
      object,
      strip,
      palette,
      shown,
      objects,
      store.state.video,
    ];
    if (parts.length === drawn.parts.length && parts.every((part, k) => part === drawn.parts[k])) return;
    const { width, height } = video();
    Object.assign(layer, { width, height }); // clears it as well
    drawn = { parts, paths: new Map(), boxes: new Map(), draftPath: null };
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const draft = step && stepMask(step, width * height);
    const isVisible = (id) =>
      objects.has(id) && !hidden.has(id) && (!only || id === object) && !(draft && id === object);
    if (runs) {
      fillRuns(pixels, runs, isVisible);
      for (const [id, segments] of contours(runs)) if (isVisible(id)) drawn.paths.set(id, pathOf(segments));
      for (const [id, entry] of measure(runs)) if (isVisible(id)) drawn.boxes.set(id, entry);
    }
    if (draft) {
      const fill = rgba(color(object), FILL + 15);
      for (let at = 0; at < draft.length; at++) if (draft[at]) pixels[at] = fill;
      const draftRuns = runsOf(draft, width, height, shown);
      drawn.draftPath = pathOf(contours(draftRuns).get(1) ?? []);
      const entry = measure(draftRuns).get(1);
      if (entry) drawn.boxes.set(object, entry);
    }
    layer.getContext("2d").putImageData(image, 0, 0);
  }

  function fillRuns(pixels, runs, isVisible) {
    const { strip, shown } = store.state;
    let start = 0;
    for (let k = 0; k < runs.lengths.length; k++) {
      const end = start + runs.lengths[k];
      const id = runs.labels[k];
      if (id && isVisible(id)) {
        const fill = rgba(color(id), FILL);
        const state = strip?.objects.get(id)?.state[shown];
        if (state === STALE || state === REJECTED)
          hatch(pixels, runs.width, start, end, fill, state === REJECTED);
        else pixels.fill(fill, start, end);
      }
      start = end;
    }
  }

  /** Stripes say "out of date", a grid says "rejected": not by colour alone. */
  function hatch(pixels, width, start, end, fill, isGrid) {
    const period = Math.max(4, Math.round(8 / view.scale));
    for (let at = start; at < end; at++) {
      const x = at % width;
      const y = (at - x) / width;
      const isStripe = (x + y) % period < period / 2;
      if (isGrid ? x % period < period / 3 || y % period < period / 3 : isStripe) pixels[at] = fill;
    }
  }

  /** A line of constant width on screen, with a dark rim so that it shows on any picture. */
  function outline(path, stroke, width) {
    context.lineWidth = (width + 2) / view.scale;
    context.strokeStyle = "rgb(0 0 0 / 65%)";
    context.stroke(path);
    context.lineWidth = width / view.scale;
    context.strokeStyle = stroke;
    context.stroke(path);
  }

  function label(id, [x0, y0, x1]) {
    const size = rem(0.85) / view.scale;
    context.font = `600 ${size}px system-ui, sans-serif`;
    // A long name must not cover the neighbours.
    const text = fitted(context, `${id} ${nameOf(id)}`.trim(), Math.max(x1 + 1 - x0, LABEL * size) - size * 0.7);
    const width = context.measureText(text).width + size * 0.7;
    const top = Math.max(0, y0 - size * 1.45);
    const left = Math.min(Math.max(0, x0), Math.max(0, video().width - width));
    context.fillStyle = color(id);
    context.beginPath();
    context.roundRect(left, top, width, size * 1.35, size * 0.25);
    context.fill();
    context.fillStyle = inkOn(color(id));
    context.fillText(text, left + size * 0.35, top + size);
  }

  function paintPrompts(step) {
    const { polygon, drag, pointer, tool, brush, crosshair, object } = store.state;
    const unit = 1 / view.scale;
    for (const [x, y, isOn] of step?.points ?? []) mark(x, y, isOn, unit);
    if (step?.box) rectangle(step.box, unit);
    if (drag?.box) rectangle(drag.box, unit);
    if (drag?.strokes) {
      context.strokeStyle = drag.value ? color(object) : "#ffffff";
      context.globalAlpha = 0.75;
      Object.assign(context, { lineWidth: brush, lineCap: "round", lineJoin: "round" });
      line(drag.strokes);
      context.globalAlpha = 1;
      Object.assign(context, { lineCap: "butt", lineJoin: "miter" });
    }
    if (polygon.length) paintPolygon(polygon, crosshair ?? pointer, unit);
    const tip = crosshair ?? pointer;
    if (tip && (tool === "brush" || tool === "eraser")) {
      circle(tip[0], tip[1], brush / 2, unit, tool === "eraser" ? [4 * unit, 3 * unit] : []);
    }
    if (crosshair) paintCrosshair(crosshair, unit);
  }

  function mark(x, y, isOn, unit) {
    const radius = 7 * unit;
    context.beginPath();
    context.arc(x + 0.5, y + 0.5, radius, 0, 2 * Math.PI);
    context.fillStyle = isOn ? "#00794f" : "#b3261e";
    context.fill();
    context.lineWidth = 2 * unit;
    context.strokeStyle = "#ffffff";
    context.stroke();
    context.beginPath();
    context.moveTo(x + 0.5 - radius / 2, y + 0.5);
    context.lineTo(x + 0.5 + radius / 2, y + 0.5);
    if (isOn) {
      context.moveTo(x + 0.5, y + 0.5 - radius / 2);
      context.lineTo(x + 0.5, y + 0.5 + radius / 2);
    }
    context.stroke();
  }

  /** A dashed line in black and white. */
  function dashed(unit, path) {
    context.lineWidth = 2 * unit;
    context.setLineDash([]);
    context.strokeStyle = "#000000";
    path();
    context.setLineDash([6 * unit, 6 * unit]);
    context.strokeStyle = "#ffffff";
    path();
    context.setLineDash([]);
  }

  const rectangle = ([x0, y0, x1, y1], unit) =>
    dashed(unit, () => context.strokeRect(x0, y0, x1 - x0 + 1, y1 - y0 + 1));

  function line(points) {
    context.beginPath();
    const [[x, y], ...rest] = points;
    context.moveTo(x + 0.5, y + 0.5);
    if (!rest.length) context.lineTo(x + 0.51, y + 0.5);
    for (const [px, py] of rest) context.lineTo(px + 0.5, py + 0.5);
    context.stroke();
  }

  function paintPolygon(points, pointer, unit) {
    dashed(unit, () => line(pointer ? [...points, pointer] : points));
    for (const [x, y] of points) circle(x, y, 4 * unit, unit, []);
  }

  function circle(x, y, radius, unit, dash) {
    context.beginPath();
    context.arc(x + 0.5, y + 0.5, radius, 0, 2 * Math.PI);
    context.lineWidth = 3 * unit;
    context.strokeStyle = "#000000";
    context.stroke();
    context.lineWidth = 1.5 * unit;
    context.strokeStyle = "#ffffff";
    context.setLineDash(dash);
    context.stroke();
    context.setLineDash([]);
  }

  function paintCrosshair([x, y], unit) {
    const reach = 14 * unit;
    dashed(unit, () => {
      context.beginPath();
      context.moveTo(x + 0.5 - reach, y + 0.5);
      context.lineTo(x + 0.5 + reach, y + 0.5);
      context.moveTo(x + 0.5, y + 0.5 - reach);
      context.lineTo(x + 0.5, y + 0.5 + reach);
      context.stroke();
    });
  }

  /** @returns {[number, number]} */
  function toImage({ clientX, clientY }) {
    const { left, top } = stage.getBoundingClientRect();
    return [(clientX - left - view.x) / view.scale - 0.5, (clientY - top - view.y) / view.scale - 0.5];
  }

  function zoom(factor, at) {
    const { left, top, width, height } = stage.getBoundingClientRect();
    const [x, y] = at ? [at.clientX - left, at.clientY - top] : [width / 2, height / 2];
    const scale = Math.min(40, Math.max(0.05, view.scale * factor));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    Object.assign(view, { scale, isFitted: false });
    drawn.parts = []; // stripes have their width on screen
    draw();
  }

  function pan(dx, dy) {
    Object.assign(view, { x: view.x + dx, y: view.y + dy, isFitted: false });
    draw();
  }

  function fit() {
    view.isFitted = true;
    drawn.parts = [];
    draw();
  }

  new ResizeObserver(draw).observe(stage);
  return {
    toImage,
    zoom,
    pan,
    fit,
    draw,
    pictureWidth: () => Math.ceil((video()?.width ?? 0) * view.scale * window.devicePixelRatio),
    scale: () => view.scale,
  };
}

/** @param {number[]} segments */
function pathOf(segments) {
  const path = new Path2D();
  for (let k = 0; k < segments.length; k += 4) {
    path.moveTo(segments[k], segments[k + 1]);
    path.lineTo(segments[k + 2], segments[k + 3]);
  }
  return path;
}

/** A pixel of `ImageData`, little endian. */
function rgba(color, alpha) {
  const [r, g, b] = channels(color);
  return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

const rem = (number) => number * parseFloat(getComputedStyle(document.documentElement).fontSize);
