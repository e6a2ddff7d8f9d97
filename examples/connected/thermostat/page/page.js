// The phone: it watches the hub, asks it for another temperature, and is asked back.
import { connect } from "./antiphon.js";
import * as chart from "./chart.js";

const part = (id) => document.getElementById(id);
const main = document.querySelector("main");
const slider = part("target");
const degrees = (c) => `${c.toFixed(1)} °C`;

const peer = connect("phone");
peer.serve("confirm", confirm, { concurrency: 1 });
peer.addEventListener("status", () => {
  if (peer.status !== "open") offline("Reconnecting");
});

/** Shows what the hub tells, for as long as the page is there. */
async function watch() {
  for (;;) {
    try {
      // A window of two: what is shown is never more than two views behind.
      for await (const view of peer.stream("watch", undefined, { window: 2, timeout: 3_600_000, idle: 5000 })) show(view);
    } catch (err) {
      console.info(`watching again: ${err.message}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

function show(view) {
  if (!view.online) {
    offline("Device offline");
    return;
  }
  main.classList.remove("offline");
  state(view.heating ? "heating" : "idle", view.heating ? "Heating" : "Idle");
  part("celsius").textContent = view.celsius.toFixed(1);
  part("facts").textContent = `${view.readings} readings/s · commands ${view.latency.toFixed(2)} ms`;
  chart.add(performance.now(), view);
  if (!choosing) choose(view.target);
  enable(true);
}

function offline(text) {
  main.classList.add("offline");
  state("offline", text);
  enable(false);
}

function state(name, text) {
  if (part("state").dataset.state === name && part("state-text").textContent === text) return;
  part("state").dataset.state = name;
  part("state-text").textContent = text;
}

function enable(on) {
  for (const id of ["target", "colder", "warmer"]) part(id).disabled = !on;
}

/* What the user chooses is asked for once the hand rests. */

let choosing = false;
let resting;
let asking = new AbortController();

function choose(celsius) {
  slider.value = celsius;
  slider.setAttribute("aria-valuetext", degrees(celsius));
  part("target-text").textContent = degrees(celsius);
}

function chosen(celsius) {
  choosing = true;
  choose(Math.min(Math.max(celsius, Number(slider.min)), Number(slider.max)));
  clearTimeout(resting);
  resting = setTimeout(ask, 300);
}

slider.addEventListener("input", () => chosen(slider.valueAsNumber));
part("colder").addEventListener("click", () => chosen(slider.valueAsNumber - 0.5));
part("warmer").addEventListener("click", () => chosen(slider.valueAsNumber + 0.5));

async function ask() {
  asking.abort(); // the last one counts
  const mine = (asking = new AbortController());
  const celsius = slider.valueAsNumber;
  say("Asking the device …");
  try {
    const { target } = await peer.ask("target", { celsius }, { timeout: 25_000, signal: mine.signal });
    if (mine === asking) say(`The device is set to ${degrees(target)}.`);
  } catch (err) {
    if (mine !== asking) return;
    if (err.is("thermostat.unsure")) say("Left as it was.");
    else if (err.class === "not_accepted") say(`Nothing was changed: ${err.message}.`, true);
    else say(`It is not known whether the device has heard: ${err.message}.`, true);
  } finally {
    if (mine === asking) choosing = false;
  }
}

function say(text, bad = false) {
  part("message").textContent = text;
  part("message").classList.toggle("bad", bad);
}

/** The hub asks back whether so much heat is meant. */
function confirm({ celsius }, ctx) {
  const dialog = part("sure");
  part("sure-celsius").textContent = degrees(celsius);
  dialog.showModal();
  return new Promise((resolve, reject) => {
    const done = new AbortController();
    const end = (settle, value) => {
      done.abort();
      dialog.close();
      settle(value);
    };
    const on = (target, type, f) => target.addEventListener(type, f, { signal: done.signal });
    on(part("sure-yes"), "click", () => end(resolve, true));
    on(part("sure-no"), "click", () => end(resolve, false));
    on(dialog, "cancel", () => end(resolve, false));
    on(ctx.signal, "abort", () => end(reject, ctx.signal.reason)); // nobody waits any more
  });
}

setInterval(() => (part("chart-text").textContent = chart.describe()), 5000);
watch();
