import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { AntiphonError, formatMessage, parseMessage } from "../../antiphon.js";

const vectors = JSON.parse(readFileSync(new URL("../../../testdata/wire.json", import.meta.url), "utf8"));
const KINDS = ["", "request", "reply", "part", "progress", "cancel", "credit", "event", "ping", "pong"];

/** The body of a vector as bytes. */
const raw = (m) => (m.bodyHex !== undefined ? Buffer.from(m.bodyHex, "hex") : Buffer.from(m.body ?? "", "utf8"));

function same(m, want, text) {
  assert.equal(m.kind, KINDS[want.kind] ?? JSON.parse(text).kind);
  assert.equal(m.id, want.id);
  assert.equal(m.to, want.to ?? "");
  assert.equal(m.replyTo, want.replyTo ?? "");
  assert.equal(m.seq, want.seq ?? 0);
  assert.equal(m.timeout, want.timeoutUs === undefined ? undefined : want.timeoutUs / 1000);
  assert.deepEqual({ ...m.header }, want.header ?? {});
  assert.deepEqual(m.error && JSON.parse(JSON.stringify(m.error)), want.error);
  if (m.body instanceof Uint8Array) assert.deepEqual(Buffer.from(m.body), raw(want));
  else assert.deepEqual(m.body, want.body === undefined ? undefined : JSON.parse(want.body));
}

for (const v of vectors.vectors.filter((v) => v.text !== undefined)) {
  test(`it reads: ${v.name}`, () => same(parseMessage(v.text), v.message, v.text));

  test(`it writes: ${v.name}`, () => {
    const m = parseMessage(v.text);
    const { body, ...head } = m;
    const verbatim = /,"body":(.*)\}$/s.exec(v.text);
    const text = formatMessage(verbatim ? { ...head, json: verbatim[1] } : m);
    if (verbatim) assert.ok(text.endsWith(`,"body":${verbatim[1]}}`), text);
    assert.deepEqual(JSON.parse(text), JSON.parse(v.text));
    if (!v.text.includes("1e400")) same(parseMessage(formatMessage(m)), v.message, v.text); // which no number here can be
  });
}

for (const v of vectors.accepted.filter((v) => v.text !== undefined)) {
  test(`it accepts: ${v.name}`, () => same(parseMessage(v.text), v.message, v.text));
}

for (const v of vectors.malformed.filter((v) => v.text !== undefined)) {
  test(`it refuses: ${v.name}`, () => {
    assert.throws(() => parseMessage(v.text), (err) => err instanceof AntiphonError && err.is("callback.malformed") && err.class === "not_accepted");
  });
}

test("JSON that is deeper than the wire may be travels as bytes", () => {
  const deep = "[".repeat(65) + "]".repeat(65);
  const m = JSON.parse(formatMessage({ kind: "event", to: "e", body: JSON.parse(deep) }));
  assert.equal(m.body, undefined);
  assert.equal(Buffer.from(m.bytes, "base64").toString(), deep);
});

test("bytes of every sort arrive as they left", () => {
  const all = Uint8Array.from({ length: 20_000 }, (_, i) => i);
  for (const v of [all, all.buffer, new DataView(all.buffer), new Uint16Array(all.buffer)]) {
    const { body } = parseMessage(formatMessage({ kind: "event", to: "e", body: v }));
    assert.deepEqual(body, all);
  }
  assert.deepEqual(parseMessage(formatMessage({ kind: "event", to: "e", body: all.subarray(3, 7) })).body, Uint8Array.of(3, 4, 5, 6));
  assert.equal(parseMessage(formatMessage({ kind: "event", to: "e", body: new Uint8Array() })).body, undefined);
});

