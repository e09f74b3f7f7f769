// Unfinished masks: what has been clicked and drawn in a frame and is not kept yet.
//
// Each has a history of its own steps, and survives a reload of the page. Undo goes through the steps here first,
// then through dropped masks and the project's actions from the latest back; redo goes the same way in reverse. None
// of it takes the place of a mask that has steps.

import { unpackMask } from "./api.js";

/**
 * @typedef {object} Step  What an unfinished mask looks like after a click or a stroke.
 * @property {[number, number, 0 | 1][]} points  x, y, on or off.
 * @property {[number, number, number, number] | null} box
 * @property {number} sent  Points before this one are part of `base`.
 * @property {"shown" | "none" | {runs: string}} base  What the clicks correct.
 * @property {{runs: string} | null} mask  That of the step before until the segmenter has answered.
 * @property {boolean} answered  Whether the segmenter has answered; true for what is drawn.
 * @property {number | null} score
 * @property {"clicked" | "drawn"} origin
 */

/**
 * @typedef {object} Draft
 * @property {string} video
 * @property {number} frame
 * @property {number} object
 * @property {Step[]} steps  At least one.
 * @property {number} at  Index of the current step, 0 for nothing; those after it can be redone.
 * @property {number} since  Counter of the project's last event when it was begun.
 */

/**
 * @typedef {object} Travelled  What was undone or done again.
 * @property {"step" | "drop"} kind  A step of the unfinished mask, or that it was dropped.
 * @property {Draft} draft
 */

const STORAGE = "vos.unfinished";

/** @param {string} video @param {number} frame @param {number} object */
export const draftKey = (video, frame, object) => `${video}\n${frame}\n${object}`;

/** @returns {Step} */
const emptyStep = (base) => ({
  points: [],
  box: null,
  sent: 0,
  base,
  mask: null,
  answered: true,
  score: null,
  origin: "clicked",
});

/**
 * @param {object} options
 * @param {string} options.projectId
 * @param {() => number} options.counter  Of the project's last event.
 * @param {() => number} options.depth  How many actions of the project can be undone.
 * @param {() => void} options.onChange
 * @param {Pick<Storage, "getItem" | "setItem" | "removeItem">} [options.storage]
 */
export function createDrafts({ projectId, counter, depth, onChange, storage = sessionStorage }) {
  const item = `${STORAGE}.${projectId}`;
  /** @type {Map<string, Draft>} */
  const drafts = new Map(JSON.parse(storage.getItem(item) ?? "[]"));
  /** @type {{draft: Draft, depth: number}[]} the last one dropped last */
  const dropped = [];
  /** @type {{kind: "step" | "drop" | "project", draft?: Draft, replaced?: Draft}[]} the last one undone last */
  let undone = [];

  function changed() {
    try {
      storage.setItem(item, JSON.stringify([...drafts]));
    } catch {
      storage.removeItem(item); // full: the drafts live as long as the page
    }
    onChange();
  }

  const keyOf = ({ video, frame, object }) => draftKey(video, frame, object);
  const get = (video, frame, object) => drafts.get(draftKey(video, frame, object));
  /** @param {Draft | undefined} draft @returns {Step | undefined} */
  const step = (draft) => draft?.steps[draft.at];

  /**
   * Adds a step, beginning an unfinished mask if there is none.
   * @param {string} video @param {number} frame @param {number} object
   * @param {"shown" | "none"} base  What a new one begins with.
   * @param {Partial<Step>} patch
   * @returns {Draft}
   */
  function add(video, frame, object, base, patch) {
    const key = draftKey(video, frame, object);
    const draft = drafts.get(key) ?? {
      video,
      frame,
      object,
      steps: [emptyStep(base)],
      at: 0,
      since: counter(),
    };
    if (draft.at === 0) Object.assign(draft, { steps: [emptyStep(base)], since: counter() });
    const next = { ...draft.steps[draft.at], ...patch };
    draft.steps = [...draft.steps.slice(0, draft.at + 1), next];
    draft.at = draft.steps.length - 1;
    drafts.set(key, draft);
    undone = [];
    changed();
    return draft;
  }

  /** Fills in what the segmenter answered to a step. */
  function answer(target, patch) {
    Object.assign(target, patch, { answered: true });
    changed();
  }

  /** Takes away what was kept; it is no longer unfinished. */
  function remove(draft) {
    drafts.delete(keyOf(draft));
    changed();
  }

  /** Has again what was taken away. If another one was begun there since, undo brings this one back after it. */
  function restore(draft) {
    if (drafts.has(keyOf(draft))) dropped.push({ draft, depth: depth() });
    else drafts.set(keyOf(draft), draft);
    changed();
  }

  /**
   * Takes away what nobody wants; undo brings it back.
   * @param {Draft} draft
   * @returns {() => void} has it as if that had not been; it stays dropped if another one was begun there since
   */
  function drop(draft) {
    const entry = { draft, depth: depth() };
    dropped.push(entry);
    undone = [];
    remove(draft);
    return () => {
      if (!dropped.includes(entry) || drafts.has(keyOf(draft))) return;
      dropped.splice(dropped.indexOf(entry), 1);
      restore(draft);
    };
  }

  /**
   * Undoes a step of the unfinished mask here, or the latest dropping, or a step of what was begun in its place
   * since; null if it is the project's turn.
   * @param {Draft | undefined} here
   * @returns {Travelled | null}
   */
  function undo(here) {
    if (here?.at > 0) return undoStep(here);
    if (!canRestore()) return null;
    const { draft } = dropped.at(-1);
    const replaced = drafts.get(keyOf(draft));
    if (replaced?.at > 0) return undoStep(replaced);
    dropped.pop();
    undone.push({ kind: "drop", draft, replaced });
    drafts.set(keyOf(draft), draft);
    changed();
    return { kind: "drop", draft };
  }

  function undoStep(draft) {
    draft.at--;
    undone.push({ kind: "step", draft });
    changed();
    return { kind: "step", draft };
  }

  /** Whether the latest dropping came after all actions of the project that can be undone. */
  const canRestore = () => dropped.length > 0 && dropped.at(-1).depth >= depth();

  /**
   * Does again what was undone last; null if that was the project's.
   * @param {Draft | undefined} here  Done again where nothing is known of the order, as after a reload.
   * @returns {Travelled | null}
   */
  function redo(here) {
    const last = undone.at(-1) ?? (hasNext(here) ? { kind: "step", draft: here } : { kind: "project" });
    if (last.kind === "project") return null;
    undone.pop();
    const { draft } = last;
    if (last.kind === "step") {
      if (hasNext(draft)) draft.at++;
    } else {
      dropped.push({ draft, depth: depth() });
      drafts.delete(keyOf(draft));
      if (last.replaced) drafts.set(keyOf(draft), last.replaced);
    }
    changed();
    return { kind: last.kind, draft };
  }

  const hasNext = (draft) => draft !== undefined && draft.at + 1 < draft.steps.length;

  return {
    get,
    step,
    add,
    answer,
    remove,
    restore,
    drop,
    undo,
    redo,
    canRestore,
    /** An action of the project was undone. */
    projectUndone: () => void undone.push({ kind: "project" }),
    /** It was done again. */
    projectRedone: () => void undone.pop(),
    /** Something new was done: what was undone before cannot be done again in its order. */
    forgetUndone: () => void (undone = []),
    all: () => [...drafts.values()],
  };
}

/**
 * The pixels of a step.
 * @param {Step} step
 * @param {number} size
 */
export const stepMask = (step, size) => (step.mask ? unpackMask(step.mask, size) : null);
