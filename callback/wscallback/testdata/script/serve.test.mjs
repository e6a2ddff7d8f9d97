import assert from "node:assert/strict";
import { test } from "node:test";
import { AntiphonError } from "../../antiphon.js";
import { clock, connected, fails, outcome, Socket, someID } from "./harness.mjs";

const request = (o = {}) => ({ kind: "request", id: someID(), to: "f", timeoutMs: 30000, ...o });

/** A handler whose calls wait to be answered. */
function held() {
  const calls = [];
  return {
    calls,
    f: (q, ctx) => new Promise((resolve, reject) => calls.push({ q, ctx, resolve, reject })),
  };
}

test("what is served is answered, whatever way f answers", async (t) => {
  const { peer, ws } = await connected(t);
  peer.serve("now", () => 1);
  peer.serve("later", async (q) => ({ got: q }));
  peer.serve("nothing", () => {});
  peer.serve("bytes", () => Uint8Array.of(1, 2));
  for (const to of ["now", "later", "nothing", "bytes"]) ws.deliver(request({ to, body: to }));
  await clock.settle();
  assert.deepEqual(ws.sent.map(({ id, ...m }) => m), [
    { kind: "reply", body: 1 },
    { kind: "reply", body: { got: "later" } },
    { kind: "reply" },
    { kind: "reply", bytes: "AQI=" },
  ]);
});

test("what f throws is the answer too", async (t) => {
  const { peer, ws } = await connected(t);
  peer.serve("f", (q) => {
    if (q === 0) throw new AntiphonError({ code: "not_found", reason: "shop.none", message: "none", details: { a: "b" }, class: "unknown" });
    if (q === 1) throw new Error("plain");
    return Promise.reject(new DOMException("x", "AbortError"));
  });
  for (const body of [0, 1, 2]) ws.deliver(request({ body }));
  await clock.settle();
  assert.deepEqual(ws.sent.map((m) => m.error), [
    { code: "not_found", message: "none", class: "unknown", reason: "shop.none", details: { a: "b" } },
    { code: "unknown", message: "plain" },
    { code: "canceled", message: "x" },
  ]);
});

test("what f returns or throws that cannot be told fails, as done", async (t) => {
  const { peer, ws } = await connected(t, { maxBody: 100 });
  const odd = new AntiphonError();
  odd.code = { toJSON() { throw new Error("no"); } };
  const values = [1n, () => {}, "x".repeat(200), new Uint8Array(200)];
  peer.serve("f", (q) => {
    if (q === 4) throw odd;
    if (q === 5) throw Object.create(null);
    return values[q];
  });
  for (let body = 0; body < 6; body++) {
    ws.deliver(request({ body }));
    await clock.settle();
  }
  assert.deepEqual(ws.sent.map((m) => [m.error.code, m.error.class ?? "failed"]), [
    ["invalid_argument", "failed"],
    ["invalid_argument", "failed"],
    ["resource_exhausted", "failed"],
    ["resource_exhausted", "failed"],
    ["internal", "failed"],
    ["unknown", "failed"],
  ]);
});

test("work learns its circumstances", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  const m = request({ timeoutMs: 500, header: { lang: "de" }, body: 7 });
  ws.deliver(m);
  ws.deliver(request({ timeoutMs: undefined }));
  const { q, ctx } = calls[0];
  assert.equal(q, 7);
  assert.deepEqual([ctx.name, ctx.id, { ...ctx.header }, ctx.remaining, ctx.signal.aborted], ["f", m.id, { lang: "de" }, 500, false]);
  assert.ok(Math.abs(ctx.deadline - Date.now() - 500) < 60_000);
  await clock.advance(200);
  assert.equal(ctx.remaining, 300);
  assert.deepEqual([calls[1].ctx.deadline, calls[1].ctx.remaining], [undefined, Infinity]);
});

test("C12: work ends at the asker's deadline, and is not answered then", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  ws.deliver(request({ timeoutMs: 500 }));
  await clock.advance(499);
  assert.equal(calls[0].ctx.signal.aborted, false);
  await clock.advance(1);
  assert.ok(calls[0].ctx.signal.aborted);
  assert.equal(calls[0].ctx.signal.reason.code, "deadline_exceeded");
  calls[0].resolve(1);
  await clock.settle();
  assert.deepEqual(ws.sent, []);
});

