import assert from "node:assert/strict";
import { test } from "node:test";
import { AntiphonError } from "../../antiphon.js";
import { clock, connected, fails, outcome, peerOf, Socket, someID } from "./harness.mjs";

test("an ask gets its own answer, in whatever order they come", async (t) => {
  const { peer, ws } = await connected(t);
  const asked = Array.from({ length: 100 }, (_, i) => peer.ask("double", i));
  const requests = ws.sent.splice(0);
  assert.deepEqual(requests[7], { kind: "request", id: requests[7].id, to: "double", timeoutMs: 30000, body: 7 });
  for (const m of requests.reverse()) ws.deliver({ kind: "reply", id: m.id, body: m.body * 2 });
  assert.deepEqual(await Promise.all(asked), Array.from({ length: 100 }, (_, i) => i * 2));
  assert.equal(peer.pending, 0);
});

test("an answer that comes before send has returned is not lost", async (t) => {
  const { peer, ws } = await connected(t);
  ws.onsent = (m) => m.kind === "request" && ws.deliver({ kind: "reply", id: m.id, body: "early" });
  assert.equal(await peer.ask("f"), "early");
});

test("C1: ids are 128 random bits, and differ", async (t) => {
  const { peer, ws } = await connected(t, { maxPending: 3000 });
  for (let i = 0; i < 500; i++) peer.ask("f").catch(() => {});
  const ids = ws.sent.map((m) => m.id);
  assert.equal(new Set(ids).size, 500);
  const ones = new Array(128).fill(0);
  for (const id of ids) {
    const bytes = Buffer.from(id, "base64url");
    assert.equal(bytes.length, 16);
    assert.equal(bytes.toString("base64url"), id);
    for (let b = 0; b < 128; b++) ones[b] += (bytes[b >> 3] >> (b & 7)) & 1;
  }
  assert.ok(ones.every((n) => n > 125 && n < 375), `every bit varies: ${ones}`);
});

test("no answer and nothing are undefined, null is null", async (t) => {
  const { peer, ws } = await connected(t);
  const [a, b] = [peer.ask("f"), peer.ask("f", null)];
  assert.equal("body" in ws.sent[0], false);
  assert.equal(ws.sent[1].body, null);
  ws.deliver({ kind: "reply", id: ws.sent[0].id });
  ws.deliver({ kind: "reply", id: ws.sent[1].id, body: null });
  assert.equal(await a, undefined);
  assert.equal(await b, null);
});

test("an error of the work arrives as it was", async (t) => {
  const { peer, ws } = await connected(t);
  const o = outcome(peer.ask("f"));
  const error = { code: "not_found", message: "no such", class: "unknown", reason: "shop.none", details: { a: "b" }, permanent: true, retryAfterMs: 5 };
  ws.deliver({ kind: "reply", id: ws.sent[0].id, error, body: "ignored" });
  await clock.settle();
  assert.ok(o.error instanceof AntiphonError);
  fails(o, { code: "not_found", message: "no such", class: "unknown", reason: "shop.none", permanent: true, retryAfter: 5 });
});

test("C3: an ask ends when its time is over, not before, and its work with it", async (t) => {
  const { peer, ws, names } = await connected(t);
  const o = outcome(peer.ask("f", 1, { timeout: 250 }));
  assert.equal(ws.sent[0].timeoutMs, 250);
  await clock.advance(249);
  assert.equal(o.settled, false);
  await clock.advance(1);
  fails(o, { code: "deadline_exceeded", class: "unknown", reason: "callback.expired" });
  assert.equal(ws.take("cancel").id, ws.sent[0].id);
  assert.equal(peer.pending, 0);
  assert.deepEqual(names(), ["callback.expired"]);
});

test("a time that is longer than a timer can be is waited for", async (t) => {
  const { peer } = await connected(t, { heartbeat: 1e12 });
  const o = outcome(peer.ask("f", 1, { timeout: 2 ** 31 + 1000 }));
  await clock.advance(2 ** 31 + 999);
  assert.equal(o.settled, false);
  await clock.advance(1);
  fails(o, { reason: "callback.expired" });
});

