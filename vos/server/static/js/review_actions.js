// Tracking, and review of what was tracked.

import * as api from "./api.js";
import { ask } from "./dialogs.js";
import { count } from "./dom.js";
import { rangeOf, rangeText } from "./here.js";
import { ACCEPTED, REJECTED, STALE, TRACKED, startOfOpenRange } from "./strip.js";

const VERDICTS = { accepted: "Accepted", rejected: "Rejected", open: "Reopened" };

/** @param {any} app  See `main.js`. */
export function reviewActions(app) {
  const { store, editing, announce } = app;
  const state = store.state;
  const send = (events, text) => app.sync.send({ events, text });

  async function track(objects) {
    if (editing.current()) return announce("Keep (Enter) or drop (Esc) the unfinished mask first.");
    if (!state.isOnline) return announce("The server is away: tracking has to wait until it is back.");
    await app.live.settled();
    const ids = objects ?? state.visibleObjects;
    const known = [...(state.strip?.objects.values() ?? [])].filter(({ object }) => ids.includes(object));
    const intervals = known.reduce((sum, entry) => sum + entry.pending.length, 0);
    if (!known.some(({ anchors }) => anchors.size))
      return announce("Mark the object in a frame first: click on it, then press Enter.");
    if (!intervals) return announce("Nothing to track: every mask follows from the corrections there are.");
    await app.live.startJob({ kind: "track", video: state.video, ...(objects ? { objects } : {}) });
    return announce(`Tracking ${count(intervals, "interval")}.`);
  }

  async function review(verdict, spans, text) {
    if (!spans.length) return void announce(`There is nothing to ${text}.`);
    const events = spans.map(({ objects, first, last }) => ({
      kind: "review",
      video: state.video,
      objects,
      first,
      last,
      state: verdict,
    }));
    if (!(await send(events, text))) return;
    store.set({ selection: null, marking: null, visited: true });
    const first = Math.min(...spans.map((span) => span.first));
    const last = Math.max(...spans.map((span) => span.last));
    announce(`${VERDICTS[verdict]} ${rangeText({ first, last })}.`);
  }

  /** What a review is about is what was on screen when it was asked for. */
  async function reviewRange(verdict, states, text) {
    const { first, last } = rangeOf(state);
    await app.live.settled();
    const has = (entry) => entry.state.subarray(first, last + 1).some((value) => states.includes(value));
    const objects = [...(state.strip?.objects.values() ?? [])].filter(has).map(({ object }) => object);
    return review(verdict, objects.length ? [{ objects, first, last }] : [], text);
  }

  async function acceptToHere() {
    const { frame } = state;
    await app.live.settled();
    const isOpen = (entry) => [TRACKED, STALE, REJECTED].includes(entry.state[frame]);
    const spans = [...(state.strip?.objects.values() ?? [])].filter(isOpen).map((entry) => ({
      objects: [entry.object],
      first: startOfOpenRange(entry, frame),
      last: frame,
    }));
    return review("accepted", spans, "accept");
  }

  async function acceptConfident() {
    const values = await ask({
      title: "Accept what is certain",
      text: "Tracked masks whose doubt is below this are accepted, and not tracked again. Where it was measured, 3 of 100 masks below 0.05 had J < 0.75, and 5 of 100 below 0.1: look at a few frames of every object first.",
      fields: [{ name: "below", label: "Doubt below (0 to 1)", type: "text", value: "0.05" }],
      submit: "Accept",
      check: ({ below }) =>
        Number(below) > 0 && Number(below) <= 1 ? null : "Give a number above 0, at most 1.",
    });
    if (!values) return;
    try {
      const answer = await api.accept(state.video, Number(values.below));
      app.live.appended(answer);
      announce(
        answer.events.length
          ? `Accepted ${count(answer.events.length, "range")}.`
          : "No mask is that certain.",
      );
    } catch (error) {
      announce(error.message);
    }
  }

  async function queueStep(direction) {
    if (!state.queue?.items.length) await app.live.refreshQueue();
    const items = state.queue?.items ?? [];
    if (!items.length) return announce("Nothing to look at: no tracked frame is in doubt.");
    const at = items.findIndex((item) => item.frame === state.frame && item.video === state.video);
    const next =
      at < 0 ? (direction > 0 ? 0 : items.length - 1) : (at + direction + items.length) % items.length;
    return app.frames.visit(items[next]);
  }

  function jumpToAnchor(direction) {
    const frames = [...(state.strip?.objects.get(state.object)?.anchors.keys() ?? [])].sort(
      (a, b) => (a - b) * direction,
    );
    const next = frames.find((frame) => (frame - state.frame) * direction > 0);
    if (next === undefined)
      return announce(`No corrected frame of this object ${direction > 0 ? "after" : "before"} this one.`);
    return app.frames.goTo(next);
  }

  return {
    track: () => (state.objects.has(state.object) ? track([state.object]) : track(null)),
    "track-all": () => track(null),
    accept: () => reviewRange("accepted", [TRACKED, STALE, REJECTED], "accept"),
    "accept-to-here": acceptToHere,
    reject: () => reviewRange("rejected", [TRACKED, STALE, ACCEPTED], "reject"),
    reopen: () => reviewRange("open", [ACCEPTED, REJECTED], "reopen"),
    "accept-confident": acceptConfident,
    "next-doubt": () => queueStep(1),
    "previous-doubt": () => queueStep(-1),
    "previous-anchor": () => jumpToAnchor(-1),
    "next-anchor": () => jumpToAnchor(1),
  };
}
