// Unfinished masks: what has been clicked and drawn in a frame and is not kept yet.
//
// Each has a history of its own steps, and survives a reload of the page.

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
 * @param {string} projectId
 * @param {() => number} counter
 * @param {() => void} onChange
 */
export function createDrafts(projectId, counter, onChange) {
  const storage = `${STORAGE}.${projectId}`;
  /** @type {Map<string, Draft>} */
  const drafts = new Map(JSON.parse(sessionStorage.getItem(storage) ?? "[]"));

  function changed() {
    try {
      sessionStorage.setItem(storage, JSON.stringify([...drafts]));
    } catch {
      sessionStorage.removeItem(storage); // full: the drafts live as long as the page
    }
    onChange();
  }

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
    changed();
    return draft;
  }

  /** Fills in what the segmenter answered to a step. */
  function answer(target, patch) {
    Object.assign(target, patch, { answered: true });
    changed();
  }

  function drop(draft) {
    drafts.delete(draftKey(draft.video, draft.frame, draft.object));
    changed();
  }

  function restore(draft) {
    drafts.set(draftKey(draft.video, draft.frame, draft.object), draft);
    changed();
  }

  /** One step back; whether there was one. */
  function undo(draft) {
    if (draft.at === 0) return false;
    draft.at--;
    changed();
    return true;
  }

  function redo(draft) {
    if (draft.at + 1 >= draft.steps.length) return false;
    draft.at++;
    changed();
    return true;
  }

  return { get, step, add, answer, drop, restore, undo, redo, all: () => [...drafts.values()] };
}

/**
 * The pixels of a step.
 * @param {Step} step
 * @param {number} size
 */
export const stepMask = (step, size) => (step.mask ? unpackMask(step.mask, size) : null);
