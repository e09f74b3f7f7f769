// Export, import, further videos, and settings.

import * as api from "./api.js";
import { ask } from "./dialogs.js";
import { PALETTES } from "./palette.js";

/**
 * @param {any} app  See `main.js`.
 * @returns {Record<string, () => any>}
 */
export function fileActions(app) {
  const { store, announce } = app;
  const state = store.state;

  const videoOptions = () => [...state.videos.keys()].map((key) => ({ value: key, text: key }));

  async function exportMasks() {
    const formats = (await api.getFormats()).filter(({ writes }) => writes);
    const values = await ask({
      title: "Export",
      text: "Masks as they are shown, as files of other programs. The result is a zip.",
      fields: [
        { name: "video", label: "Video", type: "select", options: videoOptions(), value: state.video },
        {
          name: "formats",
          label: "Formats",
          type: "checks",
          value: [formats[0].name],
          options: formats.map(({ name, title, lost }) => ({
            value: name,
            text: title || name,
            title: lost ? `Not kept: ${lost}` : "",
          })),
        },
        { name: "accepted", label: "Only accepted and corrected frames", type: "checkbox", value: false },
      ],
      submit: "Export",
      check: (chosen) => (chosen.formats.length ? null : "Choose a format."),
    });
    if (!values) return;
    const { video, formats: chosen, accepted } = values;
    await app.live.startJob({ kind: "export", video, formats: chosen, only: accepted ? "accepted" : "all" });
  }

  async function importMasks() {
    const formats = (await api.getFormats()).filter(({ reads }) => reads);
    const values = await ask({
      title: "Import masks",
      text: "The masks of a file, or of a zip of a folder. What a person made becomes a correction of this video; what " +
        "vos track made, in the zip of its run, is to be reviewed.",
      fields: [
        { name: "file", label: "File", type: "file" },
        {
          name: "format",
          label: "Format",
          type: "select",
          options: [
            { value: "", text: "find out" },
            ...formats.map(({ name, title }) => ({ value: name, text: title || name })),
          ],
        },
        {
          name: "ids",
          label: "Objects",
          type: "select",
          options: [
            { value: "new", text: "are new ones" },
            { value: "same", text: "with the same number are the same" },
          ],
        },
      ],
      submit: "Import",
      check: ({ file }) => (file ? null : "Choose a file."),
    });
    if (!values) return;
    announce(`Sending ${values.file.name}.`);
    try {
      const { upload } = await api.upload(values.file, "uploads");
      const { ids, format } = values;
      await app.live.startJob({
        kind: "import",
        video: state.video,
        upload,
        ids,
        ...(format ? { format } : {}),
      });
    } catch (error) {
      announce(error.message);
    }
  }

  async function addVideo() {
    try {
      const answer = state.features.root ? await addFromFolder("") : await addFromComputer();
      if (!answer) return;
      await app.live.refreshProject();
      if (answer.video) app.frames.openVideo(answer.video.key);
    } catch (error) {
      announce(error.message);
    }
  }

  /** Walks the folders that the server may list, one dialog per folder. */
  async function addFromFolder(path) {
    const listing = await api.getFiles(path);
    const up = path ? [{ value: "/..", text: "(back)" }] : [];
    const folders = listing.folders.map((name) => ({ value: `/${name}`, text: `${name}/` }));
    const videos = listing.videos.map((name) => ({ value: name, text: name }));
    const values = await ask({
      title: "Add a video",
      text: path || "Videos on the computer that the server runs on.",
      fields: [{ name: "choice", label: "File", type: "select", options: [...videos, ...folders, ...up] }],
      submit: "Open",
    });
    if (!values?.choice) return null;
    const parts = path.split("/").filter(Boolean);
    if (values.choice === "/..") return addFromFolder(parts.slice(0, -1).join("/"));
    const chosen = [...parts, values.choice.replace("/", "")].join("/");
    return values.choice.startsWith("/") ? addFromFolder(chosen) : api.addVideo(chosen);
  }

  async function addFromComputer() {
    const values = await ask({
      title: "Add a video",
      fields: [{ name: "file", label: "File", type: "file", accept: "video/*" }],
      submit: "Send",
      check: ({ file }) => (file ? null : "Choose a file."),
    });
    if (!values) return null;
    announce(`Sending ${values.file.name}.`);
    return api.upload(values.file, "videos");
  }

  async function changeSettings() {
    const { model, memory } = state.settings;
    const values = await ask({
      title: "Settings",
      fields: [
        {
          name: "model",
          label: "Tracker",
          type: "select",
          value: model,
          options: state.models.map(({ name, help }) => ({ value: name, text: name, title: help })),
        },
        {
          name: "memory",
          label: "Further corrections the tracker is shown",
          type: "number",
          value: memory,
          min: 0,
          max: 16,
        },
        {
          name: "palette",
          label: "Colours of objects",
          type: "select",
          value: state.palette,
          options: [
            { value: "bright", text: "Okabe and Ito: safe for colour-blind people" },
            { value: "davis", text: "DAVIS" },
          ].filter(({ value }) => value in PALETTES),
        },
        {
          name: "theme",
          label: "Page",
          type: "select",
          value: state.theme,
          options: [
            { value: "auto", text: "as the system" },
            { value: "light", text: "light" },
            { value: "dark", text: "dark" },
          ],
        },
      ],
      submit: "Use",
    });
    if (!values) return;
    app.changeAppearance({ palette: values.palette, theme: values.theme });
    if (values.model === model && values.memory === memory) return;
    try {
      const { settings } = await api.changeSettings({ model: values.model, memory: values.memory });
      store.set({ settings });
      announce(`What is tracked from now on uses ${settings.model}.`);
    } catch (error) {
      announce(error.message);
    }
  }

  return { export: exportMasks, import: importMasks, "add-video": addVideo, settings: changeSettings };
}