test("a deadline past what a timer can be is no deadline in the past", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  ws.deliver(request({ timeoutMs: 1e300 }));
  await clock.advance(10);
  assert.equal(calls[0].ctx.signal.aborted, false);
  assert.ok(calls[0].ctx.deadline.getTime() > 0);
  calls[0].resolve("there");
  await clock.settle();
  assert.equal(ws.take("reply").body, "there");
});

test("a cancel ends the work, and nothing else", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  const [a, b] = [request(), request()];
  ws.deliver(a);
  ws.deliver(b);
  ws.deliver({ kind: "cancel", id: a.id });
  assert.ok(calls[0].ctx.signal.aborted);
  assert.equal(calls[0].ctx.signal.reason.is("callback.asker_gone"), true);
  assert.equal(calls[1].ctx.signal.aborted, false);
  ws.deliver(a);
  assert.equal(calls.length, 2, "it is not begun again");
  calls[0].reject(calls[0].ctx.signal.reason);
  calls[1].resolve(1);
  await clock.settle();
  ws.deliver(a);
  await clock.settle();
  assert.deepEqual(ws.sent.map((m) => m.id), [b.id]);
});

test("a cancel that overtakes its request keeps it from starting", async (t) => {
  const { peer, ws, names } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  const m = request();
  ws.deliver({ kind: "cancel", id: m.id });
  ws.deliver(m);
  assert.equal(calls.length, 0);
  assert.deepEqual([ws.sent, names()], [[], ["callback.repeated"]]);
});

test("a request that has no time left is not done", async (t) => {
  const { peer, ws, names } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  ws.deliver(request({ timeoutMs: 0 }));
  await clock.settle();
  assert.deepEqual([calls.length, ws.sent.length, names()], [0, 0, ["callback.dropped"]]);
});

test("a request that comes again is done once, and answered again", async (t) => {
  const { peer, ws, names } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  const m = request({ timeoutMs: 1000 });
  ws.deliver(m);
  ws.deliver(m);
  calls[0].resolve("once");
  await clock.settle();
  ws.deliver(m);
  await clock.settle();
  assert.equal(calls.length, 1);
  assert.deepEqual(ws.sent, [{ kind: "reply", id: m.id, body: "once" }, { kind: "reply", id: m.id, body: "once" }]);
  assert.deepEqual(names(), ["callback.repeated", "callback.repeated"]);
  await clock.advance(1000);
  ws.deliver(m);
  assert.equal(calls.length, 2, "past the deadline nothing is remembered");
});

test("what is remembered is bounded: an answer too large to keep is not done again", async (t) => {
  const { peer, ws } = await connected(t);
  let calls = 0;
  peer.serve("f", () => "x".repeat(calls++ ? 10 : 300_000));
  const m = request();
  ws.deliver(m);
  await clock.settle();
  ws.deliver(m);
  await clock.settle();
  assert.deepEqual([ws.sent[1].error.code, ws.sent[1].error.class, ws.sent[1].error.reason], ["aborted", "unknown", "callback.repeated"]);
  const others = Array.from({ length: 1100 }, () => request());
  for (const o of others) {
    ws.deliver(o);
    await clock.settle();
  }
  ws.sent.length = 0;
  ws.deliver(others[0]);
  ws.deliver(others[1099]);
  await clock.settle();
  assert.equal(calls, 1 + 1100 + 1, "the oldest is forgotten, the newest is not");
});

test("the answers that are remembered are bounded in bytes, too", async (t) => {
  const { peer, ws } = await connected(t);
  let calls = 0;
  peer.serve("f", () => "x".repeat(200_000 + 0 * calls++));
  const all = Array.from({ length: 10 }, () => request());
  for (const m of all) {
    ws.deliver(m);
    await clock.settle();
  }
  for (const m of [all[9], all[0]]) ws.deliver(m);
  await clock.settle();
  assert.equal(calls, 11);
});

test("a stream that is asked for again is not done again", async (t) => {
  const { peer, ws } = await connected(t);
  peer.serveStream("f", () => [1]);
  const m = request({ seq: 5 });
  ws.deliver(m);
  await clock.settle();
  ws.sent.length = 0;
  ws.deliver(m);
  await clock.settle();
  assert.deepEqual(ws.sent.map((m) => [m.kind, m.error?.reason]), [["reply", "callback.repeated"]]);
});

