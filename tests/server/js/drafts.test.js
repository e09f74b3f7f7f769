import assert from "node:assert/strict";
import test from "node:test";

import { createDrafts } from "../page/drafts.js";

/** Drafts of a project whose actions are counted by `project.depth`. */
function setUp(stored = new Map()) {
  const project = { depth: 0 };
  const storage = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => stored.set(key, value),
    removeItem: (key) => stored.delete(key),
  };
  const drafts = createDrafts({
    projectId: "p",
    counter: () => 0,
    depth: () => project.depth,
    onChange: () => {},
    storage,
  });
  const click = (x, frame = 0) => drafts.add("clip", frame, 1, "shown", { points: [[x, 0, 1]] });
  const here = (frame = 0) => drafts.get("clip", frame, 1);
  return { drafts, project, click, here, stored };
}

const lastPoint = (drafts, draft) => drafts.step(draft).points.at(-1)?.[0];

test("steps are undone and done again in their order", () => {
  const { drafts, click, here } = setUp();
  click(1);
  click(2);
  assert.equal(drafts.undo(here()).kind, "step");
  assert.equal(lastPoint(drafts, here()), 1);
  drafts.undo(here());
  assert.equal(drafts.undo(here()), null, "it is the project's turn");
  drafts.redo(here());
  drafts.redo(here());
  assert.equal(lastPoint(drafts, here()), 2);
  assert.equal(drafts.redo(here()), null);
});

test("what was undone last is done again first", () => {
  const { drafts, project, click, here } = setUp();
  project.depth = 1;
  click(1);
  drafts.undo(here());
  assert.equal(drafts.undo(here()), null);
  project.depth = 0;
  drafts.projectUndone();
  assert.equal(drafts.redo(here()), null, "the project's action comes first");
  drafts.projectRedone();
  assert.equal(drafts.redo(here()).kind, "step");
});

test("a dropped mask comes back after what was done later is undone", () => {
  const { drafts, project, click, here } = setUp();
  const draft = click(1);
  drafts.drop(draft);
  project.depth = 1;
  assert.equal(drafts.undo(here()), null);
  project.depth = 0;
  assert.deepEqual(drafts.undo(here()), { kind: "drop", draft });
  assert.equal(here(), draft);
  assert.equal(drafts.redo(here()).kind, "drop");
  assert.equal(here(), undefined);
});

test("a mask that was begun after one was dropped is kept for redo", () => {
  const { drafts, click, here } = setUp();
  drafts.drop(click(1));
  const second = click(2);
  drafts.undo(here());
  drafts.undo(here());
  assert.equal(lastPoint(drafts, here()), 1);
  drafts.redo(here());
  assert.equal(here(), second);
  drafts.redo(here());
  assert.equal(lastPoint(drafts, here()), 2);
});

test("the steps of a mask that was begun in another frame after one was dropped there are undone first", () => {
  const { drafts, click, here } = setUp();
  const first = click(1, 5);
  drafts.drop(first);
  const second = click(2, 5);
  click(3, 5);
  assert.deepEqual(drafts.undo(here(6)), { kind: "step", draft: second });
  assert.equal(lastPoint(drafts, here(5)), 2);
  click(9, 6);
  assert.equal(lastPoint(drafts, here(5)), 2, "what has steps is kept, whatever is done elsewhere");
  drafts.undo(here(6));
  drafts.undo(here(6));
  assert.deepEqual(drafts.undo(here(6)), { kind: "drop", draft: first });
  drafts.redo(here(6));
  drafts.redo(here(6));
  assert.equal(here(5), second);
  assert.equal(lastPoint(drafts, second), 2);
});

test("a mask that was begun since stays where one that was taken away is wanted again", () => {
  for (const wantAgain of [
    (drafts, draft) => drafts.drop(draft),
    (drafts, draft) => {
      drafts.remove(draft);
      return () => drafts.restore(draft);
    },
  ]) {
    const { drafts, click, here } = setUp();
    const first = click(1);
    const again = wantAgain(drafts, first);
    const second = click(2);
    again();
    assert.equal(here(), second);
    assert.equal(drafts.undo(here()).kind, "step");
    assert.deepEqual(drafts.undo(here()), { kind: "drop", draft: first });
    assert.equal(here(), first);
    drafts.redo(here());
    drafts.redo(here());
    assert.equal(here(), second);
    assert.equal(lastPoint(drafts, second), 2);
  }
});

test("what was kept and refused is unfinished again", () => {
  const { drafts, click, here } = setUp();
  const draft = click(1);
  drafts.remove(draft);
  drafts.restore(draft);
  assert.equal(here(), draft);
  assert.equal(drafts.canRestore(), false);
});

test("dropping can be taken back as if it had not been", () => {
  const { drafts, click, here } = setUp();
  const takeBack = drafts.drop(click(1));
  takeBack();
  assert.equal(lastPoint(drafts, here()), 1);
  assert.equal(drafts.canRestore(), false);
});

test("something new ends what can be done again", () => {
  const { drafts, click, here } = setUp();
  click(1);
  click(2);
  drafts.undo(here());
  click(3);
  assert.equal(drafts.redo(here()), null);
  assert.equal(lastPoint(drafts, here()), 3);
});

test("unfinished masks survive a reload, and a full storage is no error", () => {
  const { stored, click } = setUp();
  click(7);
  const again = setUp(stored);
  assert.equal(lastPoint(again.drafts, again.here()), 7);
  again.drafts.undo(again.here());
  assert.equal(again.drafts.redo(again.here()).kind, "step");
  stored.set = () => {
    throw new Error("full");
  };
  again.click(8);
  assert.equal(stored.size, 0);
  assert.equal(lastPoint(again.drafts, again.here()), 8);
});
