// One run, whichever door it came through, as it happens: who is at work, what they write, how it ends.

import { count, dollars, fill, h, say } from "./dom.js";
import { ROLES, Seat } from "./panel.js";
import { follow, onEvent, runs } from "./server.js";

const OUTCOMES = { done: "Done", failed: "It failed", cancelled: "Cancelled" };
const UNDER_WAY = new Set(["waiting", "writing", "retrying"]);

export function open() {
  const view = new WatchView();
  return { node: view.node, show: (rest) => view.show(rest[0] ?? "") };
}

class WatchView {
  constructor() {
    this.run = "";
    this.seats = new Map();
    this.rounds = new Map();
    this.title = h("h1", { id: "watch-title", tabIndex: -1, "data-first": "" }, "A run");
    this.state = h("p", { class: "dim", role: "status" });
    this.steps = h("ol", { class: "steps", "aria-label": "Steps" });
    this.way = h("div", { class: "rounds" });
    this.node = h(
      "section",
      { class: "view", "aria-labelledby": "watch-title" },
      h("div", { class: "head" }, this.title),
      this.state,
      this.steps,
      this.way,
    );
    onEvent((event) => event.run === this.run && this.paint(event));
  }

  show(run) {
    if (run === this.run) return;
    this.run = run;
    this.seats.clear();
    this.rounds.clear();
    this.way.replaceChildren();
    this.end?.();
    this.end = run ? follow(run) : undefined;
    this.paint({ type: "shown" });
  }

  paint(event) {
    const run = runs.get(this.run);
    for (const [id, call] of run?.calls ?? []) {
      if (!event.call || event.call === id) this.seat(id, call).paint(call, event.from ?? 0);
    }
    if (event.type === "blocks") return;
    this.title.textContent = run?.tool ? named(run.tool) : "A run";
    this.state.textContent = this.run ? told(run) : "Open the link that a host shows in its first progress note.";
    fill(
      this.steps,
      (run?.steps ?? []).map((step) => h("li", {}, step.step)),
    );
    this.steps.hidden = !run?.steps.length;
    if (event.type === "run_finished") say(this.state.textContent);
  }

  seat(id, call) {
    if (!this.seats.has(id)) {
      const seat = new Seat(call);
      this.seats.set(id, seat);
      this.round(call.role).append(seat.node);
    }
    return this.seats.get(id);
  }

  round(role) {
    if (!this.rounds.has(role)) {
      const seats = h("div", { class: "seats" });
      this.way.append(h("div", { class: "round" }, h("h2", {}, ROLES[role] ?? named(role)), seats));
      this.rounds.set(role, seats);
    }
    return this.rounds.get(role);
  }
}

const named = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

function told(run) {
  const calls = [...(run?.calls.values() ?? [])];
  const busy = calls.filter((call) => UNDER_WAY.has(call.state));
  const parts = [
    OUTCOMES[run?.outcome] ?? (busy.length ? `${busy.map((call) => call.ai).join(", ")} at work` : "Nothing was heard yet."),
    calls.length && `${calls.length - busy.length} of ${count(calls.length, "call")}`,
    run?.cost && dollars(run.cost.usd, run.cost.complete),
  ];
  return parts.filter(Boolean).join(" · ");
}