test("limits are checked, reading", () => {
  const event = (o) => JSON.stringify({ kind: "event", to: "e", ...o });
  const headers = (n, size = 1) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`h${i}`, "v".repeat(size)]));
  for (const ok of [event({ to: "é".repeat(256) }), event({ header: headers(64) }), event({ header: { h: "v".repeat((16 << 10) - 1) } })]) parseMessage(ok);
  for (const bad of [
    event({ to: "é".repeat(256) + "x" }),
    event({ replyTo: "x".repeat(513) }),
    event({ header: headers(65) }),
    event({ header: { h: "v".repeat(16 << 10) } }),
    event({ header: { h: "é".repeat(8 << 10) } }),
  ]) {
    assert.throws(() => parseMessage(bad), (err) => err.is("callback.malformed"));
  }
});

test("names of the platform are names like any other", () => {
  const m = parseMessage('{"kind":"event","to":"__proto__","header":{"__proto__":"a","constructor":"b"},"body":{"__proto__":{"x":1}}}');
  assert.deepEqual(Object.entries(m.header), [["__proto__", "a"], ["constructor", "b"]]);
  assert.equal({}.x, undefined);
  assert.equal(m.header.toString, undefined);
});

test("an error keeps on the wire what it says", () => {
  const e = new AntiphonError({
    code: "not_found",
    class: "unknown",
    reason: "shop.no_price",
    message: "no such price",
    details: { item: "7", __proto__: null },
    marks: ["fs.not_exist"],
    permanent: true,
    retryAfter: 1499.5,
  });
  const back = parseMessage(formatMessage({ kind: "reply", id: "AAECAwQFBgcICQoLDA0ODw", error: e })).error;
  assert.ok(back instanceof AntiphonError && back instanceof Error);
  for (const k of ["code", "class", "reason", "message", "marks", "permanent"]) assert.deepEqual(back[k], e[k], k);
  assert.deepEqual({ ...back.details }, { item: "7" });
  assert.equal(back.retryAfter, 1500, "a wait is rounded up");
  assert.ok(back.is("shop.no_price") && back.is("fs.not_exist") && !back.is("") && !back.is("other"));
});

test("a class that was not said is what the code suggests, and is not said on", () => {
  for (const [code, class_] of [["canceled", "unknown"], ["deadline_exceeded", "unknown"], ["unavailable", "unknown"], ["internal", "failed"], ["from_the_future", "failed"]]) {
    const e = new AntiphonError({ code });
    assert.equal(e.class, class_);
    assert.equal(e.message, code);
    assert.equal(JSON.parse(JSON.stringify(e)).class, undefined);
  }
});

test("an error is cut to its limits, both ways", () => {
  const long = { code: "é".repeat(100), message: "é".repeat(4000), reason: "r".repeat(200), details: {}, marks: Array(40).fill("m".repeat(200)) };
  for (let i = 0; i < 70; i++) long.details[`d${i}`] = "v".repeat(2000);
  const written = JSON.parse(JSON.stringify(new AntiphonError(long)));
  const read = parseMessage(JSON.stringify({ kind: "reply", id: "AAECAwQFBgcICQoLDA0ODw", error: long })).error;
  for (const e of [written, read]) {
    assert.equal(Buffer.byteLength(e.message), 4096);
    assert.equal(Buffer.byteLength(e.code), 128);
    assert.equal(e.reason.length, 128);
    assert.equal(e.marks.length, 32);
    assert.ok(e.marks.every((m) => m.length === 128));
    assert.equal(Object.keys(e.details).length, 64);
    assert.ok(Object.values(e.details).every((v) => v.length === 1024));
  }
});

test("whatever is thrown becomes an error", () => {
  const abort = new DOMException("stop", "AbortError");
  assert.equal(AntiphonError.from(abort).code, "canceled");
  assert.equal(AntiphonError.from(abort).cause, abort);
  assert.equal(AntiphonError.from(new DOMException("late", "TimeoutError")).code, "deadline_exceeded");
  assert.equal(AntiphonError.from(new Error("plain")).message, "plain");
  const e = new AntiphonError();
  assert.equal(AntiphonError.from(e), e);
  const nasty = { get message() { throw new Error("no"); } };
  for (const v of [undefined, null, 0, "text", Symbol("s"), {}, nasty, Object.create(null)]) {
    assert.ok(AntiphonError.from(v) instanceof AntiphonError);
    assert.equal(AntiphonError.from(v).code, "unknown");
  }
});
