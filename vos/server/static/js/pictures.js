// Pictures of frames: fetched, decoded and kept, the one that is wanted now before all others. Until it is there,
// the nearest one that the server has ready is shown.

const BUDGET = 256 * 1024 * 1024; // bytes of decoded pictures
const AHEAD = 30; // frames fetched in the direction of play
const BEHIND = 5;
const AT_ONCE = 4; // requests for neighbours at a time; browsers allow six per host
const REST = 250; // ms; who jumps more often is on the way to somewhere else

/**
 * @typedef {object} Pictures
 * @property {(frame: number, direction?: number) => void} want  The frame to show; replaces the one before.
 * @property {(frame: number) => ImageBitmap | undefined} get  The picture, or a coarse one of the same frame.
 * @property {(frame: number) => boolean} isCoarse  Whether there is no better one than a coarse one.
 * @property {() => void} clear
 */

/**
 * @param {object} options
 * @param {(frame: number, width: number) => string} options.url
 * @param {(frame: number) => string} options.nearUrl  Of the nearest picture that is ready.
 * @param {() => number} options.width  Pixels that pictures should be wide.
 * @param {() => number} options.numFrames
 * @param {(frame: number) => void} options.onReady  Called when a picture has arrived.
 * @param {(frame: number) => void} options.onNear  Called when a coarse one of this frame has arrived, in place of
 *   the one that is wanted.
 * @param {(error: Error) => void} options.onError  Called when the wanted picture cannot be had.
 * @returns {Pictures}
 */
export function createPictures({ url, nearUrl, width, numFrames, onReady, onNear, onError }) {
  /** @type {Map<number, {picture: ImageBitmap, asked: number}>} the least recently used first */
  const kept = new Map();
  /** @type {Map<number, AbortController>} */
  const loading = new Map();
  const failed = new Set();
  let bytes = 0;
  let wanted = -1;
  let direction = 1;
  let lastWanted = -Infinity; // ms
  let resting = 0; // timer
  /** @type {{frame: number, picture: ImageBitmap} | null} */
  let near = null;
  /** @type {AbortController | null} */
  let loadingNear = null;

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

  /** Shows the nearest picture that is ready, one request at a time. */
  async function loadNear() {
    if (loadingNear) return;
    const asked = wanted;
    const controller = new AbortController();
    loadingNear = controller;
    try {
      const response = await fetch(nearUrl(asked), { signal: controller.signal });
      if (response.status !== 200) return;
      const picture = await createImageBitmap(await response.blob());
      if (loadingNear !== controller || kept.has(wanted)) return picture.close();
      near?.picture.close();
      near = { frame: Number(response.headers.get("X-Vos-Frame")), picture };
      onNear(near.frame);
    } catch {
      // The picture itself is on its way, or says what is wrong.
    } finally {
      if (loadingNear === controller) {
        loadingNear = null;
        if (wanted >= 0 && wanted !== asked && !kept.has(wanted)) loadNear();
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
    if (wanted < 0 || resting) return;
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
    const now = performance.now();
    const isPassing = Math.abs(frame - wanted) > 1 && now - lastWanted < REST;
    if (frame !== wanted) lastWanted = now;
    clearTimeout(resting);
    resting = 0;
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
    if (!kept.has(frame)) {
      loadNear();
      if (isPassing) resting = window.setTimeout(rest, REST);
    }
    schedule();
  }

  function rest() {
    resting = 0;
    schedule();
  }

  function get(frame) {
    const entry = kept.get(frame);
    if (entry) {
      kept.delete(frame);
      kept.set(frame, entry);
    }
    return entry?.picture ?? (near?.frame === frame ? near.picture : undefined);
  }

  function clear() {
    clearTimeout(resting);
    resting = 0;
    loadingNear?.abort();
    loadingNear = null;
    near?.picture.close();
    near = null;
    for (const controller of loading.values()) controller.abort();
    loading.clear();
    for (const frame of [...kept.keys()]) discard(frame);
    failed.clear();
    wanted = -1;
  }

  return { want, get, isCoarse: (frame) => !kept.has(frame), clear };
}

/** @param {ImageBitmap} picture */
const sizeOf = (picture) => 4 * picture.width * picture.height;
