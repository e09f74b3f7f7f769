// The interface of the server, one function per call. docs/annotate_api.md describes it.

/** An answer that is an error; `kind` and `message` are the server's. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {any} answer
   */
  constructor(status, answer) {
    super(answer?.error?.message ?? `the server answered ${status}`);
    this.status = status;
    this.kind = answer?.error?.kind ?? "";
    this.answer = answer;
  }
}

/** The server cannot be reached. */
export class OfflineError extends Error {}

/**
 * @param {string} method
 * @param {string} path  Below `/api/`.
 * @param {{body?: BodyInit, type?: string, signal?: AbortSignal}} [options]
 */
async function request(method, path, { body, type, signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = method === "GET" ? {} : { "X-Vos": "1" };
  if (type) headers["Content-Type"] = type;
  let response;
  try {
    response = await fetch(`/api/${path}`, { method, headers, body, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new OfflineError("the server cannot be reached");
  }
  if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => null));
  return response;
}

/** @param {string} path */
const get = async (path) => (await request("GET", path)).json();

/**
 * @param {string} path
 * @param {object} body
 */
async function post(path, body) {
  const response = await request("POST", path, { body: JSON.stringify(body), type: "application/json" });
  return response.status === 204 ? null : response.json();
}

/** @param {string} video */
const videoPath = (video) => `videos/${encodeURIComponent(video)}`;

export const openSession = (token) => post("session", { token });
export const getProject = () => get("project");
export const getFormats = async () => (await get("formats")).formats;
export const getKeys = async () => (await get("keys")).keys ?? {};
export const getStrip = (video) => get(`${videoPath(video)}/strip`);
export const getQueue = (video, order) => get(`queue?video=${encodeURIComponent(video)}&order=${order}`);
export const getFiles = (path) => get(`files?path=${encodeURIComponent(path)}`);
export const appendEvents = (events, expect, objects) => post("events", { events, expect, objects });
export const undo = () => post("undo", {});
export const redo = () => post("redo", {});
export const accept = (video, below) => post("accept", { video, below });
export const changeSettings = (settings) => post("settings", settings);
export const decode = (video, body) => post(`${videoPath(video)}/decode`, body);
export const prepare = (video, frame) => post(`${videoPath(video)}/prepare`, { frame });
export const startJob = (body) => post("jobs", body);
export const cancelJob = (id) => request("DELETE", `jobs/${id}`);
export const addVideo = (path) => post("videos", { path, key: null });
export const exportUrl = (id) => `/api/exports/${encodeURIComponent(id)}`;

/**
 * @param {{key: string, digest: string}} video
 * @param {number} frame
 * @param {number} width  Pixels; the server rounds up.
 */
export const frameUrl = (video, frame, width) =>
  `/api/${videoPath(video.key)}/frames/${frame}.jpg?d=${encodeURIComponent(video.digest)}&w=${width}`;

/** The nearest picture that is ready. @param {string} video @param {number} frame */
export const nearUrl = (video, frame) => `/api/${videoPath(video)}/frames/${frame}.jpg?near=1&w=320`;

/**
 * @param {string} video
 * @param {number} first
 * @param {number} last
 * @returns {Promise<ArrayBuffer>} see `runs.js`
 */
export async function getMasks(video, first, last) {
  return (await request("GET", `${videoPath(video)}/masks?first=${first}&last=${last}`)).arrayBuffer();
}

/**
 * Stores a mask; its digest.
 * @param {string} video
 * @param {number} frame
 * @param {number} object
 * @param {Uint8Array<ArrayBuffer>} body  One frame in the form of `runs.js`.
 * @returns {Promise<string>}
 */
export async function putMask(video, frame, object, body) {
  const path = `${videoPath(video)}/masks/${frame}/${object}`;
  const response = await request("POST", path, { body, type: "application/x-vos-runs" });
  return (await response.json()).digest;
}

/**
 * @param {File} file
 * @param {string} kind  `uploads` for annotations, `videos` for a video.
 */
export async function upload(file, kind) {
  const path = `${kind}?name=${encodeURIComponent(file.name)}`;
  return (await request("POST", path, { body: file, type: "application/octet-stream" })).json();
}

/**
 * The server's messages from an event on; the browser reconnects by itself.
 * @param {number} after  Counter of the last known event.
 * @param {Record<string, (data: any) => void>} handlers  By name of the message; `open` and `lost` as well.
 */
export function listen(after, handlers) {
  const source = new EventSource(`/api/events?after=${after}`);
  source.addEventListener("open", () => handlers.open({}));
  source.addEventListener("error", () =>
    handlers.lost({ isClosed: source.readyState === EventSource.CLOSED }),
  );
  for (const name of ["event", "job", "segmenter", "project", "bye"]) {
    source.addEventListener(name, (message) => handlers[name](JSON.parse(message.data)));
  }
  return source;
}

/**
 * @param {string} text  Base64.
 * @returns {Uint8Array<ArrayBuffer>}
 */
export const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/**
 * A mask in JSON: run lengths, background first.
 * @param {{runs: string}} packed
 * @param {number} size  Pixels of a frame.
 * @returns {Uint8Array} 1 inside
 */
export function unpackMask(packed, size) {
  const mask = new Uint8Array(size);
  let at = 0;
  new Uint32Array(bytesOf(packed.runs).buffer).forEach((length, k) => {
    if (k % 2) mask.fill(1, at, at + length);
    at += length;
  });
  return mask;
}

/**
 * @param {Uint8Array} mask
 * @returns {{runs: string}}
 */
export function packMask(mask) {
  const lengths = [];
  for (let at = 0, value = 0; at < mask.length; value ^= 1) {
    const start = at;
    while (at < mask.length && mask[at] === value) at++;
    lengths.push(at - start);
  }
  let text = "";
  for (const byte of new Uint8Array(Uint32Array.from(lengths).buffer)) text += String.fromCharCode(byte);
  return { runs: btoa(text) };
}
