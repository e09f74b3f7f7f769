// Keys: which combination does what. `keys.json` of the user's configuration may change them.

/** @typedef {{id: string, keys: string[], group: string, text: string}} Binding */

/**
 * @param {string} group
 * @param {[string, string[], string][]} entries
 * @returns {Binding[]}
 */
const section = (group, entries) => entries.map(([id, keys, text]) => ({ id, keys, group, text }));

/** @type {Binding[]} in the order of the help */
export const BINDINGS = [
  ...section("Move", [
    ["previous", ["ArrowLeft", "d"], "Previous frame"],
    ["next", ["ArrowRight", "f"], "Next frame"],
    ["back-ten", ["Shift+ArrowLeft", "c"], "Ten frames back"],
    ["on-ten", ["Shift+ArrowRight", "v"], "Ten frames on"],
    ["first", ["Home"], "First frame"],
    ["last", ["End"], "Last frame"],
    ["go-to", ["g"], "Go to a frame"],
    ["play", ["Space"], "Play, stop"],
    ["slower", [","], "Play slower"],
    ["faster", ["."], "Play faster"],
    ["next-doubt", ["j"], "Next frame of the review queue"],
    ["previous-doubt", ["k"], "Previous frame of the review queue"],
    ["previous-anchor", ["Alt+ArrowLeft"], "Previous corrected frame"],
    ["next-anchor", ["Alt+ArrowRight"], "Next corrected frame"],
    ["mark", ["m"], "Start, end a range of frames"],
  ]),
  ...section("Objects", [
    ["object-1", ["1"], "Select object 1 (2 to 9 likewise)"],
    ["new-object", ["n"], "New object"],
    ["next-object", ["w"], "Next object"],
    ["rename", ["F2"], "Rename the object"],
    ["swap", ["s"], "Swap with another object"],
    ["remove-object", ["Shift+Delete"], "Remove the object"],
  ]),
  ...section("Draw", [
    ["tool-click", ["q"], "Click tool: left click on, right click or Alt+click off"],
    ["tool-box", ["b"], "Box"],
    ["tool-brush", ["p"], "Brush"],
    ["tool-eraser", ["e"], "Eraser"],
    ["tool-polygon", ["y"], "Polygon"],
    ["smaller", ["["], "Smaller brush"],
    ["larger", ["]"], "Larger brush"],
    ["fill-holes", ["z"], "Fill holes"],
    ["cursor-left", ["Ctrl+ArrowLeft"], "Move the crosshair left (with Shift by one pixel)"],
    ["cursor-right", ["Ctrl+ArrowRight"], "Move the crosshair right"],
    ["cursor-up", ["Ctrl+ArrowUp"], "Move the crosshair up"],
    ["cursor-down", ["Ctrl+ArrowDown"], "Move the crosshair down"],
    ["click-on", ["i"], "Left button at the crosshair: click, stroke, box, corner"],
    ["click-off", ["u"], "Right button at the crosshair"],
    ["coordinates", ["Shift+I"], "Type points or a box"],
    ["last-click", ["Backspace"], "Take back the last click"],
    ["commit", ["Enter"], "Keep the mask: it becomes a correction"],
    ["drop", ["Escape"], "Drop the unfinished mask"],
    ["absent", ["x"], "The object is absent here"],
    ["unanchor", ["Delete"], "Remove the correction in this frame"],
  ]),
  ...section("Track and review", [
    ["track", ["t"], "Track this object where something changed"],
    ["track-all", ["Shift+T"], "Track all objects where something changed"],
    ["accept", ["a"], "Accept this frame, or the marked range"],
    ["accept-to-here", ["Shift+A"], "Accept from the last locked frame to here"],
    ["reject", ["r"], "Reject this frame, or the marked range"],
    ["reopen", ["Shift+R"], "Reopen this frame, or the marked range"],
  ]),
  ...section("View", [
    ["hide-masks", ["h"], "Hide, show masks"],
    ["labels", ["l"], "Hide, show labels"],
    ["only", ["o"], "Only this object"],
    ["zoom-in", ["+", "="], "Zoom in"],
    ["zoom-out", ["-"], "Zoom out"],
    ["fit", ["0"], "Fit the frame"],
    ["timeline-in", ["Alt++", "Alt+="], "Zoom into the timeline"],
    ["timeline-out", ["Alt+-"], "Zoom out of the timeline"],
    ["timeline-all", ["Alt+0"], "The whole timeline"],
  ]),
  ...section("Project", [
    ["undo", ["Ctrl+z"], "Undo"],
    ["redo", ["Ctrl+Shift+Z", "Ctrl+y"], "Redo"],
    ["export", ["Ctrl+e"], "Export"],
    ["help", ["?"], "This list"],
  ]),
];

