// The project as the server has it: asked for at the start, then kept up to date by the server's messages.

import * as api from "./api.js";
import { ask } from "./dialogs.js";
import { count } from "./dom.js";
import { moveDrafts, movedNumbers } from "./numbers.js";
import { readStrip } from "./strip.js";

const RETRY = 1500; // ms
const ENDED = new Set(["done", "failed", "cancelled"]);
/** Kind of a job -> how it is put to people. */
export const JOBS = {
  track: "Tracking",
  rebuild: "Tracking again",
  export: "Export",
  import: "Import",
  merge: "Merging",
};

/** @param {any} app  See `main.js`. */
export function createLive(app) {
  const { store, announce } = app;
  const state = store.state;
  /** @type {Map<string, any>} events by id */
  const events = new Map();
  /** @type {Map<string, number>} id of an event -> counter when this page heard of it */
  const heard = new Map();
  /** @type {Set<string>} ids of the events that this page appended */
  const own = new Set();

  /** @type {Set<string>} ids of the jobs whose end was told */
  const told = new Set();

  /** Takes over the answer to `GET project` at the start, or after the connection was lost: what has ended by
   * then is no news, and after a restart of the server its jobs are others. */
  function startWith(answer) {
    told.clear();
    for (const { id, state: now } of answer.jobs) if (ENDED.has(now)) told.add(id);
    store.set({ jobs: new Map() });
    takeProject(answer);
  }

  /** Takes over the answer to `GET project`. */
  function takeProject(answer) {
    const objects = answer.objects.map(({ object, ...rest }) => ({ id: object, ...rest }));
    const visible = objects.filter(({ removed }) => !removed);
    const ids = visible.map(({ id }) => id).sort((a, b) => a - b);
    followNumbers(objects);
    store.set({
      name: answer.name,
      readOnly: answer.read_only,
      counter: Math.max(state.counter, answer.counter),
      history: answer.history,
      videos: new Map(answer.videos.map((entry) => [entry.key, entry])),
      objects: new Map(visible.map((entry) => [entry.id, entry])),
      visibleObjects: ids,
      usedIds: new Set(objects.map(({ id }) => id)),
      nextObject: answer.next_object,
      categories: answer.categories,
      assigned: answer.assigned,
      settings: answer.settings,
      models: answer.models,
      segmenter: answer.segmenter,
      features: answer.features,
    });
    answer.jobs.forEach(jobChanged);
    if (!state.video && answer.videos.length) app.frames?.openVideo(answer.videos[0].key);
    if (!state.objects.has(state.object) && ids.length) store.set({ object: ids[0] });
  }

  /** What is unfinished and what is selected stays with its object where that has another number now. */
  function followNumbers(objects) {
    const moved = movedNumbers(state.objects.values(), objects);
    if (!moved.size) return;
    moveDrafts(app.drafts, moved);
    const names = [...moved].map(([id, now]) => `${id} is object ${now} now`).join(", ");
    announce(`Somebody else had added an object under the same number: object ${names}.`);
    if (moved.has(state.object)) store.set({ object: moved.get(state.object) });
  }

  const refreshProject = latest(async () => {
    let answer;
    // An answer from before an own action would take back what is shown of it in advance.
    do {
      await app.sync.settled();
      answer = await api.getProject();
    } while (answer.counter < state.counter || app.sync.isBusy());
    takeProject(answer);
  });
  const refreshQueue = latest(async () => {
    if (state.video) store.set({ queue: await api.getQueue(state.video, state.order) });
  });
  const refreshStrip = latest(async () => {
    const key = state.video;
    if (!key) return;
    const answer = await api.getStrip(key);
    if (key === state.video) store.set({ strip: readStrip(answer) });
  });

  /** Until the timeline's data are those after all that was done here. */
  async function settled() {
    if (!state.isOnline) return;
    await app.sync.settled();
    await refreshStrip();
  }

  function refreshAll() {
    app.masks.expire();
    if (state.video) app.masks.want(state.frame);
    refreshStrip();
    refreshQueue();
  }

  /** Listens to the server from the last known event on. */
  function connect() {
    const source = api.listen(state.counter, {
      open: () => {
        // Messages about jobs are not sent again.
        if (!state.isOnline) refreshProject();
        store.set({ isOnline: true });
        app.sync.flush();
      },
      lost: ({ isClosed }) => {
        store.set({ isOnline: false });
        if (isClosed) setTimeout(reconnect, RETRY);
      },
      event: eventsCame,
      job: jobChanged,
      segmenter: (segmenter) => store.set({ segmenter }),
      project: refreshProject,
      bye: () => {
        store.set({ isOnline: false });
        source.close();
        setTimeout(reconnect, RETRY);
      },
    });
  }

  /** After a restart of the server: its state first, then its messages. */
  async function reconnect() {
    try {
      startWith(await api.getProject());
      store.set({ notice: "" });
      refreshAll();
      connect();
    } catch (error) {
      if (error.status === 401) store.set({ notice: noticeOf(error) });
      setTimeout(reconnect, RETRY);
    }
  }

  function remember(list, counter) {
    for (const event of list) {
      if (!events.has(event.id)) heard.set(event.id, counter);
      events.set(event.id, event);
    }
  }

  /** The answer to own events: the stream tells the rest. */
  function appended(answer) {
    remember(answer.events, answer.counter);
    for (const event of answer.events) own.add(event.id);
    wereAdded(answer.events);
    store.set({ counter: Math.max(state.counter, answer.counter), history: answer.history ?? state.history });
  }

  /** Objects that were shown before the server knew them have an event now, by which they are followed. */
  function wereAdded(events) {
    const objects = new Map(state.objects);
    for (const { kind, object, id } of events) {
      const known = objects.get(object);
      if (kind === "object" && known && !known.event) objects.set(object, { ...known, event: id });
    }
    store.set({ objects });
  }

  function eventsCame({ counter, events: list, changed, history }) {
    remember(list, counter);
    store.set({ counter: Math.max(state.counter, counter), history: history ?? state.history });
    const ranges = changed ? changed[state.video] : null;
    if (ranges !== undefined) app.masks.expire(ranges);
    if (state.video) app.masks.want(state.frame);
    refreshStrip();
    refreshQueue();
    if (list.some(({ kind }) => kind !== "anchor" && kind !== "tracked")) refreshProject();
  }

  /** What became of an action that the server would not do. */
  function refused(action, message) {
    announce(`Not done (${action.text}): ${message}`);
  }

  /** Shows what the server has, in place of what was shown in advance. */
  function showAgain() {
    refreshProject();
    refreshAll();
  }

  /** Whether to go ahead although others changed the same. */
  async function conflict(action, between) {
    const others = between.map(({ kind, id }) => `${kind} by ${id.split(":")[0]}`).join(", ");
    const answer = await ask({
      title: "Somebody else changed the same",
      text: `While you worked on it, the same was changed (${others}). Yours: ${action.text}. Both stay in the project's history.`,
      submit: "Use mine",
      cancel: "Keep theirs",
    });
    if (!answer)
      announce("Kept theirs. Your mask is unfinished again: Enter keeps it after all, Esc drops it.");
    return answer !== null;
  }

  async function startJob(body) {
    try {
      jobChanged(await api.startJob(body));
    } catch (error) {
      announce(error.message);
    }
  }

  const cancelJob = (id) => api.cancelJob(id).catch((error) => announce(error.message));

  /** Messages, answers to requests and the project tell of a job, in any order: an end is told once, and
   * nothing that comes after it takes it back. */
  function jobChanged(job) {
    const before = state.jobs.get(job.id)?.state;
    if (before && ENDED.has(before)) return;
    store.set({ jobs: new Map(state.jobs).set(job.id, job) });
    if (!ENDED.has(job.state) || told.has(job.id)) return;
    told.add(job.id);
    jobEnded(job);
  }

  function jobEnded(job) {
    const what = JOBS[job.kind];
    if (job.state === "failed") return announce(`${what} failed: ${job.error?.message ?? job.error}`);
    if (job.state === "cancelled") return announce(`${what} was cancelled; what is done stays.`);
    if (job.kind === "import") {
      const { given, tracked } = job.result;
      return announce(`${what} is done: ${count(given, "correction")}, ${count(tracked, "mask")} to review.`);
    }
    if (job.kind !== "export") return announce(`${what} is done.`);
    const { export: id, name, size, formats } = job.result;
    store.set({ download: { url: api.exportUrl(id), name }, exported: true });
    const notes = formats.flatMap((entry) => entry.notes);
    return announce(
      `${name} is ready: ${Math.ceil(size / 1024).toLocaleString("en")} KB. ${notes.join(" ")}`.trim(),
    );
  }

  return {
    startWith,
    refreshProject,
    refreshQueue,
    refreshStrip,
    settled,
    connect,
    appended,
    refused,
    showAgain,
    conflict,
    startJob,
    cancelJob,
    foreignSince: (counter) =>
      [...events.values()].filter(({ id }) => heard.get(id) > counter && !own.has(id)),
    eventById: (id) => events.get(id),
  };
}

/** @param {any} error  Of a request. */
export function noticeOf(error) {
  if (error.status === 401) {
    return "This page belongs to an earlier start of vos annotate. Open the address that it printed last.";
  }
  return error.message;
}

/**
 * Runs a task one at a time; calls meanwhile make one more run at the end.
 * @param {() => any} task
 * @returns {() => Promise<void>} resolves when a run that began after the call has ended
 */
function latest(task) {
  /** @type {Promise<void> | null} */
  let running = null;
  /** @type {Promise<void> | null} */
  let next = null;

  // While the server is away a run fails; reconnecting asks again.
  const begin = () =>
    (running = task()
      .catch(() => {})
      .finally(() => (running = null)));
  return () => {
    if (!running) return begin();
    next ??= running.then(() => {
      next = null;
      return begin();
    });
    return next;
  };
}