test("what is not served is refused, not accepted", async (t) => {
  const { peer, ws, names } = await connected(t);
  peer.serveStream("s", async function* () {});
  ws.deliver(request({ to: "other" }));
  ws.deliver(request({ to: "s" }));
  ws.deliver({ kind: "event", to: "other" });
  ws.deliver({ kind: "event", to: "s", seq: 1 });
  await clock.settle();
  assert.deepEqual(ws.sent.map((m) => [m.error.code, m.error.class, m.error.reason, m.error.marks]), [
    ["unimplemented", "not_accepted", "callback.unserved", ["callback.undeliverable"]],
    ["failed_precondition", "not_accepted", "callback.is_stream", undefined],
  ]);
  assert.deepEqual(names(), Array(4).fill("callback.rejected"));
});

test("serving may end, and begin again", async (t) => {
  const { peer, ws } = await connected(t);
  const end = peer.serve("f", () => 1);
  assert.throws(() => peer.serve("f", () => 2), (e) => e.code === "invalid_argument");
  end();
  ws.deliver(request());
  peer.serve("f", () => 2);
  end(); // of the first; the second stays
  ws.deliver(request());
  await clock.settle();
  assert.deepEqual(ws.sent.map((m) => m.body ?? m.error.reason), ["callback.unserved", 2]);
});

test("mistakes in serving are told", async (t) => {
  const { peer } = await connected(t);
  for (const args of [["", () => {}], ["f"], ["f", "no function"], ["f", () => {}, { concurrency: 0 }], ["f", () => {}, { queue: -1 }], ["f", () => {}, { concurrency: NaN }]]) {
    assert.throws(() => peer.serve(...args), (e) => e instanceof AntiphonError && e.code === "invalid_argument");
    assert.throws(() => peer.serveStream(...args), (e) => e instanceof AntiphonError && e.code === "invalid_argument");
  }
});

test("so many calls are under way at once, so many wait, and one more is refused", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f, { concurrency: 2, queue: 3 });
  for (let body = 0; body < 7; body++) ws.deliver(request({ body }));
  await clock.settle();
  assert.equal(calls.length, 2);
  assert.deepEqual(ws.sent.splice(0).map((m) => m.error.reason), ["callback.full", "callback.full"]);
  for (let i = 0; i < 5; i++) {
    calls[i].resolve(calls[i].q);
    await clock.settle();
    assert.ok(calls.length <= i + 3);
  }
  assert.deepEqual(ws.sent.map((m) => m.body), [0, 1, 2, 3, 4], "in the order they came");
});

test("C8: a call that does not end keeps no other from its answer", async (t) => {
  const { peer, ws } = await connected(t);
  peer.serve("f", (q) => (q ? q : new Promise(() => {})));
  for (let body = 0; body < 10; body++) ws.deliver(request({ body }));
  await clock.settle();
  assert.deepEqual(ws.sent.map((m) => m.body), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a request whose asker is gone while it waits leaves its place, and is not done", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f, { concurrency: 1, queue: 1 });
  ws.deliver(request({ body: "at work" }));
  const waits = request({ body: "waits" });
  ws.deliver(waits);
  ws.deliver({ kind: "cancel", id: waits.id });
  ws.deliver(request({ body: "late", timeoutMs: 10 }));
  await clock.advance(10);
  ws.deliver(request({ body: "next" }));
  calls[0].resolve();
  await clock.settle();
  assert.deepEqual(calls.map((c) => c.q), ["at work", "next"]);
});

test("requests are bounded in bytes, too", async (t) => {
  const { peer, ws } = await connected(t, { inboxBytes: 5000 });
  const { calls, f } = held();
  peer.serve("f", f);
  for (let i = 0; i < 10; i++) ws.deliver(request({ body: "x".repeat(1500) }));
  assert.equal(calls.length, 3);
  assert.deepEqual(new Set(ws.sent.map((m) => m.error.reason)), new Set(["callback.full"]));
  for (const c of calls) c.resolve();
  await clock.settle();
  for (let i = 0; i < 3; i++) ws.deliver(request({ body: "x".repeat(1500) }));
  assert.equal(calls.length, 6, "what is done weighs nothing");
  for (const c of calls) c.resolve();
  await clock.settle();

  const end = peer.serve("g", f, { concurrency: 1 });
  ws.deliver(request({ to: "g" }));
  for (let i = 0; i < 20; i++) {
    const waits = request({ to: "g", body: "x".repeat(1500) });
    ws.deliver(waits);
    ws.deliver({ kind: "cancel", id: waits.id });
  }
  ws.sent.length = 0;
  ws.deliver(request({ to: "g", body: "x".repeat(1500) }));
  await clock.settle();
  assert.deepEqual(ws.sent, [], "what has left the queue weighs nothing");
  end();
});

test("a break ends the work, and its answer goes nowhere", async (t) => {
  const { peer, ws } = await connected(t, { backoff: () => 10 });
  const { calls, f } = held();
  peer.serve("f", f, { concurrency: 1 });
  ws.deliver(request());
  ws.deliver(request());
  ws.drop();
  assert.equal(calls[0].ctx.signal.reason.is("callback.disconnected"), true);
  await clock.advance(10);
  Socket.last.open();
  calls[0].resolve("to whom?");
  await clock.settle();
  assert.deepEqual([calls.length, Socket.last.sent.length], [1, 0]);
  const m = request();
  Socket.last.deliver(m);
  calls[1].resolve("here");
  await clock.settle();
  assert.deepEqual(Socket.last.sent, [{ kind: "reply", id: m.id, body: "here" }]);
});

test("nothing that was for an old connection goes out on the next", async (t) => {
  const { peer, ws } = await connected(t, { backoff: () => 10 });
  let calls = 0;
  peer.serve("f", () => ++calls);
  const m = request();
  ws.bufferedAmount = 1e9;
  ws.deliver(m);
  ws.deliver({ kind: "ping" });
  await clock.settle();
  ws.drop();
  await clock.advance(20);
  Socket.last.open();
  await clock.advance(20);
  assert.deepEqual(Socket.last.sent, []);
  Socket.last.deliver(m);
  await clock.settle();
  assert.deepEqual(Socket.last.sent, [{ kind: "reply", id: m.id, body: 2 }], "an id of another connection is another's");
});

test("close aborts the work", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  ws.deliver(request());
  peer.close();
  assert.equal(calls[0].ctx.signal.reason.is("callback.closed"), true);
});

