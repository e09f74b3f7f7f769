// Label maps as runs of equal labels, row by row, and their form on the wire.
//
// VRL1, little endian: the four letters, uint32 number of frames; per frame uint32 index, uint16 width,
// uint16 height, uint32 R, R x uint32 run lengths, R x uint8 labels, padded to a multiple of four bytes.

/**
 * @typedef {object} LabelRuns
 * @property {number} index  Frame.
 * @property {number} width
 * @property {number} height
 * @property {Uint32Array} lengths  Pixels per run, row by row.
 * @property {Uint8Array} labels  Object id per run, 0 for background.
 */

const MAGIC = 0x314c5256; // "VRL1"

/**
 * @param {ArrayBuffer} buffer
 * @returns {Map<number, LabelRuns>} by frame index
 */
export function decodeFrames(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 8 || view.getUint32(0, true) !== MAGIC) throw new Error("these are not masks");
  const frames = new Map();
  let offset = 8;
  for (let left = view.getUint32(4, true); left > 0; left--) {
    const index = view.getUint32(offset, true);
    const width = view.getUint16(offset + 4, true);
    const height = view.getUint16(offset + 6, true);
    const count = view.getUint32(offset + 8, true);
    offset += 12;
    const lengths = new Uint32Array(buffer.slice(offset, offset + 4 * count));
    offset += 4 * count;
    const labels = new Uint8Array(buffer.slice(offset, offset + count));
    offset += Math.ceil(count / 4) * 4;
    frames.set(index, { index, width, height, lengths, labels });
  }
  return frames;
}

/**
 * One frame in the form of the wire.
 * @param {LabelRuns} runs
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodeFrame(runs) {
  const count = runs.lengths.length;
  const buffer = new ArrayBuffer(20 + 4 * count + Math.ceil(count / 4) * 4);
  const view = new DataView(buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, 1, true);
  view.setUint32(8, runs.index, true);
  view.setUint16(12, runs.width, true);
  view.setUint16(14, runs.height, true);
  view.setUint32(16, count, true);
  new Uint32Array(buffer, 20, count).set(runs.lengths);
  new Uint8Array(buffer, 20 + 4 * count, count).set(runs.labels);
  return new Uint8Array(buffer);
}

/**
 * @param {Uint8Array} pixels  Labels, row by row.
 * @param {number} width
 * @param {number} height
 * @param {number} index  Frame.
 * @returns {LabelRuns}
 */
export function runsOf(pixels, width, height, index) {
  const lengths = [];
  const labels = [];
  for (let start = 0, end = 1; start < pixels.length; start = end, end++) {
    while (end < pixels.length && pixels[end] === pixels[start]) end++;
    lengths.push(end - start);
    labels.push(pixels[start]);
  }
  return { index, width, height, lengths: Uint32Array.from(lengths), labels: Uint8Array.from(labels) };
}

/**
 * @param {LabelRuns} runs
 * @returns {Uint8Array} Labels, row by row.
 */
export function pixelsOf(runs) {
  const pixels = new Uint8Array(runs.width * runs.height);
  let start = 0;
  for (let k = 0; k < runs.lengths.length; k++) {
    const end = start + runs.lengths[k];
    if (runs.labels[k]) pixels.fill(runs.labels[k], start, end);
    start = end;
  }
  return pixels;
}

/**
 * The mask of one object, 1 inside.
 * @param {LabelRuns | undefined} runs
 * @param {number} label
 * @param {number} size  Pixels of a frame.
 * @returns {Uint8Array}
 */
export function maskOf(runs, label, size) {
  const mask = new Uint8Array(size);
  let start = 0;
  for (let k = 0; runs && k < runs.lengths.length; k++) {
    const end = start + runs.lengths[k];
    if (runs.labels[k] === label) mask.fill(1, start, end);
    start = end;
  }
  return mask;
}

/** @type {WeakMap<LabelRuns, Map<number, {area: number, box: [number, number, number, number]}>>} */
const measured = new WeakMap();

/**
 * Area and box of every object.
 * @param {LabelRuns} runs
 * @returns {Map<number, {area: number, box: [number, number, number, number]}>} boxes are x0, y0, x1, y1,
 *   inclusive
 */
export function measure(runs) {
  const known = measured.get(runs);
  if (known) return known;
  const found = new Map();
  measured.set(runs, found);
  let start = 0;
  for (let k = 0; k < runs.lengths.length; k++) {
    const end = start + runs.lengths[k];
    const label = runs.labels[k];
    if (label && end > start) {
      const y0 = Math.floor(start / runs.width);
      const y1 = Math.floor((end - 1) / runs.width);
      const isOneRow = y0 === y1;
      const x0 = isOneRow ? start % runs.width : 0;
      const x1 = isOneRow ? (end - 1) % runs.width : runs.width - 1;
      const entry = found.get(label);
      if (!entry) {
        found.set(label, { area: end - start, box: [x0, y0, x1, y1] });
      } else {
        entry.area += end - start;
        const box = entry.box;
        entry.box = [Math.min(box[0], x0), box[1], Math.max(box[2], x1), y1];
      }
    }
    start = end;
  }
  return found;
}

/**
 * Outlines between pixels.
 * @param {LabelRuns} runs
 * @returns {Map<number, number[]>} label -> x0, y0, x1, y1 of segments, one after the other, in pixel corners
 */
export function contours(runs) {
  const { width, height } = runs;
  const segments = new Map();
  const add = (label, x0, y0, x1, y1) => {
    if (!label) return;
    const list = segments.get(label);
    if (list) list.push(x0, y0, x1, y1);
    else segments.set(label, [x0, y0, x1, y1]);
  };
  /** @type {{ends: number[], labels: number[]}} */
  const outside = { ends: [width], labels: [0] };
  let above = outside;
  let k = 0;
  let left = runs.lengths.length ? runs.lengths[0] : 0;
  for (let y = 0; y <= height; y++) {
    let row = outside;
    if (y < height) {
      row = { ends: [], labels: [] };
      for (let x = 0; x < width;) {
        while (left === 0) left = runs.lengths[++k];
        const step = Math.min(left, width - x);
        x += step;
        left -= step;
        row.ends.push(x);
        row.labels.push(runs.labels[k]);
      }
      let before = 0;
      for (let j = 0, x = 0; j < row.labels.length; x = row.ends[j++]) {
        if (row.labels[j] !== before) {
          add(before, x, y, x, y + 1);
          add(row.labels[j], x, y, x, y + 1);
        }
        before = row.labels[j];
      }
      add(before, width, y, width, y + 1);
    }
    for (let i = 0, j = 0, x = 0; x < width;) {
      const end = Math.min(above.ends[i], row.ends[j]);
      if (above.labels[i] !== row.labels[j]) {
        add(above.labels[i], x, y, end, y);
        add(row.labels[j], x, y, end, y);
      }
      if (above.ends[i] === end) i++;
      if (row.ends[j] === end) j++;
      x = end;
    }
    above = row;
  }
  return segments;
}
