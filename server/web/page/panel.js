// A panel at work: its rounds with who says what, its milestones and its cost as they come; in the end its result.

import { Writing } from "./writing.js";
import { count, dollars, fill, h, hue, say, signed } from "./dom.js";

export const ROLES = {
  answer: "Independent answers",
  critique: "After reading each other",
  opening: "Opening statements",
  judge: "The judge",
  "": "Answers",
  referee: "The referee",
  merge: "Merging",
};
const UNDER_WAY = new Set(["waiting", "writing", "retrying"]);

export class Panel {
  constructor(ask, turn, place) {
    this.ask = ask;
    this.turn = turn;
    this.place = place;
    this.seats = new Map();
    this.rounds = new Map();
    this.state = h("span", { class: "state" });
    this.actions = h("span", { class: "row push" });
    this.steps = h("ol", { class: "steps", "aria-label": "Steps" });
    this.result = h("div", { class: "result" });
    this.way = h("div", { class: "rounds" });
    this.how = h(
      "details",
      { class: "how", open: turn.kept.pace !== "async" },
      h("summary", {}, "How it went"),
      this.way,
    );
    this.node = h(
      "section",
      { class: "card panel", "aria-label": this.#name },
      h("header", {}, h("h3", { tabIndex: -1 }, this.#name), this.state, this.actions),
      this.steps,
      this.result,
      this.how,
    );
    ask.changed.add((event) => this.paint(event));
    this.paint({ type: "status" });
  }

  get #name() {
    const name = this.ask.kept.agent.replace("moot/", "").replace("-", " ");
    return name[0].toUpperCase() + name.slice(1);
  }

  paint(event) {
    for (const [id, call] of this.ask.run?.calls ?? []) {
      if (!event.call || event.call === id) this.#seat(id, call).paint(call, event.from ?? 0);
    }
    this.#tellState();
    if (event.type !== "blocks") {
      this.#tellSteps();
      this.#offer();
    }
    if (event.type === "status" && this.ask.over && !this.over) this.#ended();
  }

  #tellState() {
    const { ask } = this;
    const calls = [...(ask.run?.calls.values() ?? [])];
    this.node.setAttribute("aria-busy", String(!ask.over));
    const busy = calls.filter((call) => UNDER_WAY.has(call.state));
    const cost = ask.run?.cost;
    const parts = [
      calls.length && `${calls.length - busy.length} of ${count(calls.length, "call")}`,
      cost && dollars(cost.usd, cost.complete),
    ];
    if (!ask.over) parts.unshift(busy.length ? `${busy.map((call) => call.ai).join(", ")} at work` : "at work");
    this.state.textContent = parts.filter(Boolean).join(" · ");
    this.how.hidden = calls.length === 0;
  }

  #tellSteps() {
    const { ask } = this;
    const live = (ask.run?.steps ?? []).map((step) => step.step);
    const told = ask.over || live.length ? live : (ask.status?.progress ?? []).map((one) => one.message);
    if (!ask.over && this.turn.kept.pace === "async") told.unshift("left as a job; you may close this page");
    fill(
      this.steps,
      told.map((text) => h("li", {}, text)),
    );
    this.steps.hidden = told.length === 0;
  }

  #offer() {
    const { ask, turn } = this;
    fill(
      this.actions,
      !ask.over &&
        signed("stop", "Stop the panel", () => ask.cancel().catch((error) => (this.state.textContent = error.message))),
      ask.over && signed("again", "Ask the panel again", () => turn.retry(this.place)),
    );
  }

  #seat(id, call) {
    if (!this.seats.has(id)) {
      const seat = new Seat(call);
      this.seats.set(id, seat);
      this.#round(call.role).append(seat.node);
    }
    return this.seats.get(id);
  }

  #round(role) {
    if (!this.rounds.has(role)) {
      const seats = h("div", { class: "seats" });
      const name = ROLES[role] ?? role[0].toUpperCase() + role.slice(1);
      this.way.append(h("div", { class: "round" }, h("h4", {}, name), seats));
      this.rounds.set(role, seats);
    }
    return this.rounds.get(role);
  }

  async #ended() {
    this.over = true;
    const { ask } = this;
    this.turn.changed();
    if (ask.problem) fill(this.result, h("p", { class: "bad" }, ask.problem));
    if (ask.result) {
      const { drawResult } = await import("./results.js");
      fill(this.result, await drawResult(ask.kept.agent, ask.result));
      this.how.open = false;
      if (this.turn.talk.follows && this.turn.kept.pace !== "async") this.turn.node.scrollIntoView({ block: "start" });
    }
    say(`${this.#name}: ${ask.problem || ask.result?.data.verdict || ask.result?.data.summary || "done"}`);
  }
}

/** One call of a panel. */
export class Seat {
  constructor(call) {
    this.writing = new Writing();
    this.state = h("small", {});
    this.node = h(
      "div",
      { class: "seat" },
      h("p", { class: "by" }, h("i", { class: `dot ${hue(call.ai)}` }), h("strong", {}, call.ai), this.state),
      this.writing.node,
    );
  }

  paint(call, from) {
    this.state.textContent =
      call.state === "done" ? "" : call.note || (call.words ? count(call.words, "word") : "thinking");
    if (call.error || call.state === "failed") this.state.className = "bad";
    if (isForm(call.blocks)) this.writing.draw(read(call.blocks));
    else this.writing.draw(call.blocks, from);
  }
}

/** Whether an answer is JSON, which panels ask for. */
const isForm = (blocks) =>
  flat(blocks[0] ?? [])
    .trimStart()
    .startsWith("{");

const flat = (tree) =>
  typeof tree === "string"
    ? tree
    : (Array.isArray(tree[0]) || !/^[a-z]\w{0,9}(\.r)?$/.test(tree[0]) ? tree : tree.slice(1)).map(flat).join("");

/** The fields of such an answer, as far as it is written, as blocks. */
function read(blocks) {
  const text = blocks.map(flat).join("\n\n");
  const fields = text.split(/[{,]\s*"(\w+)":\s*/).slice(1);
  const found = [];
  for (let place = 0; place + 1 < fields.length; place += 2) {
    const value = fields[place + 1]
      .trim()
      .replace(/^"/, "")
      .replace(/"?\s*[\]}]*$/, "")
      .replaceAll("\\n", "\n")
      .replaceAll('\\"', '"');
    if (value) found.push([["p", ["strong", `${fields[place].replaceAll("_", " ")}: `], value]]);
  }
  return found;
}
