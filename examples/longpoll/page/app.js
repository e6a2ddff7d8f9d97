// The page follows one operation, whose id is in its address: #id.

const $ = (id) => document.getElementById(id);
const at = (id) => `reports/operations/${encodeURIComponent(id)}`;
let events;

$("order").addEventListener("submit", async (e) => {
	e.preventDefault();
	const order = new FormData(e.target);
	try {
		const res = await fetch("reports", {
			method: "POST",
			headers: { "Content-Type": "application/json", Prefer: "respond-async", "Idempotency-Key": `"${crypto.randomUUID()}"` },
			body: JSON.stringify({ title: order.get("title"), pages: Number(order.get("pages")) }),
		});
		const body = await res.json();
		if (res.status !== 202) throw new Error(body.detail ?? res.statusText);
		location.hash = body.id; // where follow begins
		show(body);
	} catch (err) {
		say(err.message);
	}
});

$("cancel").addEventListener("click", async () => {
	const res = await fetch(`${at(location.hash.slice(1))}:cancel`, { method: "POST" });
	if (!res.ok) say((await res.json()).detail);
});

addEventListener("hashchange", follow);
follow();

// follow listens to what becomes of the operation in the address. An EventSource connects
// again by itself, and says what it has heard last.
function follow() {
	events?.close();
	const id = location.hash.slice(1);
	$("operation").hidden = id === "";
	if (id === "") return;
	events = new EventSource(`${at(id)}/events`);
	events.addEventListener("status", (e) => {
		const op = JSON.parse(e.data);
		show(op);
		if (op.done) events.close();
	});
	events.addEventListener("error", (e) => {
		if (e.target.readyState === EventSource.CLOSED) say("This report is not known, or not any more.");
	});
}

function show(op) {
	$("operation").hidden = false;
	$("operation").dataset.state = op.status;
	$("bar").value = op.status === "Succeeded" ? 100 : op.percentComplete;
	$("cancel").disabled = op.done || Boolean(op.cancelRequested);
	switch (op.status) {
		case "Succeeded": return say(`The report on ${op.result.title} has ${op.result.words} words.`);
		case "Canceled": return say("It was canceled.");
	}
	say(op.error?.message ?? op.message ?? "It waits for its turn.");
}

function say(text) {
	$("operation").hidden = false;
	$("message").textContent = text;
}
