// The list of objects with what is known of them in this frame, and the fields of the selected one.

import { byId, count, el, refill } from "./dom.js";
import { inkOn } from "./palette.js";
import { measure } from "./runs.js";
import { STATE_TEXT, UNKNOWN } from "./strip.js";

/**
 * @param {object} app
 * @param {import("./store.js").Store} app.store
 * @param {import("./masks.js").Masks} app.masks
 * @param {any} app.drafts
 * @param {(id: number) => string} app.color
 * @param {(id: number) => void} app.select
 * @param {(id: number, changes: object) => void} app.change
 * @param {(action: string) => void} app.run
 */
export function createObjects({ store, masks, drafts, color, select, change, run }) {
  const [list, editor] = [byId("objects"), byId("object-editor")];

  /** What is known of an object in the frame on screen. */
  function here(id) {
    const { strip, shown } = store.state;
    const known = strip?.objects.get(id);
    const state = shown === null ? UNKNOWN : (known?.state[shown] ?? UNKNOWN);
    const runs = shown === null ? undefined : masks.get(shown);
    const found = runs ? measure(runs).get(id) : undefined;
    const score = state === UNKNOWN ? null : known.confidence[shown] / 255;
    return {
      state,
      score,
      area: found?.area ?? 0,
      box: found?.box ?? null,
      origin: known?.anchors.get(shown),
    };
  }

  function swatch(id, text) {
    const element = el("span", { className: "swatch" }, text);
    element.style.setProperty("--color", color(id));
    element.style.setProperty("--color-ink", inkOn(color(id)));
    return element;
  }

  function row(id) {
    const { object, hidden, objects } = store.state;
    const info = here(id);
    const name = objects.get(id).name || `object ${id}`;
    const isShown = !hidden.has(id);
    return el(
      "tr",
      { "aria-selected": String(id === object) },
      el(
        "td",
        {},
        el(
          "button",
          {
            type: "button",
            className: "select",
            "data-focus": `object-${id}`,
            "aria-label": `Select ${name}, number ${id}`,
            title: info.box ? `${name}: box ${info.box.join(", ")}` : name,
            onclick: () => select(id),
          },
          swatch(id, String(id)),
          name,
        ),
      ),
      el("td", {}, STATE_TEXT[info.state]),
      el("td", { className: "number" }, info.score === null ? "–" : info.score.toFixed(2)),
      el(
        "td",
        {},
        el(
          "label",
          { className: "target" },
          el("input", {
            type: "checkbox",
            checked: isShown,
            "data-focus": `show-${id}`,
            "aria-label": `Show ${name}`,
            onchange: () => {
              const next = new Set(hidden);
              if (isShown) next.add(id);
              else next.delete(id);
              store.set({ hidden: next });
            },
          }),
        ),
      ),
    );
  }

  function renderList() {
    const { visibleObjects } = store.state;
    if (!visibleObjects.length) {
      return refill(list, [
        el("p", { className: "note" }, "None yet. Click on an object in the frame to add it."),
      ]);
    }
    const heads = ["Object", "State", "Score", "Show"].map((text) => el("th", { scope: "col" }, text));
    const caption = el("caption", { className: "hidden" }, "Objects in this frame");
    const table = el(
      "table",
      {},
      caption,
      el("thead", {}, el("tr", {}, ...heads)),
      el("tbody", {}, ...visibleObjects.map(row)),
    );
    refill(list, [table]);
    return renderHere();
  }

  const facts = el("p", { className: "note" });

  function renderHere() {
    const { object, objects } = store.state;
    if (!objects.has(object)) return;
    const { state, score, area, box, origin } = here(object);
    const isUnfinished =
      store.state.shown !== null && drafts.get(store.state.video, store.state.shown, object)?.at > 0;
    if (isUnfinished) return void (facts.textContent = "unfinished mask here.");
    const parts = [origin ? `corrected here (${origin})` : `${STATE_TEXT[state]} here`];
    if (score !== null) parts.push(`confidence ${score.toFixed(2)}`, count(area, "pixel"));
    if (box) parts.push(`box ${box.join(", ")}`);
    facts.textContent = `${parts.join(", ")}.`;
  }

  function renderEditor() {
    const { object, objects, readOnly, categories, palette } = store.state;
    const info = objects.get(object);
    if (!info) return editor.replaceChildren();
    // Whoever types is not disturbed by what others do.
    if (
      editor.contains(document.activeElement) &&
      document.activeElement.matches("input[type=text]") &&
      editor.dataset.object === String(object)
    )
      return;
    editor.dataset.object = String(object);
    const input = (label, name, properties) =>
      el(
        "label",
        { className: "row" },
        label,
        el("input", {
          value: info[name] ?? "",
          disabled: readOnly,
          "data-focus": `edit-${name}`,
          onchange: (event) => change(object, { [name]: event.target.value }),
          onkeydown: (event) => {
            if (event.key === "Enter" || event.key === "Escape") {
              if (event.key === "Escape") event.target.value = info[name] ?? "";
              event.target.blur();
              byId("overlay").focus();
            }
          },
          ...properties,
        }),
      );
    const action = (id, text) =>
      el(
        "button",
        { type: "button", disabled: readOnly, "data-focus": `do-${id}`, onclick: () => run(id) },
        text,
      );
    const known = el("datalist", { id: "categories" }, ...categories.map((value) => el("option", { value })));
    const category = input("Category", "category", { type: "text", id: "object-category" });
    category.querySelector("input").setAttribute("list", "categories");
    refill(editor, [
      el("h3", {}, `Object ${object}`),
      facts,
      input("Name", "name", { type: "text", id: "object-name" }),
      category,
      known,
      input("Colour", "color", { type: "color", id: "object-color", value: color(object) }),
      el(
        "div",
        { className: "group wrap" },
        info.color && action("usual-color", palette === "bright" ? "Usual colour" : "Colour of the palette"),
        action("swap", "Swap…"),
        action("merge", "Merge…"),
        action("split", "Split…"),
        action("unanchor", "Remove correction"),
        action("remove-object", "Remove"),
      ),
    ]);
    renderHere();
  }

  store.on(
    [
      "visibleObjects",
      "objects",
      "object",
      "hidden",
      "strip",
      "shown",
      "palette",
      "masksRevision",
      "draftsRevision",
    ],
    renderList,
  );
  store.on(["visibleObjects", "objects", "object", "palette", "categories", "readOnly"], renderEditor);
}
