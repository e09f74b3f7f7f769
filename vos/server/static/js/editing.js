// What clicks and strokes do to the unfinished mask of the selected object in the frame on screen.

import { decode, packMask } from "./api.js";
import { area, fillHoles, fillPolygon, stroke } from "./drawing.js";
import { stepMask } from "./drafts.js";
import { maskOf } from "./runs.js";

/** A step that begins anew: undo goes back to the mask before it. */
const NEW = { points: [], box: null, sent: 0, base: "none", mask: null, score: null };

/**
 * @param {object} app
 * @param {import("./store.js").Store} app.store
 * @param {import("./masks.js").Masks} app.masks
 * @param {any} app.drafts
 * @param {() => Promise<number>} app.ensureObject  The selected object; adds one if there is none.
 * @param {(text: string) => void} app.announce
 */
export function createEditing({ store, masks, drafts, ensureObject, announce }) {
  let seq = 0;
  let asking = 0;
  /** @type {WeakMap<import("./drafts.js").Step, Promise<void>>}  Steps whose first answer is on its way. */
  const pending = new WeakMap();
  /** @type {Set<Promise<any>>}  Clicks and strokes whose object is still being added to the project. */
  const entering = new Set();

  const video = () => store.state.videos.get(store.state.video);

  /** The unfinished mask here, if it has anything in it. */
  function current() {
    const { video: key, frame, object } = store.state;
    const draft = drafts.get(key, frame, object);
    return draft && draft.at > 0 ? draft : undefined;
  }

  /** Whether the frame on screen is the one that is wanted: nothing is drawn on another. */
  function isReady() {
    if (store.state.readOnly) announce("The project is open read-only.");
    else if (store.state.shown === store.state.frame) return true;
    return false;
  }

  /**
   * @param {[number, number, 0 | 1][]} points
   * @param {boolean} isFresh  Begin with nothing, whatever mask there is.
   */
  async function click(points, isFresh = false) {
    if (isReady()) await ask(await entered(addClick(points, isFresh)));
  }

  async function addClick(points, isFresh) {
    const object = await ensureObject();
    const { frame } = store.state;
    const known = isFresh ? [] : (drafts.step(current())?.points ?? []);
    return drafts.add(video().key, frame, object, isFresh ? "none" : "shown", {
      ...(isFresh ? NEW : {}),
      points: [...known, ...points.map(([x, y, isOn]) => [...inside(x, y), isOn])],
      answered: false,
      origin: "clicked",
    });
  }

  /** @param {[number, number, number, number]} corners */
  async function box([x0, y0, x1, y1]) {
    if (!isReady()) return;
    const [left, top] = inside(Math.min(x0, x1), Math.min(y0, y1));
    const [right, bottom] = inside(Math.max(x0, x1), Math.max(y0, y1));
    if (right - left < 2 || bottom - top < 2)
      return announce("Drag from one corner of the object to the other.");
    await ask(await entered(addBox([left, top, right, bottom])));
  }

  async function addBox(corners) {
    const object = await ensureObject();
    return drafts.add(video().key, store.state.frame, object, "none", {
      ...NEW,
      box: corners,
      answered: false,
      origin: "clicked",
    });
  }

  /** A step that is on its way into an unfinished mask. */
  async function entered(step) {
    entering.add(step);
    try {
      return await step;
    } finally {
      entering.delete(step);
    }
  }

  /** Until all that was clicked and drawn so far is part of an unfinished mask. */
  const settled = () => Promise.allSettled(entering);

  /** The nearest pixel of the frame. */
  function inside(x, y) {
    const limit = (value, size) => Math.min(size - 1, Math.max(0, Math.round(value)));
    return [limit(x, video().width), limit(y, video().height)];
  }

  /** Lets the segmenter answer the current step of an unfinished mask: quickly, and then better. */
  async function ask(draft) {
    const step = drafts.step(draft);
    const isCurrent = () =>
      drafts.get(draft.video, draft.frame, draft.object) === draft && drafts.step(draft) === step;
    const first = firstAnswer(draft, step, isCurrent);
    pending.set(step, first.then(() => undefined));
    store.set({ isDecoding: ++asking > 0 });
    try {
      const answer = await first;
      if (!answer?.area || !isCurrent()) return;
      const better = await answerOf(draft, step, true);
      if (!better.superseded && isCurrent()) drafts.answer(step, { mask: better.mask, score: better.score });
    } catch {
      // The first answer is there, and stays.
    } finally {
      store.set({ isDecoding: --asking > 0 });
    }
  }

  /** The quick answer; none if it came too late, or there was an error, which is told. */
  async function firstAnswer(draft, step, isCurrent) {
    try {
      const answer = await answerOf(draft, step, false);
      if (answer.superseded || !isCurrent()) return null;
      drafts.answer(step, { mask: answer.mask, score: answer.score });
      const score = answer.score === null ? "" : `, confidence ${answer.score.toFixed(2)}`;
      announce(
        answer.message ||
          `Object ${draft.object}: ${answer.area.toLocaleString("en")} pixels${score}. Enter keeps it, Esc drops it.`,
      );
      return answer;
    } catch (error) {
      // The click stays on screen without a mask: taking it back would hide what went wrong.
      if (isCurrent()) announce(`No mask for this click: ${error.message}`);
      return null;
    }
  }

  /** Until the mask of the current step is the one that all its clicks give; whether it is there. */
  async function answered(draft) {
    const step = drafts.step(draft);
    if (!step.answered) {
      announce("Waiting for the mask of the last click.");
      if (!pending.has(step)) ask(draft);
      await pending.get(step);
    }
    return step.answered && step.mask && drafts.step(draft) === step;
  }

  /** @param {any} draft @param {import("./drafts.js").Step} step @param {boolean} refine */
  function answerOf(draft, step, refine) {
    const points = step.points.slice(step.sent);
    return decode(draft.video, {
      frame: draft.frame,
      object: draft.object,
      points: points.map(([x, y]) => [x, y]),
      labels: points.map(([, , isOn]) => isOn),
      box: step.box,
      rough: step.base,
      refine,
      seq: ++seq,
    });
  }

  /** The pixels that drawing begins with. */
  function startingMask(object) {
    const size = video().width * video().height;
    const step = drafts.step(current());
    return (step && stepMask(step, size)) ?? maskOf(masks.get(store.state.frame), object, size);
  }

  /**
   * Changes pixels by hand.
   * @param {(mask: Uint8Array, width: number, height: number) => void} change
   */
  async function paint(change) {
    if (isReady()) await entered(addStroke(change));
  }

  async function addStroke(change) {
    const object = await ensureObject();
    const { width, height } = video();
    const mask = startingMask(object);
    change(mask, width, height);
    const packed = packMask(mask);
    const points = drafts.step(current())?.points ?? [];
    drafts.add(video().key, store.state.frame, object, "shown", {
      mask: packed,
      base: packed,
      answered: true,
      points,
      sent: points.length,
      box: null,
      score: null,
      origin: "drawn",
    });
    announce(`Object ${object}: ${area(mask).toLocaleString("en")} pixels. Enter keeps it, Esc drops it.`);
  }

  /** @param {[number, number][]} points @param {number} diameter @param {0 | 1} value */
  const brush = (points, diameter, value) =>
    paint((mask, width, height) => {
      points.forEach((to, k) =>
        stroke(mask, width, height, points[Math.max(0, k - 1)], to, diameter / 2, value),
      );
    });

  /** @param {[number, number][]} points @param {0 | 1} value */
  const polygon = (points, value) =>
    paint((mask, width, height) => fillPolygon(mask, width, height, points, value));

  const holes = () => paint((mask, width, height) => void fillHoles(mask, width, height));

  /** One click less; the mask is asked for again. */
  async function takeBackClick() {
    const draft = current();
    const step = drafts.step(draft);
    if (!step || step.points.length <= step.sent) return false;
    if (step.points.length === 1 && !step.box && step.sent === 0) {
      drafts.drop(draft);
      announce("Nothing is clicked in this frame.");
      return true;
    }
    drafts.add(draft.video, draft.frame, draft.object, "shown", {
      points: step.points.slice(0, -1),
      answered: false,
    });
    const next = drafts.step(draft);
    if (next.points.length > next.sent || next.box) await ask(draft);
    else drafts.answer(next, { mask: next.base === "shown" || next.base === "none" ? null : next.base });
    return true;
  }

  return { current, settled, answered, click, box, brush, polygon, holes, takeBackClick };
}
