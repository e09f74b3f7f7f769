// Small helpers for elements. Text goes in as text, never as markup.

/**
 * An element with properties and children.
 * @param {string} tag
 * @param {Record<string, any>} [properties]  `on...` are listeners, `aria-...`, `data-...` and `role` attributes.
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (/^(aria-|data-|role$|for$)/.test(name)) element.setAttribute(name, String(value));
    else element[name] = value;
  }
  for (const child of children) if (child || child === "") element.append(child);
  return element;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** `1 frame`, `2 frames`. @param {number} number @param {string} what */
export const count = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

/**
 * A text cut to what fits into a width, with an ellipsis.
 * @param {CanvasRenderingContext2D} context  With the font set.
 * @param {string} text
 * @param {number} width
 */
export function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  const letters = [...text];
  while (letters.length && context.measureText(`${letters.join("")}…`).width > width) letters.pop();
  return letters.length ? `${letters.join("").trimEnd()}…` : "";
}

/**
 * Replaces the children of an element, and leaves the focus where it was: on the control with the same
 * `data-focus`.
 * @param {HTMLElement} root
 * @param {(Node | string)[]} children
 */
export function refill(root, children) {
  const active = /** @type {HTMLElement | null} */ (document.activeElement);
  const focus = active && root.contains(active) ? active.dataset.focus : undefined;
  root.replaceChildren(...children);
  if (focus) {
    /** @type {HTMLElement | null} */ (root.querySelector(`[data-focus="${CSS.escape(focus)}"]`))?.focus();
  }
}