test("C11: an ask without a connection waits for one, or for its end, and then was not accepted", async (t) => {
  const { peer } = peerOf(t);
  await clock.settle();
  const late = outcome(peer.ask("f", 1, { timeout: 100 }));
  const abort = new AbortController();
  const left = outcome(peer.ask("f", 2, { signal: abort.signal }));
  const kept = outcome(peer.ask("f", 3, { timeout: 1000 }));
  abort.abort();
  await clock.advance(100);
  fails(late, { reason: "callback.expired", class: "not_accepted", code: "deadline_exceeded" });
  fails(left, { reason: "callback.gave_up", class: "not_accepted", code: "canceled" });
  assert.equal(kept.settled, false);
  await clock.advance(100);
  Socket.last.open();
  await clock.settle();
  assert.equal(Socket.last.sent.length, 1, "only what still waits is asked");
  assert.deepEqual([Socket.last.sent[0].body, Socket.last.sent[0].timeoutMs], [3, 800]);
  Socket.last.deliver({ kind: "reply", id: Socket.last.sent[0].id, body: "yes" });
  await clock.settle();
  assert.equal(kept.value, "yes");
});

test("C11: an ask whose time has passed before its timer was run is not sent", async (t) => {
  const { peer } = peerOf(t);
  await clock.settle();
  const o = outcome(peer.ask("f", 1, { timeout: 100 }));
  clock.now += 200; // a page in the background
  Socket.last.open();
  assert.deepEqual(Socket.last.sent, []);
  await clock.advance(0);
  fails(o, { reason: "callback.expired", class: "not_accepted" });
});

test("an abort gives up at once, frees the entry, and ends the work", async (t) => {
  const { peer, ws } = await connected(t);
  const abort = new AbortController();
  const o = outcome(peer.ask("f", 1, { signal: abort.signal }));
  const why = new Error("the user left");
  abort.abort(why);
  assert.equal(peer.pending, 0, "C4");
  await clock.settle();
  fails(o, { code: "canceled", class: "unknown", reason: "callback.gave_up", cause: why });
  assert.deepEqual(ws.kinds(), ["request", "cancel"]);
  assert.equal(ws.sent[1].id, ws.sent[0].id);
});

test("what is aborted already is not asked", async (t) => {
  const { peer, ws } = await connected(t);
  fails(await settledOf(peer.ask("f", 1, { signal: AbortSignal.abort() })), { code: "canceled", class: "not_accepted" });
  const timedOut = AbortSignal.abort(new DOMException("late", "TimeoutError"));
  fails(await settledOf(peer.ask("f", 1, { signal: timedOut })), { code: "deadline_exceeded", class: "not_accepted" });
  assert.equal(ws.sent.length, 0);
});

async function settledOf(promise) {
  const o = outcome(promise);
  await clock.settle();
  return o;
}

test("C2: an answer that is late, a duplicate or unknown is dropped and told", async (t) => {
  const { peer, ws, seen } = await connected(t);
  const abort = new AbortController();
  const [done, gone, other] = [peer.ask("f"), settledOf(peer.ask("f", 1, { signal: abort.signal })), outcome(peer.ask("f"))];
  const [a, b] = ws.sent.map((m) => m.id);
  ws.deliver({ kind: "reply", id: a, body: 1 });
  abort.abort();
  await gone;
  ws.deliver({ kind: "reply", id: a, body: 2 });
  ws.deliver({ kind: "reply", id: b, body: 2 });
  ws.deliver({ kind: "reply", id: someID(), body: 2 });
  ws.deliver({ kind: "progress", id: a, seq: 1, body: { percent: 1 } });
  ws.deliver({ kind: "part", id: b, seq: 1, body: 1 });
  assert.deepEqual(seen.map((e) => [e.name, e.kind]), [
    ["callback.duplicate", "reply"],
    ["callback.late", "reply"],
    ["callback.unknown", "reply"],
    ["callback.duplicate", "progress"],
    ["callback.late", "part"],
  ]);
  assert.equal(await done, 1);
  assert.equal(other.settled, false);
});

