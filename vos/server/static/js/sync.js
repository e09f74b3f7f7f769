// Actions on their way to the server, one after the other. While it cannot be reached they wait, also over a
// reload of the page.

import { ApiError, OfflineError, appendEvents, bytesOf, putMask } from "./api.js";
import { encodeFrame } from "./runs.js";

/**
 * @typedef {object} MaskToSend
 * @property {string} video
 * @property {number} frame
 * @property {number} object
 * @property {number} width
 * @property {number} height
 * @property {{runs: string} | null} mask
 */

/**
 * @typedef {object} Action
 * @property {any[]} events  Appended together; an event's `mask` may be `{"sent": index into masks}`.
 * @property {MaskToSend[]} masks
 * @property {number | null} since  Counter when the user began; null: the latest one will do.
 * @property {Record<number, string>} objects  Id of an object in the events -> id of the event that added the
 *   one that the user means: somebody else's may have its number by the time the action is sent.
 * @property {string} text  For people.
 * @property {number} [id]
 */

const RETRY = 1000; // ms

/**
 * @param {object} options
 * @param {string} options.projectId
 * @param {import("./store.js").Store} options.store
 * @param {() => void} options.onSend  Called before an action is on its way.
 * @param {(answer: any) => void} options.onAppended
 * @param {(counter: number) => any[]} options.foreignSince  Events of others after a counter.
 * @param {(action: Action, events: any[]) => Promise<boolean>} options.onConflict
 *   Others changed the same: whether to go ahead all the same.
 * @param {(action: Action, message: string) => void} options.onRefused
 * @param {() => void} options.onNotDone  Called after an action was refused or given up.
 */
export function createSync(options) {
  const { projectId, store, onSend, onAppended, foreignSince, onConflict, onRefused, onNotDone } = options;
  const storage = `vos.actions.${projectId}`;
  /** @type {Action[]} */
  const waiting = JSON.parse(sessionStorage.getItem(storage) ?? "[]");
  /** @type {Map<number, {done: Promise<any>, resolve: (answer: any) => void}>} */
  const callers = new Map();
  let isSending = false;
  let lastId = Math.max(0, ...waiting.map((action) => action.id ?? 0));

  function changed() {
    sessionStorage.setItem(storage, JSON.stringify(waiting));
    store.set({ waiting: waiting.length });
  }

  /**
   * @param {Partial<Action> & {events: any[], text: string}} action
   * @returns {Promise<any>} the server's answer; null if the action was refused or given up
   */
  function send(action) {
    onSend();
    const objects = meant(action.events, (id) => store.state.objects.get(id)?.event);
    const whole = { masks: [], since: null, objects, ...action, id: ++lastId };
    waiting.push(whole);
    changed();
    /** @type {(answer: any) => void} */
    let resolve;
    const done = new Promise((settle) => (resolve = settle));
    callers.set(whole.id, { done, resolve });
    flush();
    return done;
  }

  async function flush() {
    if (isSending) return;
    isSending = true;
    while (waiting.length) {
      let answer;
      try {
        answer = await deliver(waiting[0]);
      } catch (error) {
        if (
          error instanceof OfflineError ||
          (error instanceof ApiError && [401, 503].includes(error.status))
        ) {
          store.set({ isOnline: false });
          setTimeout(flush, RETRY);
          break;
        }
        onRefused(waiting[0], error.message);
        answer = null;
      }
      const action = waiting.shift();
      if (answer) wasAdded(answer.events);
      changed();
      if (answer) onAppended(answer);
      else onNotDone();
      callers.get(action.id)?.resolve(answer);
      callers.delete(action.id);
    }
    isSending = false;
  }

  /** Actions that were about objects without an event yet are about those that have one now. */
  function wasAdded(events) {
    const added = new Map();
    for (const { kind, object, id } of events) if (kind === "object") added.set(object, id);
    for (const action of waiting)
      action.objects = { ...meant(action.events, (id) => added.get(id)), ...action.objects };
  }

  /** @param {Action} action */
  async function deliver(action) {
    const digests = [];
    for (const mask of action.masks) {
      digests.push(mask.mask ? await putMask(mask.video, mask.frame, mask.object, frameOf(mask)) : null);
    }
    const events = action.events.map((event) =>
      event.mask && typeof event.mask === "object" ? { ...event, mask: digests[event.mask.sent] } : event,
    );
    const touched = (others) => others.some((other) => events.some((own) => touches(own, other)));
    const seen = action.since === null ? [] : foreignSince(action.since);
    if (touched(seen) && !(await onConflict(action, seen))) return null;
    let expect = store.state.counter;
    for (;;) {
      try {
        const answer = await appendEvents(events, expect, action.objects ?? {});
        store.set({ isOnline: true });
        return answer;
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 409) throw error;
        const between = error.answer.events;
        // The answer to an earlier try may have been lost on its way.
        if (isSame(between.slice(-events.length), events)) return { counter: error.answer.counter, events: between.slice(-events.length) };
        if (touched(between) && !(await onConflict(action, between))) return null;
        expect = error.answer.counter;
      }
    }
  }

  /** Until all actions so far are done. */
  const settled = () => Promise.all([...callers.values()].map(({ done }) => done));

  store.set({ waiting: waiting.length });
  return { send, flush, settled, isBusy: () => callers.size > 0 };
}

/** @param {MaskToSend} mask */
function frameOf({ frame, width, height, mask }) {
  const lengths = new Uint32Array(bytesOf(mask.runs).buffer);
  const labels = Uint8Array.from(lengths, (_, k) => k % 2);
  const start = lengths[0] === 0 ? 1 : 0;
  return encodeFrame({
    index: frame,
    width,
    height,
    lengths: lengths.subarray(start),
    labels: labels.subarray(start),
  });
}

function isSame(appended, sent) {
  const isEqual = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  return (
    appended.length === sent.length &&
    sent.every((event, k) => Object.keys(event).every((name) => isEqual(event[name], appended[k][name])))
  );
}

/**
 * The objects that events are about.
 * @param {any[]} events
 * @param {(id: number) => string | undefined} eventOf  Which event added an object.
 * @returns {Record<number, string>}
 */
function meant(events, eventOf) {
  const ids = events.flatMap((event) => idsOf(event) ?? []);
  return Object.fromEntries(ids.map((id) => [id, eventOf(id)]).filter(([, event]) => event));
}

/** Whether two events are about the same object in the same frames, or about the same name or colour. */
function touches(one, two) {
  if (two.kind === "tracked" || two.kind === "undo" || one.kind === "undo") return false;
  const [a, b] = [idsOf(one), idsOf(two)];
  if (a && b && !a.some((id) => b.includes(id))) return false;
  if (one.video === undefined || two.video === undefined) return one.video === two.video;
  const [first, last] = framesOf(one);
  const [begin, end] = framesOf(two);
  return one.video === two.video && first <= end && begin <= last;
}

const framesOf = (event) => [event.frame ?? event.first, event.frame ?? event.last];

/** @returns {number[] | null} null: all objects */
function idsOf(event) {
  if (event.kind === "review") return event.objects ?? null;
  return [event.object, event.a, event.b, event.from, event.to].filter((id) => typeof id === "number");
}
