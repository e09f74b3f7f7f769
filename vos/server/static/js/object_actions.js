// Actions on objects as a whole.

import { ask } from "./dialogs.js";
import { rangeFields, rangeProblem, rangeText, titleOf } from "./here.js";

/** @param {any} app  See `main.js`. */
export function objectActions(app) {
  const { store, announce } = app;
  const state = store.state;
  const send = (events, text) => app.sync.send({ events, text });

  function newObject() {
    const id = state.nextObject;
    if (id === null) return announce("A project holds at most 254 objects.");
    store.set({ nextObject: nextFree(id), object: id });
    showNew(id);
    send([{ kind: "object", object: id, name: "", category: "", color: null }], `new object ${id}`);
    announce(`Object ${id} is new. Click on it in the frame.`);
    return id;
  }

  /** Shows an object that the server does not know yet. */
  function showNew(id) {
    const objects = new Map(state.objects).set(id, { id, name: "", category: "", color: null });
    const visibleObjects = [...objects.keys()].sort((a, b) => a - b);
    store.set({ objects, visibleObjects, usedIds: new Set(state.usedIds).add(id) });
  }

  function nextFree(after) {
    for (let id = after + 1; id <= 254; id++) if (!state.usedIds.has(id)) return id;
    return null;
  }

  function select(id) {
    if (!state.objects.has(id)) return;
    if (state.polygon.length) store.set({ polygon: [] });
    store.set({ object: id, drag: null });
    announce(`${titleOf(state, id)} is selected.`);
  }

  function selectNumber(id) {
    if (state.objects.has(id)) select(id);
    else announce(`There is no object ${id}.`);
  }

  function nextObject() {
    const ids = state.visibleObjects;
    if (ids.length) select(ids[(ids.indexOf(state.object) + 1) % ids.length]);
  }

  const others = () =>
    state.visibleObjects
      .filter((id) => id !== state.object)
      .map((id) => ({ value: String(id), text: `${id} ${state.objects.get(id).name}` }));

  /** Asks for another object, and for a range if it is wanted. */
  async function askOther(title, text, submit, hasRange) {
    if (!others().length) return announce("That takes two objects: there is only one.");
    /** @type {import("./dialogs.js").Field[]} */
    const fields = [{ name: "other", label: "Object", type: "select", options: others() }];
    if (hasRange) fields.push(...rangeFields(state));
    const check = hasRange ? rangeProblem(state) : undefined;
    const values = await ask({ title, text, fields, submit, check });
    return values && { ...values, other: Number(values.other) };
  }

  async function swap() {
    const values = await askOther(
      `Swap ${titleOf(state, state.object)}`,
      "The two objects exchange their masks in these frames.",
      "Swap",
      true,
    );
    if (!values) return;
    const { other, first, last } = values;
    const { object } = state;
    if (!(await send([{ kind: "swap", video: state.video, a: object, b: other, first, last }], "swap"))) return;
    announce(
      `Swapped ${titleOf(state, object)} and ${titleOf(state, other)} in ${rangeText({ first, last })}.`,
    );
  }

  async function merge() {
    const from = state.object;
    const values = await askOther(
      `Merge ${titleOf(state, from)}`,
      "Its masks go to the other object, in all videos, and it is removed. Rejected masks are left out. Locked " +
        "frames of the other object stay as they are, unless this one's are locked, too. Where both have a " +
        "tracked mask, the two are joined, to be reviewed.",
      "Merge",
      false,
    );
    if (!values) return;
    await app.live.startJob({ kind: "merge", from, into: values.other });
    store.set({ object: values.other });
  }

  async function split() {
    const { object } = state;
    const id = state.nextObject;
    if (id === null) return announce("A project holds at most 254 objects.");
    const values = await ask({
      title: `Split ${titleOf(state, object)}`,
      text: "A new object gets its masks in these frames.",
      fields: rangeFields(state),
      submit: "Split",
      check: rangeProblem(state),
    });
    if (!values) return;
    const made = {
      kind: "object",
      object: id,
      name: "",
      category: state.objects.get(object).category,
      color: null,
    };
    const moved = { kind: "move", video: state.video, from: object, to: id, ...values };
    if (await send([made, moved], "split"))
      announce(`Object ${id} has ${rangeText(values)} of ${titleOf(state, object)}.`);
  }

  async function removeObject() {
    const id = state.object;
    if (!state.objects.has(id)) return;
    const name = titleOf(state, id);
    if (await send([{ kind: "remove", object: id }], `remove ${name}`))
      announce(`Removed ${name}. Undo brings it back.`);
  }

  return {
    ...Object.fromEntries(
      Array.from({ length: 9 }, (_, k) => [`object-${k + 1}`, () => selectNumber(k + 1)]),
    ),
    select,
    "new-object": newObject,
    "next-object": nextObject,
    rename: () => document.getElementById("object-name")?.focus(),
    swap,
    merge,
    split,
    "remove-object": removeObject,
    "usual-color": () => app.changeObject(state.object, { color: null }),
  };
}
