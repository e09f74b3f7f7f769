import assert from "node:assert/strict";
import test from "node:test";

import { packMask, unpackMask } from "../page/api.js";
import { fillHoles, fillPolygon, stroke } from "../page/drawing.js";
import { decodeFrames, encodeFrame, maskOf, measure, pixelsOf, runsOf } from "../page/runs.js";

/** Rows of a picture with a digit per pixel. */
const picture = (...rows) => Uint8Array.from(rows.join(""), Number);

test("label maps come back from runs and from the wire", () => {
  const pixels = picture("00120", "00122", "33000");
  const runs = runsOf(pixels, 5, 3, 7);
  assert.deepEqual(pixelsOf(runs), pixels);
  const frames = decodeFrames(encodeFrame(runs).buffer);
  assert.deepEqual([...frames.keys()], [7]);
  assert.deepEqual(pixelsOf(frames.get(7)), pixels);
  assert.deepEqual(maskOf(runs, 2, 15), picture("00010", "00011", "00000"));
  assert.throws(() => decodeFrames(new ArrayBuffer(8)), /not masks/);
});

test("areas and boxes", () => {
  const found = measure(runsOf(picture("00120", "00122", "33000"), 5, 3, 0));
  assert.deepEqual(found.get(2), { area: 3, box: [3, 0, 4, 1] });
  assert.deepEqual(found.get(3), { area: 2, box: [0, 2, 1, 2] });
});

test("masks come back from JSON", () => {
  for (const mask of [picture("0110"), picture("1001"), picture("0000"), picture("1111")])
    assert.deepEqual(unpackMask(packMask(mask), 4), mask);
});

test("strokes, polygons and holes", () => {
  const mask = new Uint8Array(49);
  fillPolygon(mask, 7, 7, [[1, 1], [5, 1], [5, 5], [1, 5]], 1);
  assert.equal(mask.reduce((sum, value) => sum + value), 16);
  stroke(mask, 7, 7, [2, 2], [3, 2], 0.5, 0);
  assert.equal(mask[2 * 7 + 2] + mask[2 * 7 + 3], 0);
  assert.equal(fillHoles(mask, 7, 7), 2);
});
