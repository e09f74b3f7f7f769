import assert from "node:assert/strict";
import test from "node:test";

import { moved, tickStep, zoomed } from "../page/frame_range.js";

test("zooming leaves a frame where it is", () => {
  const before = { first: 100, span: 400 };
  for (const [factor, center] of [[0.5, 200], [1.5, 300], [0.3, 101]]) {
    const after = zoomed(before, factor, center, 10_000);
    assert.equal(after.span, 400 * factor);
    const place = ({ first, span }) => (center - first) / span;
    assert.ok(Math.abs(place(after) - place(before)) < 1e-9);
  }
});

test("a range stays in the video, and is never too narrow", () => {
  assert.deepEqual(zoomed({ first: 0, span: 72 }, 2, 36, 72), { first: 0, span: 72 });
  assert.equal(zoomed({ first: 0, span: 72 }, 0.01, 36, 72).span, 30);
  assert.equal(zoomed({ first: 0, span: 5 }, 0.01, 2, 5).span, 5);
  assert.deepEqual(moved({ first: 0, span: 30 }, 99, 72), { first: 42, span: 30 });
  assert.deepEqual(moved({ first: 0, span: 30 }, -5, 72), { first: 0, span: 30 });
});

test("ticks are at round frames, and not too many", () => {
  for (const span of [1, 30, 72, 999, 18_000, 1e6]) {
    const step = tickStep(span, 12);
    assert.match(String(step), /^[125]0*$/);
    assert.ok(span / step <= 12.01, `${span} frames, a tick every ${step}`);
  }
});
