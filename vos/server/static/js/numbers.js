// Objects that have other numbers than before: where annotators add objects at the same time, two can get one
// number, and one of the two gets another as soon as they know of each other.

/**
 * @param {Iterable<{id: number, event?: string | null}>} before
 * @param {{id: number, event?: string | null}[]} now
 * @returns {Map<number, number>} number before -> number now
 */
export function movedNumbers(before, now) {
  const numbers = new Map(now.filter(({ event }) => event).map(({ event, id }) => [event, id]));
  const moved = new Map();
  for (const { event, id } of before) {
    const number = numbers.get(event);
    if (number !== undefined && number !== id) moved.set(id, number);
  }
  return moved;
}

/**
 * Unfinished masks stay with their objects.
 * @param {ReturnType<typeof import("./drafts.js").createDrafts>} drafts
 * @param {Map<number, number>} moved
 */
export function moveDrafts(drafts, moved) {
  const found = drafts.all().filter(({ object }) => moved.has(object));
  for (const draft of found) drafts.remove(draft);
  for (const draft of found) {
    draft.object = moved.get(draft.object);
    drafts.restore(draft);
  }
}
