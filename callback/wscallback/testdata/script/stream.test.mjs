import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, connected, fails, outcome } from "./harness.mjs";

/** Collects what a loop gets. */
function collect(iterable, each = () => {}) {
  const got = [];
  const done = (async () => {
    for await (const v of iterable) {
      got.push(v);
      if ((await each(v)) === "leave") break;
    }
  })();
  return { got, o: outcome(done) };
}

test("parts come in order, then the end", async (t) => {
  const { peer, ws } = await connected(t);
  const { got, o } = collect(peer.stream("rows", { from: 1 }, { window: 8 }));
  const { id, ...request } = ws.sent[0];
  assert.deepEqual(request, { kind: "request", to: "rows", seq: 8, timeoutMs: 30000, body: { from: 1 } });
  for (let i = 1; i <= 3; i++) ws.deliver({ kind: "part", id, seq: i, body: i * 10 });
  ws.deliver({ kind: "reply", id, seq: 3 });
  await clock.settle();
  assert.deepEqual(got, [10, 20, 30]);
  assert.deepEqual(o, { settled: true, value: undefined, error: undefined });
  assert.equal(peer.pending, 0);
  assert.deepEqual(ws.kinds(), ["request"], "nothing is cancelled that has ended");
});

test("each loop is a request, and none is made before it", async (t) => {
  const { peer, ws } = await connected(t);
  const rows = peer.stream("rows");
  assert.equal(ws.sent.length, 0);
  for (let i = 0; i < 2; i++) {
    const { got } = collect(rows);
    const m = ws.take("request");
    ws.deliver({ kind: "part", id: m.id, seq: 1, body: i });
    ws.deliver({ kind: "reply", id: m.id, seq: 1 });
    await clock.settle();
    assert.deepEqual(got, [i]);
  }
});

test("credit follows the loop, half a window at a time", async (t) => {
  const { peer, ws } = await connected(t);
  let go;
  const { got } = collect(peer.stream("rows", 0, { window: 4 }), () => new Promise((resolve) => (go = resolve)));
  const { id } = ws.take("request");
  for (let i = 1; i <= 4; i++) ws.deliver({ kind: "part", id, seq: i, body: i });
  await clock.settle();
  assert.deepEqual(ws.kinds(), []);
  go();
  await clock.settle();
  go();
  await clock.settle();
  assert.deepEqual(got, [1, 2, 3]);
  assert.deepEqual(ws.sent, [{ kind: "credit", id, to: "rows", seq: 3 + 4 }], "after three of four, and no less");
});

test("a stream of thousands passes through a window of one, and of many", async (t) => {
  const { peer, ws } = await connected(t);
  for (const window of [1, 2, 3, 64]) {
    const { got, o } = collect(peer.stream("rows", 0, { window }));
    const { id } = ws.take("request");
    let allowed = window;
    for (let sent = 0; sent < 1000; ) {
      while (sent < Math.min(allowed, 1000)) ws.deliver({ kind: "part", id, seq: ++sent, body: sent });
      await clock.settle();
      for (const m of ws.sent.splice(0)) allowed = m.seq;
      assert.ok(allowed <= got.length + window, "no more is allowed than the window has room for");
    }
    ws.deliver({ kind: "reply", id, seq: 1000 });
    await clock.settle();
    assert.equal(got.length, 1000);
    assert.ok(o.settled);
  }
});

test("leaving the loop ends the work", async (t) => {
  const { peer, ws } = await connected(t);
  const { got, o } = collect(peer.stream("rows"), () => "leave");
  const { id } = ws.sent[0];
  ws.deliver({ kind: "part", id, seq: 1, body: 1 });
  ws.deliver({ kind: "part", id, seq: 2, body: 2 });
  await clock.settle();
  assert.deepEqual(got, [1]);
  assert.ok(o.settled && !o.error);
  assert.equal(ws.take("cancel").id, id);
  assert.equal(peer.pending, 0);
});

test("what waits for a part is released by leaving", async (t) => {
  const { peer, ws } = await connected(t);
  const it = peer.stream("rows")[Symbol.asyncIterator]();
  const next = outcome(it.next());
  assert.deepEqual(await it.return("left"), { done: true, value: "left" });
  await clock.settle();
  assert.deepEqual(next.value, { done: true, value: undefined });
  assert.deepEqual(await it.next(), { done: true, value: undefined });
  ws.take("cancel");
});

test("what was not taken when the loop was left is gone", async (t) => {
  const { peer, ws } = await connected(t);
  const it = peer.stream("rows")[Symbol.asyncIterator]();
  const next = it.next();
  for (const seq of [1, 2]) ws.deliver({ kind: "part", id: ws.sent[0].id, seq, body: seq });
  assert.deepEqual(await next, { done: false, value: 1 });
  await it.return();
  assert.deepEqual(await it.next(), { done: true, value: undefined });
});