test("reports travel in order, and end with the work", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  const m = request();
  ws.deliver(m);
  const { report } = calls[0].ctx;
  report(10, "begun", { rows: 1 });
  report(200, undefined, Uint8Array.of(1));
  report(NaN);
  report(50, "x".repeat(70_000)); // too large to be told
  report(60, "", 1n); // cannot be told
  calls[0].resolve();
  await clock.settle();
  report(99, "too late");
  assert.deepEqual(ws.sent.map(({ id, ...rest }) => rest), [
    { kind: "progress", seq: 1, body: { percent: 10, message: "begun", data: { rows: 1 } } },
    { kind: "progress", seq: 2, body: { percent: 100, bytes: "AQ==" } },
    { kind: "progress", seq: 3, body: { percent: 0 } },
    { kind: "reply" },
  ]);
});

test("a report makes obsolete the one that has not left", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  const [a, b] = [request(), request()];
  ws.deliver(a);
  ws.deliver(b);
  ws.bufferedAmount = 1e9;
  for (const percent of [1, 2, 3]) for (const c of calls) c.ctx.report(percent);
  ws.bufferedAmount = 0;
  await clock.advance(20);
  assert.deepEqual(ws.sent.map((m) => [m.id, m.seq, m.body.percent]), [[a.id, 3, 3], [b.id, 3, 3]]);
});

test("work may ask back on the same connection, within its own limits", async (t) => {
  const { peer, ws } = await connected(t);
  peer.serve("f", (q, ctx) => peer.ask("g", q, { within: ctx, header: { mine: "1" } }));
  const m = request({ timeoutMs: 400, header: { traceparent: "00-a", tracestate: "b", other: "c" }, body: 7 });
  ws.deliver(m);
  const back = ws.take("request");
  assert.deepEqual([back.to, back.body, back.timeoutMs], ["g", 7, 400]);
  assert.deepEqual(back.header, { traceparent: "00-a", tracestate: "b", mine: "1" });
  ws.deliver({ kind: "reply", id: back.id, body: 8 });
  await clock.settle();
  assert.equal(ws.take("reply").body, 8);

  const other = request();
  ws.deliver(other);
  const asked = ws.take("request");
  ws.deliver({ kind: "cancel", id: other.id });
  assert.equal(ws.take("cancel").id, asked.id, "who is gone takes along what was asked for him");
});

test("what is asked within work that is over is not asked", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f);
  ws.deliver(request({ timeoutMs: 10 }));
  await clock.advance(10);
  const o = outcome(peer.ask("g", 1, { within: calls[0].ctx }));
  await clock.settle();
  fails(o, { class: "not_accepted", code: "deadline_exceeded" });
});