test("C5: what exceeds maxPending is refused at once", async (t) => {
  const { peer, ws } = await connected(t, { maxPending: 2 });
  peer.ask("f").catch(() => {});
  peer.ask("f").catch(() => {});
  fails(await settledOf(peer.ask("f")), { code: "resource_exhausted", class: "not_accepted", reason: "callback.full" });
  ws.deliver({ kind: "reply", id: ws.sent[0].id });
  peer.ask("f").catch(() => {});
  assert.equal(ws.sent.length, 3);
});

test("C6: a break fails what was sent as unknown, and nothing else", async (t) => {
  const { peer, ws, names } = await connected(t, { backoff: () => 10 });
  const sent = outcome(peer.ask("f", "sent"));
  ws.drop();
  const waiting = outcome(peer.ask("f", "waiting"));
  await clock.settle();
  fails(sent, { code: "unavailable", class: "unknown", reason: "callback.disconnected" });
  assert.equal(waiting.settled, false);
  assert.deepEqual(names(), ["callback.disconnected"]);
  await clock.advance(10);
  Socket.last.open();
  const again = Socket.last.take("request");
  assert.equal(again.body, "waiting");
  Socket.last.deliver({ kind: "reply", id: again.id, body: 1 });
  await clock.settle();
  assert.equal(waiting.value, 1);
});

test("C9: nothing that an old connection says is listened to", async (t) => {
  const { peer, ws } = await connected(t, { backoff: () => 10 });
  ws.drop();
  await clock.advance(10);
  Socket.last.open();
  const o = outcome(peer.ask("f"));
  ws.deliver({ kind: "reply", id: Socket.last.sent[0].id, body: "forged" });
  ws.drop();
  await clock.settle();
  assert.equal(o.settled, false);
  assert.equal(peer.status, "open");
});

test("progress is told in order, and what overtakes it is not", async (t) => {
  const { peer, ws } = await connected(t);
  const heard = [];
  const asked = peer.ask("f", 1, { onProgress: (p) => heard.push(p) });
  const { id } = ws.sent[0];
  const tell = (seq, body) => ws.deliver({ kind: "progress", id, seq, body });
  tell(1, { percent: 10, message: "begun", data: { rows: 1 } });
  tell(3, { percent: 130 });
  tell(2, { percent: 20 });
  tell(4, { percent: -1, bytes: "AAE=" });
  tell(5, null);
  ws.deliver({ kind: "reply", id, body: "done" });
  assert.equal(await asked, "done");
  assert.deepEqual(heard, [
    { percent: 10, message: "begun", data: { rows: 1 } },
    { percent: 100, message: "", data: undefined },
    { percent: 0, message: "", data: Uint8Array.of(0, 1) },
    { percent: 0, message: "", data: undefined },
  ]);
});

test("who is told of progress and throws harms nobody", async (t) => {
  const { peer, ws } = await connected(t);
  const asked = peer.ask("f", 1, { onProgress: () => { throw new Error("mine"); } });
  ws.deliver({ kind: "progress", id: ws.sent[0].id, seq: 1, body: { percent: 1 } });
  ws.deliver({ kind: "reply", id: ws.sent[0].id, body: "done" });
  assert.equal(await asked, "done");
});

test("progress extends idle, never the timeout", async (t) => {
  const { peer, ws } = await connected(t);
  const silent = outcome(peer.ask("f", 1, { idle: 100, timeout: 1000 }));
  const busy = outcome(peer.ask("f", 1, { idle: 100, timeout: 1000 }));
  const { id } = ws.sent[1];
  for (let i = 1; i <= 12; i++) {
    await clock.advance(90);
    ws.deliver({ kind: "progress", id, seq: i, body: { percent: i } });
    if (i === 1) assert.equal(silent.settled, false);
    if (i === 2) fails(silent, { reason: "callback.expired" });
    if (i === 11) assert.equal(busy.settled, false);
  }
  fails(busy, { reason: "callback.expired" });
});

