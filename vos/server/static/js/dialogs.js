// Dialogs: forms that answer with their values, and the list of keys.

import { el } from "./dom.js";
import { keyText } from "./keys.js";

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {"text" | "number" | "select" | "checkbox" | "file" | "checks"} type
 * @property {any} [value]
 * @property {{value: string, text: string, title?: string}[]} [options]  Of `select` and `checks`.
 * @property {number} [min]
 * @property {number} [max]
 * @property {string} [placeholder]
 * @property {string} [accept]  Of `file`.
 */

/**
 * Shows a form.
 * @param {object} options
 * @param {string} options.title
 * @param {string} [options.text]
 * @param {Field[]} [options.fields]
 * @param {string} options.submit  Text of the button.
 * @param {string} [options.cancel]
 * @param {(values: any) => string | null} [options.check]  What is wrong with the values, in words.
 * @returns {Promise<any>} values by name; null if the dialog was closed
 */
export function ask({ title, text, fields = [], submit, cancel = "Cancel", check = () => null }) {
  return new Promise((resolve) => {
    let answer = null;
    const controls = new Map(fields.map((field) => [field.name, controlOf(field)]));
    const error = el("p", { className: "error", role: "alert" });
    const form = el(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          const values = Object.fromEntries([...controls].map(([name, { read }]) => [name, read()]));
          error.textContent = check(values) ?? "";
          if (error.textContent) return;
          answer = values;
          dialog.close();
        },
      },
      el("h2", { id: "dialog-title" }, title),
      text && el("p", {}, text),
      ...[...controls.values()].map(({ element }) => element),
      error,
      el(
        "div",
        { className: "buttons" },
        el("button", { type: "button", onclick: () => dialog.close() }, cancel),
        el("button", { type: "submit", className: "primary" }, submit),
      ),
    );
    const dialog = open(form, () => resolve(answer));
    // Whoever uses keys types, or agrees, at once.
    const typed = form.querySelector("input[type=text], input[type=number]");
    if (typed) typed.select();
    else form.querySelector("button[type=submit]").focus();
  });
}

/** Shows content in a dialog that is removed when it closes. */
function open(content, onClose) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, content);
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.focus();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** @param {Field} field */
function controlOf(field) {
  if (field.type === "checks") return checks(field);
  const control =
    field.type === "select"
      ? el(
          "select",
          {},
          ...field.options.map(({ value, text, title }) => el("option", { value, title }, text)),
        )
      : el("input", {
          type: field.type,
          min: field.min,
          max: field.max,
          placeholder: field.placeholder,
          accept: field.accept,
        });
  if (field.type === "checkbox") control.checked = Boolean(field.value);
  else if (field.value !== undefined) control.value = field.value;
  const read = {
    checkbox: () => control.checked,
    number: () => control.valueAsNumber,
    file: () => control.files[0] ?? null,
  }[field.type];
  return {
    element: el("label", { className: "row" }, el("span", {}, field.label), control),
    read: read ?? (() => control.value),
  };
}

/** Several of a list. @param {Field} field */
function checks({ label, options, value }) {
  const boxes = options.map((option) =>
    el("input", { type: "checkbox", value: option.value, checked: value.includes(option.value) }),
  );
  const rows = options.map((option, k) => el("label", { title: option.title ?? "" }, boxes[k], option.text));
  return {
    element: el("fieldset", {}, el("legend", {}, label), el("div", { className: "checks" }, ...rows)),
    read: () => boxes.filter((box) => box.checked).map((box) => box.value),
  };
}

/** Groups of keys in an order in which they fill three columns about equally. */
const GROUPS = ["Move", "Track and review", "Draw", "Project", "Objects", "View"];

/** @param {import("./keys.js").Binding[]} known */
export function showHelp(known) {
  const groups = [...new Set([...GROUPS, ...known.map(({ group }) => group)])];
  const sections = groups.map((group) =>
    el(
      "section",
      {},
      el("h3", {}, group),
      el(
        "dl",
        {},
        ...known
          .filter((binding) => binding.group === group)
          .flatMap(({ keys, text }) => [
            el("dt", {}, ...keys.flatMap((key, k) => [k ? " " : "", el("kbd", {}, keyText(key))])),
            el("dd", {}, text),
          ]),
      ),
    ),
  );
  const mouse = el(
    "section",
    {},
    el("h3", {}, "Mouse"),
    el(
      "dl",
      {},
      ...[
        ["Left click", "On the object: the mask there is corrected"],
        ["Right click", "Off the object (or Alt and click)"],
        ["Shift and click", "Begin the mask anew"],
        ["Ctrl and click", "Select the object under the pointer"],
        ["Wheel", "Zoom"],
        ["Middle button", "Move the frame"],
        ["Drag in a row of the timeline", "Mark a range"],
      ].flatMap(([what, text]) => [el("dt", {}, what), el("dd", {}, text)]),
    ),
  );
  const dialog = open(
    el(
      "div",
      {},
      el(
        "div",
        { className: "heading" },
        el("h2", { id: "dialog-title" }, "Keys"),
        el("button", { type: "button", className: "primary", onclick: () => dialog.close() }, "Close"),
      ),
      el("div", { className: "help" }, ...sections, mouse),
    ),
    () => {},
  );
  return dialog;
}
