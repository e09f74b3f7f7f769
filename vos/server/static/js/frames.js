// Which frame is shown, of which video.

import * as api from "./api.js";

const SETTLED = 150; // ms a frame is shown before it is prepared for clicks
export const NO_VIDEO =
  "The project has no video yet: add one by vos project add PROJECT VIDEO, or start vos annotate on a video.";

/** @param {any} app  See `main.js`. */
export function createFrames(app) {
  const { store, announce } = app;
  const state = store.state;
  const video = () => state.videos.get(state.video);
  let settled = 0;

  /** @param {string} key @param {number} [frame] */
  function openVideo(key, frame = 0) {
    if (!key) return store.set({ notice: NO_VIDEO });
    app.pictures.clear();
    app.masks.clear();
    store.set({
      video: key,
      strip: null,
      shown: null,
      selection: null,
      marking: null,
      polygon: [],
      drag: null,
      playing: false,
    });
    store.set({ notice: video().available ? "" : video().message });
    app.viewer.fit();
    goTo(frame);
    app.live.refreshStrip();
    return app.live.refreshQueue();
  }

  /** @param {number} frame @param {number} [direction] */
  function goTo(frame, direction) {
    if (!video()) return;
    const next = Math.min(video().frames - 1, Math.max(0, frame));
    if (next !== state.frame && state.polygon.length) store.set({ polygon: [] });
    if (next !== state.frame) store.set({ drag: null });
    const ends = [state.marking ?? next, next];
    const range = { first: Math.min(...ends), last: Math.max(...ends) };
    store.set({ frame: next, ...(state.marking === null ? {} : { selection: range }) });
    app.pictures.want(next, direction);
    app.masks.want(next);
    if (app.pictures.isCoarse(next)) store.set({ isLoading: true });
    else pictureReady(next);
  }

  /** @param {number} frame */
  function pictureReady(frame) {
    if (frame !== state.frame) return;
    if (state.shown === frame) app.viewer.draw(); // a larger picture of the same frame
    store.set({ shown: frame, isLoading: false, notice: "" });
    clearTimeout(settled);
    if (!state.playing && !state.readOnly) settled = window.setTimeout(prepare, SETTLED, frame);
  }

  /** A coarse picture of this frame stands in for the one that is wanted. @param {number} frame */
  function nearReady(frame) {
    if (state.shown === frame) app.viewer.draw();
    store.set({ shown: frame });
  }

  /** Lets the server get ready for clicks on a frame; without it the first click takes longer, nothing else. */
  function prepare(frame) {
    if (frame === state.frame && state.segmenter.state !== "failed")
      api.prepare(state.video, frame).catch(() => {});
  }

  /** Goes to an item of the queue, or to the place of an event. */
  function visit({ video: key, frame, reasons }) {
    if (key !== state.video) openVideo(key, frame);
    else goTo(frame);
    if (!reasons) return;
    store.set({ visited: true });
    if (!reasons.length) return;
    const { object, text } = reasons[0];
    store.set({ object });
    announce(`Frame ${frame}: object ${object}, ${text}.`);
  }

  /** Selects the object under the pointer. */
  function pick(event) {
    const runs = app.masks.get(state.frame);
    if (!runs) return;
    const [x, y] = app.viewer.toImage(event).map(Math.round);
    let at = y * runs.width + x;
    let k = 0;
    while (k < runs.lengths.length && at >= runs.lengths[k]) at -= runs.lengths[k++];
    if (x >= 0 && x < runs.width && runs.labels[k]) app.actions.select(runs.labels[k]);
  }

  return { openVideo, goTo, pictureReady, nearReady, visit, pick };
}