test("a stream that answers a plain ask ends it", async (t) => {
  const { peer, ws } = await connected(t);
  const o = outcome(peer.ask("f"));
  ws.deliver({ kind: "part", id: ws.sent[0].id, seq: 1, body: 1 });
  await clock.settle();
  fails(o, { reason: "callback.is_stream", code: "failed_precondition" });
  ws.take("cancel");
});

test("headers travel, within limits", async (t) => {
  const { peer, ws } = await connected(t);
  peer.ask("f", 1, { header: { a: "ä", "": "" } }).catch(() => {});
  assert.deepEqual(ws.sent[0].header, { a: "ä", "": "" });
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`h${i}`, ""]));
  for (const header of [many, { h: "x".repeat(16 << 10) }, { h: 1 }, [], "text", null]) {
    fails(await settledOf(peer.ask("f", 1, { header })), { code: "invalid_argument", class: "not_accepted" });
  }
});

test("mistakes are told, and nothing is sent", async (t) => {
  const { peer, ws } = await connected(t, { maxBody: 100 });
  const loop = {};
  loop.loop = loop;
  for (const [name, q, o] of [
    ["", 1, {}],
    [7, 1, {}],
    ["é".repeat(257), 1, {}],
    ["f", loop, {}],
    ["f", 1n, {}],
    ["f", () => {}, {}],
    ["f", Symbol("s"), {}],
    ["f", 1, { timeout: 0 }],
    ["f", 1, { timeout: -1 }],
    ["f", 1, { timeout: NaN }],
    ["f", 1, { timeout: Infinity }],
    ["f", 1, { idle: -1 }],
  ]) {
    fails(await settledOf(peer.ask(name, q, o)), { code: "invalid_argument", class: "not_accepted" });
  }
  fails(await settledOf(peer.ask("f", "é".repeat(50))), { code: "resource_exhausted", class: "not_accepted", reason: "antiphon.too_large" });
  fails(await settledOf(peer.ask("f", new Uint8Array(101))), { reason: "antiphon.too_large" });
  assert.equal(ws.sent.length, 0);
  assert.equal(peer.pending, 0);
  peer.ask("f", "é".repeat(49)).catch(() => {});
  peer.ask("f", new Uint8Array(100)).catch(() => {});
  assert.equal(ws.sent.length, 2);
});

test("C7: close settles everything, and may be called again", async (t) => {
  const { peer, ws } = await connected(t, { backoff: () => 1e6 });
  const sent = outcome(peer.ask("f"));
  ws.bufferedAmount = 1 << 20;
  const waiting = outcome(peer.ask("f"));
  peer.close();
  peer.close();
  await clock.settle();
  fails(sent, { reason: "callback.closed", class: "unknown", code: "unavailable" });
  fails(waiting, { reason: "callback.closed", class: "not_accepted" });
  assert.deepEqual(ws.closed, { code: 1000 });
  assert.equal(peer.status, "closed");
  assert.equal(peer.pending, 0);
  fails(await settledOf(peer.ask("f")), { reason: "callback.closed", class: "not_accepted" });
  assert.throws(() => peer.notify("f"), (e) => e.is("callback.closed"));
  assert.throws(() => peer.serve("f", () => {}), (e) => e.is("callback.closed"));
  await clock.advance(1e6);
  assert.equal(Socket.last, ws, "it does not connect again");
});

test("an answer that is too large fails its ask as done, and a message that is ends the connection", async (t) => {
  const { peer, ws } = await connected(t, { maxBody: 1000 });
  const o = outcome(peer.ask("f"));
  ws.deliver({ kind: "reply", id: ws.sent[0].id, body: "x".repeat(999) });
  await clock.settle();
  fails(o, { code: "resource_exhausted", class: "failed", reason: "antiphon.too_large" });
  const other = outcome(peer.ask("f"));
  ws.deliver(`"${"x".repeat(1000 + (64 << 10))}"`);
  await clock.settle();
  fails(other, { reason: "callback.disconnected", class: "unknown" });
  assert.equal(peer.status, "waiting");
});