/** Actions that change the project, with a key or without. */
export const CHANGING = new Set([
  ...["new-object", "rename", "swap", "merge", "split", "remove-object", "usual-color"],
  ...["fill-holes", "click-on", "click-off", "coordinates", "last-click", "commit", "absent", "unanchor"],
  ...["track", "track-all", "accept", "accept-to-here", "accept-confident", "reject", "reopen", "hide-range"],
  ...["undo", "redo", "import", "add-video"],
]);

/** Actions that make sense in a project without videos. */
export const WITHOUT_VIDEO = new Set(["add-video", "settings", "help", "undo", "redo"]);

const NAMES = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
};

/**
 * A combination as people read it.
 * @param {string} combination
 */
export function keyText(combination) {
  return combination
    .split(/\+(?=.)/)
    .map((part) => NAMES[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join(" + ");
}

/**
 * The combination that an event is, as in `BINDINGS`.
 * @param {KeyboardEvent} event
 */
export function combinationOf(event) {
  const key = event.key === " " ? "Space" : event.key;
  const isLetter = /^[a-z]$/i.test(key);
  // Shift is part of characters such as "?" already.
  const hasShift = event.shiftKey && (isLetter || key.length > 1);
  const parts = [];
  // AltGr, which many keyboards need for "[", comes with Ctrl and Alt on some systems.
  const isAltGraph = event.getModifierState("AltGraph");
  if ((event.ctrlKey || event.metaKey) && !isAltGraph) parts.push("Ctrl");
  if (event.altKey && !isAltGraph) parts.push("Alt");
  if (hasShift) parts.push("Shift");
  parts.push(isLetter ? (hasShift ? key.toUpperCase() : key.toLowerCase()) : key);
  return parts.join("+");
}

/**
 * @param {Record<string, string[]>} changes  Action -> combinations, in place of the usual ones.
 * @returns {Binding[]}
 */
export function bindings(changes) {
  return BINDINGS.map((binding) => ({ ...binding, keys: changes[binding.id] ?? binding.keys }));
}

/**
 * Runs actions on key presses, but not while somebody types.
 * @param {() => Binding[]} current
 * @param {(id: string, event: KeyboardEvent) => void} run
 */
export function listenToKeys(current, run) {
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.isComposing || document.querySelector("dialog[open]") || isTyping(target)) return;
    const combination = combinationOf(event);
    // Space and Enter belong to the control that has the focus, and so do those that move a slider.
    if (["Space", "Enter"].includes(combination) && target.closest("button, a, summary, select, input")) return;
    if (target.matches("input[type=range]") && SLIDER.test(combination)) return;
    const id = actionOf(current(), combination);
    if (id) {
      event.preventDefault();
      run(id, event);
    }
  });
}

/** @param {HTMLElement} target */
const isTyping = (target) =>
  target.matches("select, textarea, input:not([type=checkbox], [type=radio], [type=color], [type=range])");

/** Keys of an `input` that is a slider. */
const SLIDER = /^(Shift\+)?(Arrow|Home|End|Page)/;

/**
 * @param {Binding[]} known
 * @param {string} combination
 */
function actionOf(known, combination) {
  if (/^[2-9]$/.test(combination)) return `object-${combination}`;
  const plain = combination.startsWith("Ctrl+Shift+Arrow") ? combination.replace("Shift+", "") : combination;
  const found = known.find(({ keys }) => keys.includes(combination) || keys.includes(plain));
  return found?.id;
}
