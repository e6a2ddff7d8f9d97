import assert from "node:assert/strict";
import { test } from "node:test";
import { AntiphonError, connect } from "../../antiphon.js";
import { clock, connected, fails, outcome, peerOf, Socket } from "./harness.mjs";

test("it offers the one subprotocol, and turns the address into that of a WebSocket", async (t) => {
  for (const [url, want] of [
    ["ws://host/ws", "ws://host/ws"],
    ["https://host/ws?a=b#c", "wss://host/ws?a=b"],
    [new URL("http://host:81/"), "ws://host:81/"],
  ]) {
    peerOf(t, {}, url);
    await clock.settle();
    assert.deepEqual([Socket.last.url, Socket.last.protocols, Socket.last.binaryType], [want, ["antiphon.v1.json"], "arraybuffer"]);
  }
});

test("an address is relative to the page", async (t) => {
  globalThis.location = new URL("https://host/page/index.html");
  t.after(() => delete globalThis.location);
  peerOf(t, {}, "../ws");
  await clock.settle();
  assert.equal(Socket.last.url, "wss://host/ws");
});

test("mistakes are thrown, and do not quote the address", () => {
  for (const url of ["", "no address", "ftp://host/secret", "mailto:secret"]) {
    assert.throws(() => connect(url, { WebSocket: Socket }), (e) => e instanceof AntiphonError && e.code === "invalid_argument" && !e.message.includes("secret"));
  }
  for (const o of [{ timeout: -1 }, { timeout: "1s" }, { backoff: 7 }, { buffer: NaN }, { maxPending: 0 }, { unknown: true }]) {
    assert.throws(() => connect("ws://host/", { WebSocket: Socket, ...o }), (e) => e.code === "invalid_argument");
  }
});

test("it tells its status", async (t) => {
  const { peer } = peerOf(t, { backoff: () => 70 });
  const told = [];
  peer.addEventListener("status", (e) => told.push([e.status, e.error?.reason, e.delay]));
  assert.equal(peer.status, "connecting");
  await clock.settle();
  Socket.last.open();
  assert.equal(peer.status, "open");
  Socket.last.drop(1001, "going away");
  assert.equal(peer.status, "waiting");
  await clock.advance(70);
  peer.close();
  assert.deepEqual(told, [
    ["open", undefined, undefined],
    ["waiting", "callback.disconnected", 70],
    ["connecting", undefined, undefined],
    ["closed", undefined, undefined],
  ]);
});

test("who hears of the status may close, ask and serve", async (t) => {
  for (const status of ["connecting", "open", "waiting"]) {
    const { peer } = peerOf(t, { backoff: () => 10 });
    let o;
    peer.addEventListener("status", (e) => {
      if (e.status !== status) return;
      o = outcome(peer.ask("f"));
      peer.close();
    });
    await clock.settle();
    Socket.last.open();
    Socket.last.drop();
    await clock.advance(20);
    assert.equal(peer.status, "closed");
    assert.ok(o.error.is("callback.closed"));
  }
});

test("it waits with full jitter, longer each time, and never more than 30 s", async (t) => {
  const random = Math.random;
  t.after(() => (Math.random = random));
  const { peer } = peerOf(t);
  const delays = [];
  peer.addEventListener("status", (e) => e.status === "waiting" && delays.push(e.delay));
  for (const share of [0.5, 0.5, 0.5, 0, 0.999, ...Array(40).fill(0.5)]) {
    Math.random = () => share;
    await clock.settle();
    Socket.last.drop();
    await clock.advance(delays.at(-1) + 1);
  }
  assert.deepEqual(delays.slice(0, 5), [50, 100, 200, 0, 0.999 * 1600]);
  assert.ok(delays.slice(10).every((d) => d === 15_000), String(delays));
});

test("a connection that lasted makes the next wait short again; one that did not, does not", async (t) => {
  const attempts = [];
  const { peer } = peerOf(t, { backoff: (n) => (attempts.push(n), 10) });
  for (const lasts of [0, 0, 4999, 5000, 0]) {
    await clock.settle();
    Socket.last.open();
    await clock.advance(lasts);
    Socket.last.drop();
    await clock.advance(10);
  }
  assert.deepEqual(attempts, [1, 2, 3, 1, 2]);
  assert.equal(peer.status, "connecting");
});

test("a backoff that fails or makes no sense is replaced", async (t) => {
  for (const backoff of [() => NaN, () => -1, () => { throw new Error("mine"); }]) {
    const { peer } = peerOf(t, { backoff });
    await clock.settle();
    Socket.last.drop();
    await clock.advance(100);
    assert.equal(peer.status, "connecting");
    peer.close();
  }
});

test("being online again ends the wait", async (t) => {
  const page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  let listened = true;
  globalThis.removeEventListener = (...args) => {
    listened = false;
    page.removeEventListener(...args);
  };
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  });
  const { peer } = peerOf(t, { backoff: () => 20_000 });
  await clock.settle();
  Socket.last.drop();
  const before = Socket.all.length;
  page.dispatchEvent(new Event("online"));
  await clock.settle();
  assert.equal(Socket.all.length, before + 1);
  Socket.last.open();
  page.dispatchEvent(new Event("online"));
  await clock.advance(20_000);
  assert.equal(Socket.all.length, before + 1, "the wait is over for good");
  peer.close();
  page.dispatchEvent(new Event("online"));
  assert.equal(peer.status, "closed");
  assert.equal(listened, false);
});

