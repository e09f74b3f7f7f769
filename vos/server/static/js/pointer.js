// Mouse, pen and touch on the frame.

import { byId } from "./dom.js";

/**
 * @param {object} app
 * @param {import("./store.js").Store} app.store
 * @param {import("./viewer.js").Viewer} app.viewer
 * @param {ReturnType<import("./editing.js").createEditing>} app.editing
 * @param {(event: PointerEvent) => void} app.pick  Selects the object under the pointer.
 */
export function listenToPointer({ store, viewer, editing, pick }) {
  const overlay = byId("overlay");
  /** @type {{x: number, y: number} | null} */
  let panning = null;

  /** Whether something is drawn by the pointer, and not by keys. */
  const isDragging = () => store.state.drag && !store.state.drag.isByKey;

  /** Tool -> what pressing, moving and releasing do. */
  const tools = {
    click: {
      press: (event, [x, y]) => editing.click([[x, y, isOff(event) ? 0 : 1]], event.shiftKey),
    },
    box: {
      press: (_, [x, y]) => store.set({ drag: { box: [x, y, x, y] } }),
      move: (_, [x, y]) => {
        const [x0, y0] = store.state.drag.box;
        store.set({ drag: { box: [x0, y0, x, y] } });
      },
      release: () => editing.box(store.state.drag.box),
    },
    brush: strokeTool((event) => (isOff(event) ? 0 : 1)),
    eraser: strokeTool((event) => (isOff(event) ? 1 : 0)),
    polygon: { press: pressPolygon },
  };

  function strokeTool(valueOf) {
    return {
      press: (event, point) => store.set({ drag: { strokes: [point], value: valueOf(event) } }),
      move: (_, point) => {
        const { strokes, value } = store.state.drag;
        store.set({ drag: { strokes: [...strokes, point], value } });
      },
      release: () => editing.brush(store.state.drag.strokes, store.state.brush, store.state.drag.value),
    };
  }

  /** Click by click; right click takes the last corner back, a click on the first one closes. */
  function pressPolygon(event, point) {
    const { polygon } = store.state;
    if (event.button === 2) return store.set({ polygon: polygon.slice(0, -1) });
    const isFirst = polygon.length > 2 && distance(polygon[0], point) * viewer.scale() < 9;
    if (!isFirst) return store.set({ polygon: [...polygon, point] });
    store.set({ polygon: [] });
    return editing.polygon(polygon, event.altKey ? 0 : 1);
  }

  overlay.addEventListener("pointerdown", (event) => {
    overlay.focus({ preventScroll: true });
    overlay.setPointerCapture(event.pointerId);
    if (event.button === 1 || event.getModifierState(" ")) {
      panning = { x: event.clientX, y: event.clientY };
      return event.preventDefault();
    }
    if (event.ctrlKey || event.metaKey) return pick(event);
    store.set({ crosshair: null, drag: null });
    return tools[store.state.tool].press(event, viewer.toImage(event));
  });

  overlay.addEventListener("pointermove", (event) => {
    store.set({ pointer: viewer.toImage(event) });
    if (panning) {
      viewer.pan(event.clientX - panning.x, event.clientY - panning.y);
      panning = { x: event.clientX, y: event.clientY };
    } else if (isDragging()) {
      tools[store.state.tool].move(event, viewer.toImage(event));
    }
  });

  overlay.addEventListener("pointerup", () => {
    if (isDragging()) {
      tools[store.state.tool].release();
      store.set({ drag: null });
    }
    panning = null;
  });
  overlay.addEventListener("pointercancel", () => {
    panning = null;
    store.set({ drag: null });
  });
  overlay.addEventListener("pointerleave", () => store.set({ pointer: null }));
  overlay.addEventListener("contextmenu", (event) => event.preventDefault());
  overlay.addEventListener("dblclick", () => {
    const { polygon, tool } = store.state;
    if (tool !== "polygon" || polygon.length < 3) return;
    store.set({ polygon: [] });
    editing.polygon(polygon, 1);
  });
  overlay.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      viewer.zoom(Math.exp(-event.deltaY / 400), event);
    },
    { passive: false },
  );
}

const isOff = (event) => event.button === 2 || event.altKey;
const distance = ([x0, y0], [x1, y1]) => Math.hypot(x1 - x0, y1 - y0);
