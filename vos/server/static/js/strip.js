// What is known of every object in every frame of a video: the timeline's data.

import { bytesOf } from "./api.js";

export const STATES = ["unknown", "tracked", "stale", "rejected", "accepted", "anchor"];
export const [UNKNOWN, TRACKED, STALE, REJECTED, ACCEPTED, ANCHOR] = STATES.keys();

/** State -> how it is put to people. */
export const STATE_TEXT = ["not tracked", "tracked", "out of date", "rejected", "accepted", "corrected"];

/**
 * @typedef {object} ObjectStrip
 * @property {number} object
 * @property {Uint8Array} state  Per frame, index into `STATES`.
 * @property {Uint8Array} doubt  255 stands for 1.
 * @property {Uint8Array} confidence  255 stands for 1.
 * @property {Uint32Array} area  Pixels.
 * @property {Map<number, string>} anchors  Frame -> origin, or "absent".
 * @property {[number, number][]} pending  Intervals to track.
 */

/** @typedef {{frames: number, objects: Map<number, ObjectStrip>}} Strip */

/**
 * @param {any} answer  Of the server.
 * @returns {Strip}
 */
export function readStrip(answer) {
  const objects = new Map();
  for (const entry of answer.objects) {
    objects.set(entry.object, {
      object: entry.object,
      state: bytesOf(entry.state),
      doubt: bytesOf(entry.doubt),
      confidence: bytesOf(entry.confidence),
      area: new Uint32Array(bytesOf(entry.area).buffer),
      anchors: new Map(entry.anchors),
      pending: entry.pending,
    });
  }
  return { frames: answer.frames, objects };
}

/** @param {number} state */
export const isLocked = (state) => state === ACCEPTED || state === ANCHOR;

/**
 * The frame after the last locked one before `frame`: where an unlocked range that ends here begins.
 * @param {ObjectStrip} strip
 * @param {number} frame
 */
export function startOfOpenRange(strip, frame) {
  let first = frame;
  while (first > 0 && !isLocked(strip.state[first - 1])) first--;
  return first;
}
