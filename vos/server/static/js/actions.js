// What buttons and keys do, by the names in `keys.js`.

import * as api from "./api.js";
import { ask, showHelp } from "./dialogs.js";
import { fileActions } from "./files.js";
import { lastFrame, rangeText } from "./here.js";
import { maskActions } from "./mask_actions.js";
import { objectActions } from "./object_actions.js";
import { reviewActions } from "./review_actions.js";

const TRAVELLED = { undo: "Undone", redo: "Done again" };
/** Kind of an event, or state of a review -> what is undone. */
const WORDS = {
  anchor: "correction",
  unanchor: "removal of a correction",
  object: "change of an object",
  remove: "removal of an object",
  tracked: "tracking",
  move: "move to another object",
  hide: "absence",
  accepted: "acceptance",
  rejected: "rejection",
  open: "reopening",
};

/**
 * What events that were appended together are called, and the one that says where they belong.
 * @param {any[]} events
 * @returns {[string, any]}
 */
function describeAction(events) {
  const find = (kind) => events.find((event) => event.kind === kind);
  if (find("import")) return ["import", undefined];
  if (find("remove") && events.length > 1) return ["merging of two objects", undefined];
  if (find("object") && find("move")) return ["split", find("move")];
  const place = events.find((event) => event.video) ?? events[0];
  const kind = place?.kind === "review" ? place.state : place?.kind;
  return [WORDS[kind] ?? kind ?? "", place];
}

/**
 * @param {any} app  See `main.js`.
 * @returns {Record<string, (argument?: any) => any>}
 */
export function createActions(app) {
  return {
    ...objectActions(app),
    ...maskActions(app),
    ...reviewActions(app),
    ...fileActions(app),
    ...viewActions(app),
  };
}

/** Moving, looking, undo and redo. @param {any} app */
function viewActions(app) {
  const { store, drafts, viewer, playback, announce } = app;
  const state = store.state;

  /** @param {"undo" | "redo"} direction */
  async function travel(direction) {
    if (direction === "undo" && state.drag) return store.set({ drag: null });
    if (direction === "undo" && state.polygon.length)
      return store.set({ polygon: state.polygon.slice(0, -1) });
    const travelled = drafts[direction](drafts.get(state.video, state.frame, state.object));
    if (travelled) return travelledDraft(direction, travelled);
    if (state.waiting)
      return announce("Actions are waiting for the server: nothing can be undone until it is back.");
    try {
      const answer = await api[direction]();
      if (!answer.events.length) return announce(`Nothing to ${direction}.`);
      app.live.appended(answer);
      if (direction === "undo") drafts.projectUndone();
      else drafts.projectRedone();
      return travelledProject(direction, answer.events);
    } catch (error) {
      return announce(error.message);
    }
  }

  /** Says what was done to an unfinished mask, and shows it. */
  function travelledDraft(direction, { kind, draft: { video, frame, object } }) {
    if (object !== state.object) store.set({ object });
    if (video !== state.video || frame !== state.frame) app.frames.visit({ video, frame });
    const what = kind === "step" ? "a step of the unfinished mask" : "dropping the unfinished mask";
    announce(`${TRAVELLED[direction]}: ${what}.`);
  }

  /** Says what was done to the project, and shows where. */
  function travelledProject(direction, events) {
    const original = (event) => (event?.kind === "undo" ? original(app.live.eventById(event.of)) : event);
    const action = events.map(original).filter(Boolean);
    const [what, place] = describeAction(action);
    const frame = place?.frame ?? place?.first;
    if (frame !== undefined) app.frames.visit({ video: place.video, frame });
    const where =
      frame === undefined ? "" : `, ${rangeText({ first: frame, last: place.last ?? frame })}`;
    announce(`${TRAVELLED[direction]}${what && `: ${what}`}${where}.`);
  }

  async function askFrame() {
    const values = await ask({
      title: "Go to a frame",
      fields: [
        {
          name: "frame",
          label: `Frame (0 to ${lastFrame(state)})`,
          type: "number",
          value: state.frame,
          min: 0,
          max: lastFrame(state),
        },
      ],
      submit: "Go",
      check: ({ frame }) =>
        Number.isInteger(frame) && frame >= 0 && frame <= lastFrame(state)
          ? null
          : `Frames go from 0 to ${lastFrame(state)}.`,
    });
    if (values) app.frames.goTo(values.frame);
  }

  function mark() {
    const { selection, frame, marking } = state;
    if (marking !== null) {
      store.set({ marking: null });
      return announce(`Marked ${rangeText(selection)}: A accepts it, R rejects it.`);
    }
    store.set({ marking: frame, selection: { first: frame, last: frame } });
    return announce("The range begins here. Go to its other end and press M again.");
  }

  const toggle = (field) => () => store.set({ [field]: !state[field] });
  const step = (frames) => () => {
    store.set({ playing: false });
    app.frames.goTo(state.frame + frames);
  };

  return {
    previous: step(-1),
    next: step(1),
    "back-ten": step(-10),
    "on-ten": step(10),
    first: () => app.frames.goTo(0),
    last: () => app.frames.goTo(lastFrame(state)),
    "go-to": askFrame,
    play: playback.toggle,
    slower: () => playback.changeSpeed(-1),
    faster: () => playback.changeSpeed(1),
    mark,
    unmark: () => store.set({ selection: null, marking: null }),
    "hide-masks": toggle("hideMasks"),
    labels: toggle("labels"),
    only: toggle("only"),
    "zoom-in": () => viewer.zoom(1.25),
    "zoom-out": () => viewer.zoom(0.8),
    fit: viewer.fit,
    "timeline-in": () => app.timeline.zoom(0.5),
    "timeline-out": () => app.timeline.zoom(2),
    "timeline-all": () => app.timeline.showAll(),
    undo: () => travel("undo"),
    redo: () => travel("redo"),
    help: () => showHelp(app.bindings()),
  };
}