test("events are handled, requests before them, and the oldest give way", async (t) => {
  const { peer, ws, seen } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f, { concurrency: 1, queue: 2 });
  for (let body = 0; body < 5; body++) ws.deliver({ kind: "event", to: "f", body });
  ws.deliver(request({ body: "request" }));
  calls[0].reject(new Error("mine"));
  for (let i = 1; i < 4; i++) {
    await clock.settle();
    assert.equal(calls[i].ctx.id, i === 1 ? calls[i].ctx.id : undefined);
    calls[i].resolve("nobody hears");
  }
  await clock.settle();
  assert.deepEqual(calls.map((c) => c.q), [0, "request", 3, 4]);
  assert.deepEqual(ws.kinds(), ["reply"]);
  assert.deepEqual(seen.map((e) => e.name), ["callback.dropped", "callback.dropped", "callback.event_failed"]);
});

test("an event whose time is over before its turn is not handled", async (t) => {
  const { peer, ws } = await connected(t);
  const { calls, f } = held();
  peer.serve("f", f, { concurrency: 1 });
  ws.deliver({ kind: "event", to: "f", body: 1 });
  ws.deliver({ kind: "event", to: "f", body: 2, timeoutMs: 100 });
  ws.deliver({ kind: "event", to: "f", body: 3, timeoutMs: 0 });
  await clock.advance(100);
  calls[0].resolve();
  await clock.settle();
  assert.equal(calls.length, 1);
});

test("a generator's parts go as far as there is credit", async (t) => {
  const { peer, ws } = await connected(t);
  let made = 0;
  peer.serveStream("f", async function* (q) {
    for (let i = 1; i <= q; i++) {
      made++;
      yield i;
    }
  });
  const m = request({ seq: 2, body: 5 });
  ws.deliver(m);
  await clock.settle();
  assert.deepEqual(ws.sent.splice(0), [1, 2].map((i) => ({ kind: "part", id: m.id, seq: i, body: i })));
  assert.equal(made, 3, "one is ready, and no more are made");
  ws.deliver({ kind: "credit", id: m.id, seq: 1 }); // says nothing new
  await clock.settle();
  assert.deepEqual(ws.sent, []);
  ws.deliver({ kind: "credit", id: m.id, seq: 100 });
  await clock.settle();
  assert.deepEqual(ws.sent, [...[3, 4, 5].map((i) => ({ kind: "part", id: m.id, seq: i, body: i })), { kind: "reply", id: m.id, seq: 5 }]);
});

test("credit is never taken back", async (t) => {
  const { peer, ws } = await connected(t);
  peer.serveStream("f", () => [1, 2, 3]);
  const m = request({ seq: 3 });
  ws.deliver(m);
  ws.deliver({ kind: "credit", id: m.id, seq: 1 });
  await clock.settle();
  assert.deepEqual(ws.kinds(), ["part", "part", "part", "reply"]);
});

test("a plain iterable, an error, and what is none are streams that end so", async (t) => {
  const { peer, ws } = await connected(t);
  peer.serveStream("list", () => [1, Promise.resolve(2)]);
  peer.serveStream("fails", async function* () {
    yield 1;
    throw new AntiphonError({ code: "aborted", message: "no more" });
  });
  peer.serveStream("none", () => 7);
  for (const to of ["list", "fails", "none"]) {
    ws.deliver(request({ to, seq: 9 }));
    await clock.settle();
  }
  assert.deepEqual(ws.sent.map((m) => [m.kind, m.seq, m.body ?? m.error?.code]), [
    ["part", 1, 1],
    ["part", 2, 2],
    ["reply", 2, undefined],
    ["part", 1, 1],
    ["reply", 1, "aborted"],
    ["reply", undefined, "unknown"],
  ]);
});

test("who leaves a stream has its generator return", async (t) => {
  const { peer, ws } = await connected(t);
  let cleaned = 0;
  peer.serveStream("f", async function* (q, ctx) {
    try {
      for (;;) {
        yield 1;
        if (ctx.signal.aborted) return;
      }
    } finally {
      cleaned++;
    }
  });
  const [a, b] = [request({ seq: 1 }), request({ seq: 1, timeoutMs: 50 })];
  ws.deliver(a);
  ws.deliver(b);
  await clock.settle();
  ws.deliver({ kind: "cancel", id: a.id });
  await clock.settle();
  assert.equal(cleaned, 1);
  await clock.advance(50);
  assert.equal(cleaned, 2);
  assert.deepEqual(ws.kinds(), ["part", "part"]);
});
