// The fixed parts of the page: buttons, position, job, messages.

import { byId, count } from "./dom.js";
import { CHANGING } from "./keys.js";
import { JOBS } from "./live.js";

/**
 * @param {object} app
 * @param {import("./store.js").Store} app.store
 * @param {(action: string) => void} app.run
 * @param {() => import("./keys.js").Binding[]} app.bindings
 * @param {(key: string) => string} app.keyText
 * @param {any} [app.editing]
 * @param {any} [app.drafts]
 * @param {(key: string) => void} [app.setVideo]
 * @param {(id: string) => void} [app.cancelJob]
 */
export function fillPage({ store, run, bindings, keyText, editing, drafts, setVideo, cancelJob }) {
  const state = store.state;
  /** @type {NodeListOf<HTMLButtonElement>} */
  const buttons = document.querySelectorAll("button[data-action]");
  const texts = new Map(bindings().map((binding) => [binding.id, binding]));

  for (const button of buttons) {
    const binding = texts.get(button.dataset.action);
    if (binding) {
      button.title = `${binding.text} (${binding.keys.map(keyText).join(", ")})`;
      button.setAttribute("aria-keyshortcuts", binding.keys.map(shortcut).join(" "));
    }
    button.addEventListener("click", (event) => {
      run(button.dataset.action);
      // After a click with the mouse the keys belong to the frame again.
      if (event.detail > 0 && !document.querySelector("dialog[open]"))
        byId("overlay").focus({ preventScroll: true });
    });
  }
  byId("video").addEventListener("change", (event) => setVideo?.(event.target.value));
  byId("job-cancel").addEventListener("click", (event) => cancelJob?.(event.target.dataset.job));
  byId("brush").addEventListener("input", (event) => store.set({ brush: Number(event.target.value) }));
  byId("brush").addEventListener("pointerup", () => byId("overlay").focus({ preventScroll: true }));

  function renderButtons() {
    const { tool, readOnly, history, brush } = state;
    const hasDraft = Boolean(editing?.current());
    for (const button of buttons) {
      const { tool: own, toggle, action } = button.dataset;
      if (own) button.setAttribute("aria-pressed", String(own === tool));
      if (toggle) button.setAttribute("aria-pressed", String(Boolean(state[toggle])));
      if (CHANGING.has(action)) button.disabled = readOnly;
      if (action === "undo")
        button.disabled = readOnly || !(history.undo || hasDraft || drafts?.canRestore());
    }
    byId("brush-field").hidden = tool !== "brush" && tool !== "eraser";
    byId("brush").value = String(brush);
    byId("brush-value").textContent = `${brush} px`;
    byId("add-video").hidden = !(state.features.root || state.features.upload);
    byId("draft").hidden = !hasDraft || state.shown !== state.frame;
  }

  function renderPosition() {
    const { frame, isLoading, video, videos, playing, speed, selection } = state;
    const entry = videos.get(video);
    if (!entry) return;
    const time = entry.fps ? `, ${clock(frame / entry.fps)}` : "";
    const loading = isLoading ? " (loading)" : "";
    byId("position").textContent = `Frame ${frame} of ${entry.frames}${time}${loading}`;
    byId("play").textContent = playing ? "❚❚ Stop" : "▶ Play";
    byId("play").setAttribute("aria-label", playing ? "Stop" : "Play");
    byId("speed").textContent = speed === 1 ? "" : `${speed} x`;
    byId("selection").hidden = !selection;
    if (selection) byId("selection-text").textContent = `Marked: ${selection.first} to ${selection.last}`;
  }

  function renderVideos() {
    const select = byId("video");
    select.replaceChildren(
      ...[...state.videos.keys()].map((key) => new Option(key, key, false, key === state.video)),
    );
    byId("project-name").textContent = state.name;
  }

  function renderSaved() {
    const { isOnline, waiting, readOnly, segmenter, isDecoding, name } = state;
    const saved = byId("saved");
    let text = waiting ? "Saving" : "Saved";
    if (readOnly) text = "Read-only";
    if (!isOnline)
      text = waiting ? `Offline: ${count(waiting, "action")} wait${waiting === 1 ? "s" : ""}` : "Offline";
    saved.dataset.state = isOnline ? "online" : "offline";
    document.title = `${name} – ${text.toLowerCase()}`;
    const model = { loading: "click tool is warming up", failed: `click tool failed: ${segmenter.message}` }[
      segmenter.state
    ];
    saved.textContent = [isDecoding ? "Segmenting" : "", model ?? "", text].filter(Boolean).join(" · ");
  }

  function renderJob() {
    const unfinished = [...state.jobs.values()].filter(
      (entry) => entry.state === "running" || entry.state === "waiting",
    );
    const job = unfinished.at(-1);
    byId("job").hidden = !job;
    if (job) {
      byId("job-cancel").dataset.job = job.id;
      const others = unfinished.length > 1 ? ` (and ${count(unfinished.length - 1, "other job")})` : "";
      const text = job.state === "waiting" ? "waiting" : job.text;
      byId("job-text").textContent = `${JOBS[job.kind]}: ${text}${others}`;
      const progress = byId("job-progress");
      if (job.total) Object.assign(progress, { max: job.total, value: job.done });
      else progress.removeAttribute("value");
    }
    const { download } = state;
    const link = byId("download");
    link.hidden = !download;
    if (download)
      Object.assign(link, {
        href: download.url,
        download: download.name,
        textContent: `Download ${download.name}`,
      });
  }

  function renderTexts() {
    byId("message").textContent = state.message;
    byId("notice").textContent = state.notice;
    byId("notice").hidden = !state.notice;
  }

  store.on(
    [
      "tool",
      "brush",
      "readOnly",
      "history",
      "draftsRevision",
      "frame",
      "shown",
      "object",
      "video",
      "features",
      "hideMasks",
      "labels",
      "only",
    ],
    renderButtons,
  );
  store.on(["frame", "isLoading", "video", "videos", "playing", "speed", "selection"], renderPosition);
  store.on(["video", "videos", "name"], renderVideos);
  store.on(["isOnline", "waiting", "readOnly", "segmenter", "isDecoding", "name"], renderSaved);
  store.on(["jobs", "download"], renderJob);
  store.on(["message", "notice"], renderTexts);
  renderTexts();
}

const shortcut = (key) =>
  key.replace("Ctrl", "Control").replace(/\+([a-z])$/, (_, letter) => `+${letter.toUpperCase()}`);

/** Minutes, seconds, hundredths. @param {number} seconds */
function clock(seconds) {
  const rest = (seconds % 60).toFixed(2).padStart(5, "0");
  return `${Math.floor(seconds / 60)}:${rest}`;
}
