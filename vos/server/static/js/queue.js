// The review queue, and the first steps for those who are new.

import { byId, count, el, refill } from "./dom.js";

/**
 * @param {object} app
 * @param {import("./store.js").Store} app.store
 * @param {(item: any) => void} app.visit
 * @param {(order: string) => void} app.setOrder
 */
export function createQueue({ store, visit, setOrder }) {
  const [list, summary, order] = [byId("queue"), byId("queue-summary"), byId("order")];
  order.addEventListener("change", () => setOrder(order.value));

  function render() {
    const { queue, frame, video } = store.state;
    if (!queue) return;
    const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
    const at = queue.items.findIndex((item) => item.frame === frame && item.video === video);
    const position = at < 0 ? count(queue.items.length, "frame") : `${at + 1} of ${queue.items.length}`;
    summary.textContent = queue.items.length
      ? `${position} to look at. ${percent(queue.uncertain)} uncertain, ${percent(queue.settled)} settled.`
      : `Nothing to look at. ${percent(queue.settled)} settled.`;
    const items = queue.items.map((item) =>
      el(
        "li",
        {},
        el(
          "button",
          {
            type: "button",
            "data-focus": `item-${item.video}-${item.frame}`,
            "aria-current": String(item.frame === frame && item.video === video),
            onclick: () => visit(item),
          },
          el("b", {}, `Frame ${item.frame}`),
          el("small", {}, reasonsOf(item)),
        ),
      ),
    );
    refill(list, items);
    list.querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest" });
  }

  store.on(["queue", "frame", "video"], render);
}

/** What is doubtful, in words: the two most doubtful objects. */
export function reasonsOf(item) {
  const texts = item.reasons
    .slice(0, 2)
    .map(({ object, text, frame }) => `${object}: ${text}${frame === item.frame ? "" : ` (in ${frame})`}`);
  return texts.join("; ") || "in doubt";
}

const SEEN = "vos.start.closed";

/** The first steps: a list that ticks itself off. @param {import("./store.js").Store} store */
export function createStart(store) {
  const root = byId("start");
  if (localStorage.getItem(SEEN)) return;

  function render() {
    const { objects, strip, visited, exported } = store.state;
    const known = [...(strip?.objects.values() ?? [])];
    const has = (state) => known.some((entry) => entry.state.includes(state));
    const isDrawn = store.state.drafts > 0 || known.some(({ anchors }) => anchors.size > 0);
    const steps = [
      [isDrawn, "Click on an object; right click on what is not part of it. N: another object."],
      [known.some(({ anchors }) => anchors.size > 0), "Enter keeps the mask."],
      [has(1), "T tracks the object through the video."],
      [visited, "J goes to the most doubtful frame."],
      [
        has(4) || known.some(({ anchors }) => anchors.size > 1),
        "Correct it and press T again, or accept it with A.",
      ],
      [exported, "Ctrl + E exports."],
    ];
    root.hidden = objects === null;
    refill(root, [
      el(
        "div",
        { className: "heading" },
        el("h2", {}, "Getting started"),
        el(
          "button",
          {
            type: "button",
            "data-focus": "close-start",
            onclick: () => {
              localStorage.setItem(SEEN, "yes");
              root.hidden = true;
              dispose();
            },
          },
          "Close",
        ),
      ),
      el(
        "ol",
        {},
        ...steps.map(([isDone, text]) =>
          el("li", { "data-done": String(Boolean(isDone)) }, el("span", {}, text)),
        ),
      ),
      el("p", { className: "note" }, "All keys: press ?"),
    ]);
  }

  const dispose = store.on(["strip", "drafts", "visited", "exported", "objects"], render);
}
