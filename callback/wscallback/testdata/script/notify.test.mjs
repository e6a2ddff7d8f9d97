import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, connected, fails, outcome, peerOf, Socket, someID } from "./harness.mjs";

const bodies = (ws) => ws.sent.map((m) => m.body);

test("an event goes out at once", async (t) => {
  const { peer, ws } = await connected(t);
  peer.notify("seen", { page: 1 }, { ttl: 250, header: { a: "b" } });
  peer.notify("seen");
  assert.deepEqual(ws.sent, [{ kind: "event", to: "seen", timeoutMs: 250, header: { a: "b" }, body: { page: 1 } }, { kind: "event", to: "seen" }]);
});

test("without a connection events wait, the oldest give way, and what is past its time is dropped", async (t) => {
  const { peer, seen } = peerOf(t, { outbox: 3 });
  await clock.settle();
  peer.notify("e", "short", { ttl: 100 });
  for (let i = 0; i < 4; i++) peer.notify("e", i);
  await clock.advance(200);
  peer.notify("e", "last", { ttl: 1000 });
  Socket.last.open();
  assert.deepEqual(bodies(Socket.last), [2, 3, "last"]);
  assert.deepEqual(seen.map((e) => [e.name, e.count]), Array(3).fill(["callback.dropped", 1]));
});

test("an event past its time is not sent", async (t) => {
  const { peer, names } = peerOf(t);
  await clock.settle();
  peer.notify("e", 1, { ttl: 100 });
  await clock.advance(100);
  Socket.last.open();
  assert.deepEqual([Socket.last.sent, names()], [[], ["callback.dropped"]]);
});

test("keep-last keeps the newest of a name and key, in the place of the oldest", async (t) => {
  const { peer } = peerOf(t);
  await clock.settle();
  const keep = (name, key, v) => peer.notify(name, v, { overflow: "keep-last", key });
  keep("a", "1", "old");
  peer.notify("a", "other");
  keep("a", "2", "two");
  keep("b", "1", "b");
  keep("a", "1", "new");
  Socket.last.open();
  assert.deepEqual(bodies(Socket.last), ["new", "other", "two", "b"]);
  keep("a", "1", "again");
  assert.equal(bodies(Socket.last).at(-1), "again");
});

test("what replaces another takes no room that there is not", async (t) => {
  const { peer, names } = peerOf(t, { outboxBytes: 20_000 });
  await clock.settle();
  const keep = (key, size) => peer.notify("e", `${key}${"x".repeat(size)}`, { overflow: "keep-last", key });
  for (const key of ["a", "b", "c", "d"]) keep(key, 1500);
  keep("d", 3000);
  assert.deepEqual(names(), []);
  keep("d", 7000);
  assert.deepEqual(names(), ["callback.dropped"]);
  Socket.last.open();
  assert.deepEqual(bodies(Socket.last).map((b) => [b[0], b.length]), [["c", 1501], ["d", 7001]], "the oldest gave way");
});

test("a network that is slow is not given more than it takes; what waits goes when it can, answers first", async (t) => {
  const { peer, ws } = await connected(t, { buffer: 4000 });
  peer.serve("f", () => "answer");
  ws.bufferedAmount = 3990;
  peer.notify("e", "event");
  const asked = outcome(peer.ask("g", "request"));
  ws.deliver({ kind: "request", id: someID(), to: "f" });
  await clock.settle();
  assert.deepEqual(ws.sent, []);
  await clock.advance(40);
  assert.deepEqual(ws.sent, [], "it is looked for room, and there is none");
  ws.bufferedAmount = 3000;
  await clock.advance(20);
  assert.deepEqual(ws.kinds(), ["reply"], "an answer may use all of the buffer");
  ws.bufferedAmount = 1500;
  await clock.advance(20);
  assert.deepEqual(ws.kinds(), ["reply", "request"], "a request half of it");
  ws.bufferedAmount = 0;
  await clock.advance(20);
  assert.deepEqual(ws.kinds(), ["reply", "request", "event"]);
  assert.equal(asked.settled, false);
});

test("what waits is bounded in number and bytes, and answers have room of their own", async (t) => {
  const { peer, ws } = await connected(t, { outbox: 10, outboxBytes: 20_000, maxPending: 100 });
  peer.serve("f", (q) => "x".repeat(q), { concurrency: 100 });
  ws.bufferedAmount = 1e9;
  const asks = Array.from({ length: 12 }, () => outcome(peer.ask("g", 1)));
  await clock.settle();
  for (const o of asks.slice(10)) fails(o, { reason: "callback.full", class: "not_accepted" });
  assert.equal(asks[9].settled, false);
  const large = outcome(peer.ask("g", "x".repeat(9000)));
  await clock.settle();
  fails(large, { reason: "callback.full" });
  assert.equal(peer.pending, 10);
  assert.throws(() => peer.notify("e", "x".repeat(9000)), (e) => e.is("callback.full"), "there is no event to drop");
  ws.deliver({ kind: "request", id: someID(), to: "f", body: 9000 });
  ws.deliver({ kind: "request", id: someID(), to: "f", body: 9000 });
  await clock.settle();
  ws.bufferedAmount = 0;
  await clock.advance(20);
  assert.deepEqual(ws.kinds(), ["reply", ...Array(10).fill("request"), "reply"], "the second answer waited for the room of the first");
});

test("what has gone out takes no room", async (t) => {
  const { peer, ws } = await connected(t, { outboxBytes: 20_000 });
  for (let i = 0; i < 100; i++) peer.notify("e", "x".repeat(1000));
  ws.bufferedAmount = 1e9;
  for (let i = 0; i < 5; i++) peer.notify("e", i);
  ws.bufferedAmount = 0;
  await clock.advance(20);
  assert.equal(ws.sent.length, 105);
});

test("an answer that finds no room waits for it, as long as its asker", async (t) => {
  const { peer, ws } = await connected(t, { outbox: 1 });
  peer.serve("f", (q) => q);
  ws.bufferedAmount = 1e9;
  ws.deliver({ kind: "request", id: someID(), to: "f", body: 1 });
  ws.deliver({ kind: "request", id: someID(), to: "f", body: 2 });
  ws.deliver({ kind: "request", id: someID(), to: "f", body: 3, timeoutMs: 50 });
  await clock.advance(50);
  ws.bufferedAmount = 0;
  await clock.advance(40);
  assert.deepEqual(bodies(ws), [1, 2]);
});

test("giving up frees the room of what had not left", async (t) => {
  const { peer, ws } = await connected(t, { outbox: 1 });
  ws.bufferedAmount = 1e9;
  const abort = new AbortController();
  const first = outcome(peer.ask("g", 1, { signal: abort.signal }));
  abort.abort();
  const second = outcome(peer.ask("g", 2));
  await clock.settle();
  fails(first, { class: "not_accepted" });
  assert.equal(second.settled, false);
  ws.bufferedAmount = 0;
  await clock.advance(20);
  assert.deepEqual(bodies(ws), [2]);
});

test("mistakes are thrown", async (t) => {
  const { peer, ws } = await connected(t);
  for (const [name, q, o] of [
    ["", 1],
    ["e", 1n],
    ["e", 1, { ttl: 0 }],
    ["e", 1, { ttl: NaN }],
    ["e", 1, { overflow: "block" }],
    ["e", 1, { header: { a: 1 } }],
  ]) {
    assert.throws(() => peer.notify(name, q, o), (e) => e.code === "invalid_argument" && e.class === "not_accepted");
  }
  assert.equal(ws.sent.length, 0);
});
