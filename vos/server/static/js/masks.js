// Masks of frames, fetched by ranges. After a change the old ones are shown until the new ones are there.

import { decodeFrames } from "./runs.js";

const RANGE = 50; // frames per request
const RANGES = 40; // kept

/**
 * @typedef {object} Masks
 * @property {(frame: number) => import("./runs.js").LabelRuns | undefined} get
 * @property {(frame: number) => boolean} isCurrent  Whether nothing newer is on its way.
 * @property {(frame: number) => void} want
 * @property {(ranges?: [number, number][] | null) => void} expire  What is kept of these frames, by default of
 *   all, is old: fetch it again when it is wanted.
 * @property {(frame: number, runs: import("./runs.js").LabelRuns) => void} put  Shows these until others come.
 * @property {() => void} clear
 */

/**
 * @param {object} options
 * @param {(first: number, last: number) => Promise<ArrayBuffer>} options.fetchRange
 * @param {() => number} options.numFrames
 * @param {() => void} options.onReady
 * @param {(error: Error) => void} options.onError
 * @returns {Masks}
 */
export function createMasks({ fetchRange, numFrames, onReady, onError }) {
  /** @type {Map<number, {revision: number, frames: Map<number, import("./runs.js").LabelRuns>}>} */
  const kept = new Map();
  /** @type {Map<number, number>} range -> revision that is being fetched */
  const loading = new Map();
  /** @type {Map<number, number>} range -> how often it has changed */
  const changes = new Map();
  let allChanges = 0;

  const rangeOf = (frame) => Math.floor(frame / RANGE);
  const revision = (range) => allChanges + (changes.get(range) ?? 0);
  const isNew = (range) => kept.get(range)?.revision === revision(range);

  async function load(range) {
    const asked = revision(range);
    loading.set(range, asked);
    try {
      const last = Math.min((range + 1) * RANGE, numFrames()) - 1;
      const frames = decodeFrames(await fetchRange(range * RANGE, last));
      if (loading.get(range) !== asked) return;
      kept.delete(range);
      kept.set(range, { revision: asked, frames });
      if (kept.size > RANGES) kept.delete(kept.keys().next().value);
      onReady();
    } catch (error) {
      if (loading.get(range) === asked) onError(error);
    } finally {
      if (loading.get(range) === asked) loading.delete(range);
    }
  }

  function want(frame) {
    for (const at of [frame, frame + RANGE / 2, frame - RANGE / 2]) {
      const range = rangeOf(at);
      if (at < 0 || at >= numFrames() || isNew(range) || loading.get(range) === revision(range)) continue;
      load(range);
    }
  }

  return {
    get: (frame) => kept.get(rangeOf(frame))?.frames.get(frame),
    isCurrent: (frame) => isNew(rangeOf(frame)),
    want,
    expire(ranges = null) {
      if (!ranges) allChanges++;
      for (const [first, last] of ranges ?? []) {
        for (let range = rangeOf(first); range <= rangeOf(last); range++) {
          changes.set(range, (changes.get(range) ?? 0) + 1);
        }
      }
    },
    put: (frame, runs) => void kept.get(rangeOf(frame))?.frames.set(frame, runs),
    clear() {
      allChanges++;
      kept.clear();
      loading.clear();
    },
  };
}
