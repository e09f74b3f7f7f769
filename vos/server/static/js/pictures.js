// Pictures of frames: fetched, decoded and kept, the one that is wanted now before all others.

const BUDGET = 256 * 1024 * 1024; // bytes of decoded pictures
const AHEAD = 30; // frames fetched in the direction of play
const BEHIND = 5;
const AT_ONCE = 4; // requests for neighbours at a time; browsers allow six per host

/**
 * @typedef {object} Pictures
 * @property {(frame: number, direction?: number) => void} want  The frame to show; replaces the one before.
 * @property {(frame: number) => ImageBitmap | undefined} get
 * @property {() => void} clear
 */

/**
 * @param {object} options
 * @param {(frame: number, width: number) => string} options.url
 * @param {() => number} options.width  Pixels that pictures should be wide.
 * @param {() => number} options.numFrames
 * @param {(frame: number) => void} options.onReady  Called when a picture has arrived.
 * @param {(error: Error) => void} options.onError  Called when the wanted picture cannot be had.
 * @returns {Pictures}
 */
export function createPictures({ url, width, numFrames, onReady, onError }) {
  /** @type {Map<number, {picture: ImageBitmap, asked: number}>} the least recently used first */
  const kept = new Map();
  /** @type {Map<number, AbortController>} */
  const loading = new Map();
  const failed = new Set();
  let bytes = 0;
  let wanted = -1;
  let direction = 1;

  async function load(frame) {
    const controller = new AbortController();
    const asked = width();
    loading.set(frame, controller);
    try {
      const response = await fetch(url(frame, asked), { signal: controller.signal });
      if (!response.ok) throw new Error((await response.json()).error?.message ?? response.statusText);
      const picture = await createImageBitmap(await response.blob());
      if (loading.get(frame) !== controller) return picture.close();
      keep(frame, picture, asked);
      onReady(frame);
    } catch (error) {
      if (!controller.signal.aborted) {
        failed.add(frame);
        if (frame === wanted) onError(error);
      }
    } finally {
      if (loading.get(frame) === controller) {
        loading.delete(frame);
        schedule();
      }
    }
  }

  function keep(frame, picture, asked) {
    discard(frame);
    kept.set(frame, { picture, asked });
    bytes += sizeOf(picture);
    for (const oldest of [...kept.keys()]) {
      if (bytes <= BUDGET || kept.size <= 2) break;
      if (oldest !== wanted && oldest !== frame) discard(oldest);
    }
  }

  function discard(frame) {
    const entry = kept.get(frame);
    if (!entry) return;
    bytes -= sizeOf(entry.picture);
    entry.picture.close();
    kept.delete(frame);
  }

  /** Starts what is most useful: the wanted frame at once, its neighbours as long as there is room. */
  function schedule() {
    if (wanted < 0) return;
    const isGood = (frame) => (kept.get(frame)?.asked ?? 0) >= width();
    const isMissing = (frame) => !isGood(frame) && !loading.has(frame) && !failed.has(frame);
    if (isMissing(wanted)) load(wanted);
    if (loading.has(wanted)) return;
    for (const frame of neighbours()) {
      if (loading.size >= AT_ONCE) break;
      if (isMissing(frame)) load(frame);
    }
  }

  function* neighbours() {
    for (let step = 1; step <= AHEAD; step++) {
      const ahead = wanted + direction * step;
      if (ahead >= 0 && ahead < numFrames()) yield ahead;
      const behind = wanted - direction * step;
      if (step <= BEHIND && behind >= 0 && behind < numFrames()) yield behind;
    }
  }

  function want(frame, newDirection = frame < wanted ? -1 : 1) {
    wanted = frame;
    direction = newDirection;
    failed.delete(frame);
    // Whoever scrubs has no use for the frames passed by.
    for (const [other, controller] of loading) {
      const distance = (other - frame) * direction;
      if (other !== frame && (distance < -BEHIND || distance > AHEAD)) {
        controller.abort();
        loading.delete(other);
      }
    }
    schedule();
  }

  function get(frame) {
    const entry = kept.get(frame);
    if (entry) {
      kept.delete(frame);
      kept.set(frame, entry);
    }
    return entry?.picture;
  }

  function clear() {
    for (const controller of loading.values()) controller.abort();
    loading.clear();
    for (const frame of [...kept.keys()]) discard(frame);
    failed.clear();
    wanted = -1;
  }

  return { want, get, clear };
}

/** @param {ImageBitmap} picture */
const sizeOf = (picture) => 4 * picture.width * picture.height;
