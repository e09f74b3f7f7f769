import assert from "node:assert/strict";
import test from "node:test";

import { BINDINGS, CHANGING, bindings, combinationOf, keyText } from "../page/keys.js";

const press = (key, held = {}) =>
  combinationOf({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false,
    getModifierState: (name) => name === "AltGraph" && Boolean(held.isAltGraph), ...held });

test("a combination is what people would call it", () => {
  assert.equal(press("a"), "a");
  assert.equal(press("A", { shiftKey: true }), "Shift+A");
  assert.equal(press("?", { shiftKey: true }), "?");
  assert.equal(press(" "), "Space");
  assert.equal(press("z", { ctrlKey: true }), "Ctrl+z");
  assert.equal(press("z", { metaKey: true }), "Ctrl+z");
  assert.equal(press("+", { altKey: true, shiftKey: true }), "Alt++");
  assert.equal(press("[", { ctrlKey: true, altKey: true, isAltGraph: true }), "[");
  assert.equal(keyText("Alt++"), "Alt + +");
  assert.equal(keyText("Shift+ArrowLeft"), "Shift + ←");
});

test("no two actions have the same key, and users can change each", () => {
  const keys = BINDINGS.flatMap((binding) => binding.keys);
  assert.equal(new Set(keys).size, keys.length);
  const changed = bindings({ next: ["l"] });
  assert.deepEqual(changed.find(({ id }) => id === "next").keys, ["l"]);
  assert.ok(BINDINGS.some(({ id }) => CHANGING.has(id)));
});