test("an address that is a function is called for each attempt", async (t) => {
  let n = 0;
  const urls = [
    () => "ws://host/?token=1",
    async () => "ws://host/?token=2",
    () => { throw new Error("no token"); },
    () => Promise.reject(new Error("no token")),
    () => "no address",
    () => "ws://host/?token=6",
  ];
  peerOf(t, { backoff: () => 10 }, () => (urls[n++] ?? urls[0])());
  for (let i = 1; i <= urls.length; i++) {
    await clock.settle();
    assert.equal(n, i);
    if (i !== 3 && i !== 4 && i !== 5) {
      assert.equal(Socket.last.url, `ws://host/?token=${i}`);
      Socket.last.drop();
    }
    await clock.advance(10);
  }
});

test("an address that never comes is not waited for for ever, nor used when it comes late", async (t) => {
  let give;
  let n = 0;
  const { peer } = peerOf(t, { backoff: () => 10 }, () => (n++ ? "ws://host/second" : new Promise((resolve) => (give = resolve))));
  await clock.advance(10_000);
  assert.equal(peer.status, "waiting");
  await clock.advance(10);
  assert.equal(Socket.last.url, "ws://host/second");
  const count = Socket.all.length;
  give("ws://host/first");
  await clock.settle();
  assert.equal(Socket.all.length, count);
});

test("connecting ends in time", async (t) => {
  const { peer } = peerOf(t, { connectTimeout: 500, backoff: () => 10 });
  await clock.settle();
  const slow = Socket.last;
  await clock.advance(499);
  assert.equal(peer.status, "connecting");
  await clock.advance(1);
  assert.equal(peer.status, "waiting");
  assert.ok(slow.closed);
  slow.open();
  assert.equal(peer.status, "waiting", "a connection that is too late is none");
});

test("a platform that refuses to connect is asked again", async (t) => {
  Socket.refuse = new DOMException("mixed content", "SecurityError");
  const { peer } = peerOf(t, { backoff: () => 10 });
  await clock.settle();
  assert.equal(peer.status, "waiting");
  Socket.refuse = undefined;
  await clock.advance(10);
  Socket.last.open();
  assert.equal(peer.status, "open");
});

test("a server that does not speak the subprotocol is left", async (t) => {
  for (const protocol of ["", "antiphon.v1", "other"]) {
    const { peer } = peerOf(t, { backoff: () => 10 });
    const o = outcome(peer.ask("f"));
    await clock.settle();
    Socket.last.open(protocol);
    assert.equal(peer.status, "waiting");
    assert.ok(Socket.last.closed);
    await clock.settle();
    assert.equal(o.settled, false);
    assert.equal(Socket.last.sent.length, 0);
  }
});

test("a send that fails is a break", async (t) => {
  const { peer, ws } = await connected(t);
  ws.send = () => { throw new DOMException("x", "InvalidStateError"); };
  const o = outcome(peer.ask("f"));
  await clock.settle();
  fails(o, { reason: "callback.disconnected", class: "unknown" });
  assert.equal(peer.status, "waiting");
});

test("a silent end is asked for a sign of life, and given up without one", async (t) => {
  const { peer, ws } = await connected(t, { heartbeat: 1000 });
  await clock.advance(999);
  assert.deepEqual(ws.kinds(), []);
  await clock.advance(1);
  ws.take("ping");
  await clock.advance(500);
  ws.deliver({ kind: "pong" });
  await clock.advance(999);
  assert.deepEqual(ws.kinds(), []);
  await clock.advance(1);
  ws.take("ping");
  const o = outcome(peer.ask("f"));
  await clock.advance(999);
  assert.equal(peer.status, "open");
  await clock.advance(1);
  assert.equal(peer.status, "waiting");
  assert.ok(ws.closed);
  fails(o, { reason: "callback.disconnected", class: "unknown" });
});

test("a ping is answered", async (t) => {
  const { ws } = await connected(t);
  ws.deliver({ kind: "ping", replyTo: "inbox" });
  assert.deepEqual(ws.sent, [{ kind: "pong", to: "inbox" }]);
});

test("an observer that throws harms nobody", async (t) => {
  const { peer, ws } = await connected(t, { observer: () => { throw new Error("mine"); }, backoff: () => 10 });
  ws.deliver("garbage");
  ws.drop();
  await clock.advance(10);
  Socket.last.open();
  assert.equal(peer.status, "open");
});

test("100 breaks leave nothing behind", async (t) => {
  const { peer } = peerOf(t, { backoff: () => 10 });
  peer.serve("f", () => new Promise(() => {}), { concurrency: 1000 });
  await clock.settle();
  Socket.last.open();
  const timers = clock.timers.size;
  for (let i = 0; i < 100; i++) {
    const o = outcome(peer.ask("g", i));
    Socket.last.deliver({ kind: "request", id: `${"A".repeat(19)}${String(i).padStart(2, "0")}A`, to: "f", timeoutMs: 1e6 });
    Socket.last.drop();
    await clock.advance(10);
    fails(o, { reason: "callback.disconnected" });
    Socket.last.open();
  }
  assert.equal(peer.pending, 0);
  assert.equal(clock.timers.size, timers);
});
