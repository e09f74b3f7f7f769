// The annotation page: puts the parts together, and keeps the state as the server has it.

import * as api from "./api.js";
import { createActions } from "./actions.js";
import { createDrafts } from "./drafts.js";
import { createEditing } from "./editing.js";
import { NO_VIDEO, createFrames } from "./frames.js";
import { CHANGING, WITHOUT_VIDEO, bindings, keyText, listenToKeys } from "./keys.js";
import { createLive, noticeOf } from "./live.js";
import { createMasks } from "./masks.js";
import { createObjects } from "./objects.js";
import { colorOf } from "./palette.js";
import { createPictures } from "./pictures.js";
import { createPlayback } from "./playback.js";
import { listenToPointer } from "./pointer.js";
import { createQueue, createStart } from "./queue.js";
import { createStore } from "./store.js";
import { createSync } from "./sync.js";
import { createTimeline } from "./timeline.js";
import { fillPage } from "./page.js";
import { createViewer } from "./viewer.js";

const WIDTHS = [320, 640, 960, 1280, 1920, 2560, 3840]; // of pictures, as the server has them

const store = createStore({
  name: "vos",
  readOnly: false,
  counter: 0,
  history: { undo: 0, redo: 0 },
  videos: new Map(),
  objects: new Map(),
  visibleObjects: [],
  usedIds: new Set(),
  nextObject: 1,
  categories: [],
  assigned: {},
  settings: {},
  models: [],
  segmenter: { name: "", state: "idle", message: "" },
  features: { root: false, upload: false },
  video: "",
  frame: 0,
  shown: null,
  isLoading: false,
  object: 1,
  strip: null,
  queue: null,
  order: "benefit",
  jobs: new Map(),
  download: null,
  tool: "click",
  brush: 20,
  polygon: [],
  drag: null,
  pointer: null,
  crosshair: null,
  drafts: 0,
  draftsRevision: 0,
  masksRevision: 0,
  hidden: new Set(),
  hideMasks: false,
  labels: true,
  only: false,
  selection: null,
  marking: null,
  playing: false,
  speed: 1,
  palette: localStorage.getItem("vos.palette") ?? "bright",
  theme: localStorage.getItem("vos.theme") ?? "auto",
  isOnline: true,
  isDecoding: false,
  waiting: 0,
  message: "",
  notice: "",
  visited: false,
  exported: false,
});
const state = store.state;
/** @type {Record<string, string[]>} */
let keyChanges = {};

const announce = (text) => store.set({ message: text });
const video = () => state.videos.get(state.video);
const color = (id) => colorOf({ id, color: state.objects.get(id)?.color }, state.palette);
const nameOf = (id) => state.objects.get(id)?.name ?? "";

/** What the frame on screen depends on. */
const SEEN_IN_FRAME = [
  ...["shown", "frame", "video", "object", "objects", "strip", "hideMasks", "labels", "only", "hidden"],
  ...[
    "palette",
    "draftsRevision",
    "masksRevision",
    "drag",
    "pointer",
    "polygon",
    "crosshair",
    "tool",
    "brush",
  ],
];

start();

async function start() {
  try {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    history.replaceState(null, "", location.pathname);
    if (token) await api.openSession(token);
    const project = await api.getProject();
    keyChanges = await api.getKeys().catch((error) => (announce(error.message), {}));
    run(project);
  } catch (error) {
    if (!error.status) console.error(error);
    store.set({ notice: noticeOf(error) });
    fillPage({ store, run: () => {}, bindings: () => bindings({}), keyText });
  }
}

/** Puts the parts together; each finds the others in `app`. */
function run(project) {
  /** @type {any} */
  const app = { store, announce, bindings: () => bindings(keyChanges), changeAppearance };
  app.live = createLive(app);
  app.live.startWith(project);
  app.drafts = createDrafts({
    projectId: project.id,
    counter: () => state.counter,
    depth: () => state.history.undo + state.waiting,
    onChange: draftsChanged,
  });
  app.sync = createSync({
    projectId: project.id,
    store,
    onSend: app.drafts.forgetUndone,
    onAppended: app.live.appended,
    foreignSince: app.live.foreignSince,
    onConflict: app.live.conflict,
    onRefused: app.live.refused,
    onNotDone: app.live.showAgain,
  });
  app.frames = createFrames(app);
  app.pictures = createPictures({
    url: (frame, width) => api.frameUrl(video(), frame, width),
    nearUrl: (frame) => api.nearUrl(state.video, frame),
    width: pictureWidth,
    numFrames: () => video().frames,
    onReady: app.frames.pictureReady,
    onNear: app.frames.nearReady,
    onError: (error) => store.set({ notice: `Frame ${state.frame} cannot be shown: ${error.message}` }),
  });
  app.masks = createMasks({
    fetchRange: (first, last) => api.getMasks(state.video, first, last),
    numFrames: () => video().frames,
    onReady: () => store.set({ masksRevision: state.masksRevision + 1 }),
    onError: (error) => announce(`Masks cannot be shown: ${error.message}`),
  });
  app.viewer = createViewer({ ...app, color, nameOf });
  app.editing = createEditing({ ...app, ensureObject });
  app.playback = createPlayback({ ...app, show: (frame) => app.frames.goTo(frame, 1) });
  app.ensureObject = ensureObject;
  app.changeObject = changeObject;
  app.actions = createActions(app);
  showParts();
  draftsChanged();
  changeAppearance({});
  app.frames.openVideo([...state.videos.keys()][0]);
  app.live.connect();
  app.sync.flush();

  function act(id, event) {
    if (state.readOnly && CHANGING.has(id))
      return announce("The project is open read-only: nothing can be changed.");
    if (!state.video && !WITHOUT_VIDEO.has(id)) return announce(NO_VIDEO);
    return Promise.resolve(app.actions[id]?.(event)).catch((error) => announce(error.message));
  }

  function showParts() {
    const { editing, frames, live, viewer } = app;
    const select = app.actions.select;
    fillPage({ ...app, run: act, keyText, editing, setVideo: frames.openVideo, cancelJob: live.cancelJob });
    app.timeline = createTimeline({ ...app, color, goTo: frames.goTo, select });
    createObjects({ ...app, color, select, change: changeObject, run: act });
    createQueue({ store, visit: frames.visit, setOrder });
    createStart(store);
    listenToPointer({ store, viewer, editing, pick: frames.pick });
    listenToKeys(app.bindings, act);
    store.on(SEEN_IN_FRAME, viewer.draw);
  }

  function pictureWidth() {
    const wanted = app.viewer.pictureWidth();
    return Math.min(WIDTHS.find((width) => width >= wanted) ?? Infinity, video().width);
  }

  async function ensureObject() {
    if (!state.objects.has(state.object)) app.actions["new-object"]();
    return state.object;
  }

  async function changeObject(id, changes) {
    store.set({ objects: new Map(state.objects).set(id, { ...state.objects.get(id), ...changes }) });
    const text = `change object ${id}`;
    if (await app.sync.send({ events: [{ kind: "object", object: id, ...changes }], text }))
      announce(`Changed object ${id}.`);
  }

  function setOrder(order) {
    store.set({ order });
    app.live.refreshQueue();
  }

  function draftsChanged() {
    const unfinished = app.drafts.all().filter(({ at }) => at > 0).length;
    store.set({ drafts: unfinished, draftsRevision: state.draftsRevision + 1 });
  }
}

function changeAppearance(changes) {
  store.set(changes);
  localStorage.setItem("vos.palette", state.palette);
  localStorage.setItem("vos.theme", state.theme);
  document.documentElement.dataset.theme = state.theme;
}
