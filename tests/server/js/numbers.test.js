import assert from "node:assert/strict";
import test from "node:test";

import { createDrafts } from "../page/drafts.js";
import { moveDrafts, movedNumbers } from "../page/numbers.js";
import { createStore } from "../page/store.js";
import { createSync } from "../page/sync.js";

const storage = { getItem: () => null, setItem: () => {}, removeItem: () => {} };
globalThis.sessionStorage = /** @type {any} */ (storage);

test("an object whose number somebody else's has now is found by its event", () => {
  const before = [
    { id: 1, event: "anna:1" },
    { id: 3, event: "anna:6" },
    { id: 5 }, // on its way
  ];
  const now = [
    { id: 1, event: "anna:1" },
    { id: 3, event: "ben:1" },
    { id: 4, event: "anna:6" },
    { id: 6, event: null },
  ];
  assert.deepEqual([...movedNumbers(before, now)], [[3, 4]]);
});

test("unfinished masks stay with their objects", () => {
  const drafts = createDrafts({ projectId: "p", counter: () => 0, depth: () => 0, onChange: () => {}, storage });
  for (const object of [1, 3, 4]) drafts.add("clip", 0, object, "shown", { points: [[object, 0, 1]] });
  moveDrafts(
    drafts,
    new Map([
      [3, 4],
      [4, 3],
    ]),
  );
  const pointOf = (object) => drafts.step(drafts.get("clip", 0, object)).points[0][0];
  assert.deepEqual([1, 3, 4].map(pointOf), [1, 4, 3]);
});

/** What a page sends that has objects; `answers` are the server's. */
function sending(objects, answers) {
  const bodies = [];
  globalThis.fetch = /** @type {any} */ (
    async (_, { body }) => {
      bodies.push(JSON.parse(body));
      const { status = 200, ...answer } = answers[bodies.length - 1];
      return { ok: status === 200, status, json: async () => answer };
    }
  );
  const store = createStore({ counter: 7, objects: new Map(objects.map((entry) => [entry.id, entry])) });
  const sync = createSync({
    projectId: "p",
    store,
    onSend: () => {},
    onAppended: () => {},
    foreignSince: () => [],
    onConflict: async () => true,
    onRefused: (_, message) => assert.fail(message),
    onNotDone: () => {},
  });
  return { store, sync, bodies };
}

const anchor = (object) => ({ kind: "anchor", video: "clip", frame: 0, object, mask: null });

test("an action means the object that the user saw, however long it waits", async () => {
  const between = [{ kind: "object", object: 3, id: "ben:1" }];
  const { store, sync, bodies } = sending(
    [{ id: 3, event: "anna:6" }],
    [
      { status: 409, counter: 8, events: between },
      { counter: 9, events: [anchor(4)] },
    ],
  );
  const sent = sync.send({ events: [anchor(3)], text: "" });
  store.set({ objects: new Map([[3, { id: 3, event: "ben:1" }]]) });
  await sent;
  assert.deepEqual(
    bodies.map(({ expect, objects }) => [expect, objects]),
    [
      [7, { 3: "anna:6" }],
      [8, { 3: "anna:6" }],
    ],
  );
});

test("actions on an object that was on its way mean that object", async () => {
  const made = { kind: "object", object: 5 };
  const { sync, bodies } = sending(
    [{ id: 5 }],
    [
      { counter: 8, events: [{ ...made, id: "anna:7" }] },
      { counter: 9, events: [anchor(5)] },
    ],
  );
  sync.send({ events: [made], text: "" });
  await sync.send({ events: [anchor(5)], text: "" });
  assert.deepEqual(
    bodies.map(({ objects }) => objects),
    [{}, { 5: "anna:7" }],
  );
});
