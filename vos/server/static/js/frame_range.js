// Which frames the timeline shows.

/** @typedef {{first: number, span: number}} FrameRange  Frame at the left edge, and frames across the width. */

const NARROWEST = 30; // frames that fill the width at the highest zoom

/**
 * A range in which a frame stays where it is on screen.
 * @param {FrameRange} range
 * @param {number} factor  Above 1 for more frames.
 * @param {number} center  The frame.
 * @param {number} numFrames
 * @returns {FrameRange}
 */
export function zoomed(range, factor, center, numFrames) {
  const span = Math.min(numFrames, Math.max(Math.min(NARROWEST, numFrames), range.span * factor));
  return moved({ first: 0, span }, center - ((center - range.first) / range.span) * span, numFrames);
}

/**
 * The range that begins at a frame, or as near as the ends of the video allow.
 * @param {FrameRange} range
 * @param {number} first
 * @param {number} numFrames
 * @returns {FrameRange}
 */
export const moved = ({ span }, first, numFrames) => ({
  first: Math.min(numFrames - span, Math.max(0, first)),
  span,
});

/**
 * A round number of frames between ticks.
 * @param {number} span  Frames.
 * @param {number} ticks  At most so many.
 */
export function tickStep(span, ticks) {
  const least = span / Math.max(1, ticks);
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) ?? power);
}
