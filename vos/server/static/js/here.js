// Shared by actions: what is meant by "here".

/** @param {any} state */
export const videoOf = (state) => state.videos.get(state.video);

/** @param {any} state */
export const lastFrame = (state) => videoOf(state).frames - 1;

/** @param {any} state @param {number} id */
export const titleOf = (state, id) => state.objects.get(id)?.name || `object ${id}`;

/** The marked range, or the frame on screen. @param {any} state @returns {{first: number, last: number}} */
export const rangeOf = (state) => state.selection ?? { first: state.frame, last: state.frame };

/** @param {{first: number, last: number}} range */
export const rangeText = ({ first, last }) =>
  first === last ? `frame ${first}` : `frames ${first} to ${last}`;

/** What is wrong with a range that somebody typed. @param {any} state */
export const rangeProblem =
  (state) =>
  ({ first, last }) =>
    first >= 0 && first <= last && last <= lastFrame(state)
      ? null
      : `Frames go from 0 to ${lastFrame(state)}.`;

/**
 * Fields for a range of frames.
 * @param {any} state
 * @returns {import("./dialogs.js").Field[]}
 */
export function rangeFields(state) {
  const { first, last } = state.selection ?? { first: state.frame, last: lastFrame(state) };
  return [
    { name: "first", label: "From frame", type: "number", value: first, min: 0, max: lastFrame(state) },
    { name: "last", label: "To frame", type: "number", value: last, min: 0, max: lastFrame(state) },
  ];
}
