// One AI's answer: drawn as it is written, block by block, with what it cost and what can be done about it.

import { Writing } from "./writing.js";
import { count, dollars, fill, h, hue, say, seconds, signed } from "./dom.js";

export class Column {
  constructor(ask, turn) {
    this.ask = ask;
    this.turn = turn;
    this.writing = new Writing();
    this.name = h("h3", { tabIndex: -1 });
    this.state = h("span", { class: "state" });
    this.actions = h("span", { class: "row push" });
    this.below = h("footer", {});
    this.node = h(
      "section",
      { class: "card answer" },
      h("header", {}, (this.dot = h("i", { class: "dot" })), this.name, this.state, this.actions),
      (this.steps = h("ol", { class: "steps", hidden: turn.kept.pace !== "async" })),
      this.writing.node,
      this.below,
    );
    ask.changed.add((event) => this.paint(event));
    this.paint({ type: "status" });
  }

  close() {
    this.ask.close();
  }

  /** The call that answers: the last one of the run. */
  get #call() {
    return [...(this.ask.run?.calls.values() ?? [])].at(-1);
  }

  paint(event = { type: "status" }) {
    const call = this.#call;
    const follows = this.turn.kept.pace !== "async" || this.ask.over;
    if (event.type === "blocks") {
      if (follows && call) this.writing.draw(call.blocks, event.from);
      this.#tellState(call);
      return;
    }
    const named = this.turn.nameOf(this.ask);
    this.name.textContent = named;
    this.node.setAttribute("aria-label", named);
    this.dot.className = `dot ${this.turn.veiled ? "" : hue(named)}`;
    this.#tellState(call);
    if (follows && call?.blocks) this.writing.draw(call.blocks, 0);
    else if (this.ask.over && !call) this.#writeKept();
    this.#tellSteps();
    this.#tellEnd(call);
    this.#offer();
    if (event.type === "status" && this.ask.over) this.#ended(named);
  }

  /** Draws an answer that was not followed, from its text. */
  async #writeKept() {
    const text = this.ask.result?.data.text;
    if (text && !this.writing.length) await this.writing.drawText(text);
  }

  #tellState(call) {
    const { ask } = this;
    const job = ask.run?.job;
    this.node.setAttribute("aria-busy", String(!ask.over));
    this.node.dataset.state = ask.over
      ? ask.problem
        ? "failed"
        : "done"
      : call?.state === "writing"
        ? "writing"
        : "waiting";
    if (ask.over) this.state.textContent = "";
    else if (call?.state === "writing") this.state.textContent = count(call.words, "word");
    else if (call?.state === "done") this.state.textContent = "keeping it";
    else if (call?.note) this.state.textContent = call.note;
    else if (job?.state === "paused") this.state.textContent = `paused: ${job.reason}`;
    else this.state.textContent = ask.id ? "thinking" : "asking";
  }

  #tellSteps() {
    if (this.steps.hidden) return;
    const told = ["Left as a job. You may close this page; it goes on."];
    for (const step of this.ask.status?.progress ?? []) told.push(step.message);
    fill(
      this.steps,
      (this.ask.over ? told.slice(1) : told).filter(Boolean).map((text) => h("li", {}, text)),
    );
  }

  #tellEnd(call) {
    const data = this.ask.result?.data;
    const told = [];
    if (this.ask.problem) told.push(h("p", { class: "bad" }, this.ask.problem));
    if (data?.error) told.push(h("p", { class: "bad" }, data.error));
    const figures = data ?? (call?.latency_s ? call : null);
    if (figures && !this.turn.veiled) {
      const tokens = figures.output_tokens && count(figures.output_tokens, "token");
      const first = call?.first_token_s >= 0.05 && `first word after ${seconds(call.first_token_s)}`;
      const parts = [figures.model, seconds(figures.latency_s), first, tokens, dollars(figures.cost_usd)];
      told.push(h("p", { class: "dim" }, parts.filter(Boolean).join(" · ")));
    }
    if (data?.note && !this.turn.veiled) told.push(h("p", { class: "dim" }, data.note));
    if (data?.sent_along?.length) {
      told.push(
        h(
          "details",
          {},
          h("summary", {}, `Sent along: ${data.sent_along.length}`),
          h(
            "ul",
            {},
            data.sent_along.map((line) => h("li", {}, line)),
          ),
        ),
      );
    }
    fill(this.below, told);
  }

  #offer() {
    const { ask, turn } = this;
    const name = turn.nameOf(ask);
    fill(
      this.actions,
      !ask.over &&
        signed("stop", `Stop ${name}`, () => ask.cancel().catch((error) => (this.state.textContent = error.message))),
      ask.over && signed("again", `Ask ${name} again`, () => turn.retry(this)),
      ask.result &&
        signed("copy", `Copy the answer of ${name}`, async () => {
          await navigator.clipboard?.writeText(ask.text);
          say("Copied.");
        }),
      turn.kept.asks.length > 1 && signed("wide", `Widen ${name}`, () => turn.widen(this)),
    );
  }

  #ended(name) {
    if (this.told) return;
    this.told = true;
    if (!this.writing.length && this.ask.result) this.#writeKept();
    say(this.ask.problem ? `${name}: ${this.ask.problem}` : `${name} answered: ${this.writing.text}`);
    this.turn.changed();
  }
}