test("leaving before the first part asks nothing", async (t) => {
  const { peer, ws } = await connected(t);
  const it = peer.stream("rows")[Symbol.asyncIterator]();
  await it.return();
  assert.deepEqual(await it.next(), { done: true, value: undefined });
  assert.equal(ws.sent.length, 0);
});

test("several may wait, and get the parts in order; the error comes once", async (t) => {
  const { peer, ws } = await connected(t);
  const it = peer.stream("rows")[Symbol.asyncIterator]();
  const waiting = [it.next(), it.next(), it.next(), it.next()].map(outcome);
  const { id } = ws.sent[0];
  ws.deliver({ kind: "part", id, seq: 1, body: "a" });
  ws.deliver({ kind: "part", id, seq: 2, body: "b" });
  ws.deliver({ kind: "reply", id, seq: 2, error: { code: "internal", message: "broke" } });
  await clock.settle();
  assert.deepEqual(waiting.slice(0, 2).map((o) => o.value.value), ["a", "b"]);
  fails(waiting[2], { code: "internal", message: "broke" });
  assert.deepEqual(waiting[3].value, { done: true, value: undefined });
});

for (const [name, deliver, want] of [
  ["a gap", (ws, id) => ws.deliver({ kind: "part", id, seq: 3, body: 3 }), { reason: "callback.gap", code: "data_loss", class: "unknown" }],
  ["an end that counts more", (ws, id) => ws.deliver({ kind: "reply", id, seq: 5 }), { reason: "callback.gap" }],
  ["an error", (ws, id) => ws.deliver({ kind: "reply", id, seq: 1, error: { code: "aborted", message: "m" } }), { code: "aborted" }],
  ["a break", (ws) => ws.drop(), { reason: "callback.disconnected", class: "unknown" }],
]) {
  test(`${name} ends a stream, after the parts that came`, async (t) => {
    const { peer, ws } = await connected(t);
    const { got, o } = collect(peer.stream("rows"));
    const { id } = ws.sent[0];
    ws.deliver({ kind: "part", id, seq: 1, body: 1 });
    deliver(ws, id);
    await clock.settle();
    assert.deepEqual(got, [1]);
    fails(o, want);
    assert.equal(peer.pending, 0);
  });
}

test("a part that is there already is dropped", async (t) => {
  const { peer, ws, names } = await connected(t);
  const { got } = collect(peer.stream("rows"));
  const { id } = ws.sent[0];
  for (const seq of [1, 1, 2, 1]) ws.deliver({ kind: "part", id, seq, body: seq });
  ws.deliver({ kind: "reply", id, seq: 2 });
  await clock.settle();
  assert.deepEqual(got, [1, 2]);
  assert.deepEqual(names(), ["callback.duplicate", "callback.duplicate"]);
});

test("more parts than were allowed end the stream, and are not kept", async (t) => {
  const { peer, ws } = await connected(t);
  const { got, o } = collect(peer.stream("rows", 0, { window: 2 }), () => new Promise(() => {}));
  const { id } = ws.sent[0];
  await clock.settle();
  for (let seq = 1; seq <= 10; seq++) ws.deliver({ kind: "part", id, seq, body: seq });
  await clock.settle();
  assert.equal(got.length, 1);
  assert.equal(o.settled, false, "the loop is still at its first part");
  assert.equal(ws.take("cancel").id, id);
  assert.equal(peer.pending, 0);
});

test("what answers with one value yields that", async (t) => {
  const { peer, ws } = await connected(t);
  const { got, o } = collect(peer.stream("now"));
  ws.deliver({ kind: "reply", id: ws.sent[0].id, body: "noon" });
  await clock.settle();
  assert.deepEqual(got, ["noon"]);
  assert.ok(o.settled && !o.error);
});

test("a stream ends in time; parts extend idle", async (t) => {
  const { peer, ws } = await connected(t);
  const { got, o } = collect(peer.stream("rows", 0, { timeout: 1000, idle: 100 }));
  const { id } = ws.sent[0];
  for (let seq = 1; seq <= 5; seq++) {
    await clock.advance(90);
    ws.deliver({ kind: "part", id, seq, body: seq });
  }
  await clock.advance(99);
  assert.equal(o.settled, false);
  await clock.advance(1);
  fails(o, { reason: "callback.expired" });
  assert.equal(got.length, 5);
});

test("an abort ends a stream", async (t) => {
  const { peer } = await connected(t);
  const abort = new AbortController();
  const { o } = collect(peer.stream("rows", 0, { signal: abort.signal }));
  abort.abort();
  await clock.settle();
  fails(o, { code: "canceled", class: "unknown", reason: "callback.gave_up" });
});

test("a window is 1 to 65536", async (t) => {
  const { peer, ws } = await connected(t);
  for (const window of [0, -1, 1.5, NaN, 65537, "8"]) {
    const { o } = collect(peer.stream("rows", 0, { window }));
    await clock.settle();
    fails(o, { code: "invalid_argument", class: "not_accepted" });
  }
  assert.equal(ws.sent.length, 0);
});
