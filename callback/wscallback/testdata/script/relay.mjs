// Answers "law" by asking "f" back, over the one connection: whatever crosses it
// twice has to arrive as it left.
import { connect } from "../../antiphon.js";

const peer = connect(process.argv[2]);
peer.serve("law", (q, ctx) => peer.ask("f", q, { within: ctx, onProgress: (p) => ctx.report(p.percent, p.message, p.data) }), { concurrency: 512 });
process.stdin.on("end", () => peer.close()).resume();
