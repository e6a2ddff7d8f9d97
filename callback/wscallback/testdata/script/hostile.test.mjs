// Whatever the other end says, it throws nothing, and what goes on, goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, connected, outcome, someID } from "./harness.mjs";

/** Numbers that look random, and are the same each time. */
function* numbers(seed) {
  for (let x = seed; ; ) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    yield x / 2 ** 32;
  }
}

const garbage = [
  undefined, null, 0, true, "", " ", "null", "7", '"text"', "[]", "{}", "{", "\0", "\ud800", "﻿{}",
  new ArrayBuffer(8), new Uint8Array(8), {}.toString, Symbol("s"), new Proxy({}, { get() { throw new Error("trap"); } }),
  '{"kind":"request"}', '{"kind":"reply","id":"AAAAAAAAAAAAAAAAAAAAAA"}', '{"kind":"part","id":"AAECAwQFBgcICQoLDA0ODw"}',
  '{"kind":["request"]}', '{"kind":"__proto__"}', '{"kind":"toString","id":"AAECAwQFBgcICQoLDA0ODw"}',
  '{"kind":"reply","id":"AAECAwQFBgcICQoLDA0ODw","error":{"code":{}}}',
  '{"kind":"reply","id":"AAECAwQFBgcICQoLDA0ODw","error":{"details":{"a":1}}}',
  '{"kind":"reply","id":"AAECAwQFBgcICQoLDA0ODw","error":{"marks":{}}}',
  '{"kind":"request","id":"AAECAwQFBgcICQoLDA0ODw","to":"f","timeoutMs":1e400}',
  '{"kind":"request","id":"AAECAwQFBgcICQoLDA0ODw","to":"f","bytes":"é"}',
  '{"kind":"request","id":"AAECAwQFBgcICQoLDA0ODw","to":"f","bytes":"===="}',
  "[".repeat(100_000), '{"kind":"event","to":"f","body":' + '{"a":'.repeat(50_000), '{"a":'.repeat(100_000) + "1" + "}".repeat(100_000),
];

test("C2: garbage is dropped and told, and harms nothing that goes on", async (t) => {
  const { peer, ws, names } = await connected(t);
  const o = outcome(peer.ask("f"));
  const streamed = outcome(peer.stream("f")[Symbol.asyncIterator]().next());
  for (const data of garbage) ws.onmessage({ data });
  await clock.settle();
  assert.equal(names().length, garbage.length);
  assert.deepEqual([...new Set(names())].sort(), ["callback.malformed"]);
  assert.equal(peer.status, "open");
  assert.equal(o.settled || streamed.settled, false);
  ws.deliver({ kind: "reply", id: ws.sent[0].id, body: "still" });
  await clock.settle();
  assert.equal(o.value, "still");
});

test("what changes a valid message here and there throws nothing", async (t) => {
  const { peer, ws } = await connected(t);
  const unhandled = [];
  const listener = (err) => unhandled.push(err);
  process.on("unhandledRejection", listener);
  t.after(() => process.off("unhandledRejection", listener));
  peer.serve("f", (q) => q);
  peer.serveStream("s", async function* (q) {
    yield* q;
  });
  const next = numbers(20261);
  const random = (n) => Math.floor(next.next().value * n);
  const odd = [null, -1, 0, 1, 1.5, 2 ** 32, 1e300, "", "f", "s", "x".repeat(600), [], {}, [[]], true, { code: 7 }, "AAECAwQFBgcICQoLDA0ODw"];
  for (let i = 0; i < 5000; i++) {
    if (i % 50 === 0) {
      peer.ask("g", i, { timeout: 500, onProgress: () => {} }).catch(() => {});
      peer.stream("g", i, { timeout: 500, window: 2 })[Symbol.asyncIterator]().next().catch(() => {});
    }
    const asked = ws.sent.filter((m) => m.kind === "request");
    const id = asked.length && random(3) ? asked[random(asked.length)].id : someID();
    const valid = [
      { kind: "request", id, to: "f", seq: random(3), timeoutMs: random(100), header: { a: "b" }, body: [1] },
      { kind: "request", id, to: "s", seq: 1 + random(3), body: [1, 2, 3] },
      { kind: "reply", id, seq: random(3), body: 1 },
      { kind: "reply", id, error: { code: "internal", message: "m", details: { a: "b" }, marks: ["m"], retryAfterMs: 1 } },
      { kind: "part", id, seq: 1 + random(3), body: 1 },
      { kind: "progress", id, seq: random(9), body: { percent: 5, message: "m", data: 1 } },
      { kind: "cancel", id },
      { kind: "credit", id, seq: random(100) },
      { kind: "event", to: "f", body: 1, timeoutMs: 10 },
      { kind: "ping" },
    ][random(10)];
    const keys = Object.keys(valid);
    for (let n = random(3); n > 0; n--) valid[keys[random(keys.length)]] = odd[random(odd.length)];
    let text = JSON.stringify(valid);
    if (random(4) === 0) {
      const at = random(text.length);
      text = text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + random(3));
    }
    ws.onmessage({ data: text });
    if (i % 100 === 0) await clock.advance(10);
    if (ws.sent.length > 2000) ws.sent.splice(0, 1000);
  }
  await clock.advance(1000);
  assert.deepEqual(unhandled, []);
  assert.equal(peer.status, "open");
  assert.equal(peer.pending, 0);
});

test("a flood is bounded: requests, cancels, credits and answers to nothing", async (t) => {
  const { peer, ws, seen } = await connected(t, { outbox: 100 });
  const calls = [];
  peer.serve("f", () => new Promise((resolve) => calls.push(resolve)), { concurrency: 5, queue: 10 });
  ws.bufferedAmount = 1e9; // nobody reads what it is answered
  for (let i = 0; i < 5000; i++) {
    ws.deliver({ kind: "request", id: someID(), to: "f" });
    ws.deliver({ kind: "cancel", id: someID() });
    ws.deliver({ kind: "credit", id: someID(), seq: 4294967295 });
    ws.deliver({ kind: "reply", id: someID() });
    ws.deliver({ kind: "event", to: "f" });
    ws.deliver({ kind: "ping" });
  }
  await clock.settle();
  assert.equal(calls.length, 5);
  ws.bufferedAmount = 0;
  await clock.advance(20);
  assert.equal(ws.sent.length, 100, "so many answers waited, and no more");
  assert.ok(seen.length > 5000);
});
