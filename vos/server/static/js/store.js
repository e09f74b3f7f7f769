// The state of the page: one object, changed by `set`, watched by `on`.

/**
 * @typedef {object} Store
 * @property {any} state  What is; read it, never write to it.
 * @property {(patch: object) => void} set  Replaces top-level fields.
 * @property {(fields: string[], listener: () => void) => () => void} on
 *   Calls the listener once after changes of any of the fields; the answer ends that.
 */

/**
 * @param {object} initial
 * @returns {Store}
 */
export function createStore(initial) {
  const listeners = new Set();
  const changed = new Set();
  let isScheduled = false;
  const store = { state: { ...initial }, set, on };

  function set(patch) {
    for (const [field, value] of Object.entries(patch)) {
      if (store.state[field] !== value) {
        store.state[field] = value;
        changed.add(field);
      }
    }
    if (changed.size && !isScheduled) {
      isScheduled = true;
      queueMicrotask(tell);
    }
  }

  function tell() {
    isScheduled = false;
    const fields = new Set(changed);
    changed.clear();
    for (const entry of [...listeners]) {
      if (entry.fields.some((field) => fields.has(field))) entry.listener();
    }
  }

  function on(fields, listener) {
    const entry = { fields, listener };
    listeners.add(entry);
    return () => listeners.delete(entry);
  }

  return store;
}
