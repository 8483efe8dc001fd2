// One conversation: its turns, what this browser keeps of it, and what the AIs are told of what was said before.

import { recentTalks } from "./chat.js";
import { button, h } from "./dom.js";
import { asksOf, unsent } from "./ask.js";
import { api } from "./server.js";
import { Turn, shuffled } from "./turn.js";

const MOST_TALKS = 40;
const SHOWN_TURNS = 8;
const LONGEST_TITLE = 80;
const PANELS = {
  ask_many: "moot/ask-many",
  consensus: "moot/consensus",
  debate: "moot/debate",
  judge: "moot/judge",
  review: "moot/review",
};

export const newTalk = (question, chat) =>
  new Talk({ id: crypto.randomUUID().slice(0, 8), title: titled(question), turns: [] }, chat);

/** The conversation of that id, which the browser keeps, or of a job, as `job-ID`. */
export async function openTalk(id, chat) {
  const kept = localStorage.getItem(`moot.talk.${id}`);
  if (kept) return new Talk(JSON.parse(kept), chat);
  if (!id.startsWith("job-"))
    throw new Error("This browser does not keep that chat any more. The jobs are under Jobs.");
  const { job } = await api("GET", `/api/jobs/${id.slice(4)}`);
  const way = PANELS[job.kind] ?? "side";
  const turn = {
    text: job.question || job.id,
    way,
    ais: job.ais,
    options: {},
    along: [],
    pace: "sync",
    blind: false,
    asks: [{ agent: way === "side" ? (job.ais[0] ?? "the AI") : way, id: job.id }],
  };
  return new Talk({ id, title: titled(turn), turns: [turn] }, chat);
}

const titled = ({ shown, text }) => (shown ?? text).replaceAll(/\s+/g, " ").slice(0, LONGEST_TITLE);

class Talk {
  constructor(kept, chat) {
    this.kept = kept;
    this.chat = chat;
    this.onbusy = () => {};
    this.list = h("div", { class: "talk" });
    this.earlier = button("", () => this.#showEarlier(), { class: "quiet earlier", hidden: true });
    this.node = h("div", {}, this.earlier, this.list);
    this.turns = [];
    for (const turn of kept.turns.slice(-SHOWN_TURNS)) this.#add(turn);
    this.#countEarlier();
    this.heard = (event) =>
      event.key === `moot.talk.${this.id}` && event.newValue && this.#follow(JSON.parse(event.newValue));
    addEventListener("storage", this.heard);
    this.follows = true;
    this.grown = new ResizeObserver(() => this.follows && this.isBusy && this.toEnd());
    this.grown.observe(this.list);
  }

  get id() {
    return this.kept.id;
  }

  async ask(question) {
    if (question.blind) question.ais = shuffled(question.ais);
    const asks = [];
    for (const body of asksOf(question)) asks.push(unsent(await this.told(body, this.kept.turns.length)));
    const turn = { ...question, at: new Date().toISOString(), asks };
    this.kept.turns.push(turn);
    this.save();
    this.#add(turn);
    if (this.turns.length > SHOWN_TURNS) this.turns.shift().remove();
    this.#countEarlier();
    this.toEnd();
  }

  save() {
    const all = [{ id: this.id, title: this.kept.title }, ...recentTalks().filter((one) => one.id !== this.id)];
    for (const old of all.splice(MOST_TALKS)) localStorage.removeItem(`moot.talk.${old.id}`);
    for (;;) {
      try {
        localStorage.setItem(`moot.talk.${this.id}`, JSON.stringify(this.kept));
        localStorage.setItem("moot.talks", JSON.stringify(all));
        return;
      } catch {
        // the browser's room is used up: the oldest conversation goes
        if (all.length < 2) return;
        localStorage.removeItem(`moot.talk.${all.pop().id}`);
      }
    }
  }

  async stop() {
    await Promise.all(this.turns.flatMap((turn) => turn.asks).map((ask) => ask.cancel().catch(() => {})));
  }

  /** Makes a wide answer narrow again; whether there was one. */
  narrow() {
    return this.turns.map((turn) => turn.narrow()).some(Boolean);
  }

  get isBusy() {
    return this.turns.some((turn) => turn.kept.pace !== "async" && turn.asks.some((ask) => !ask.over));
  }

  busy() {
    this.onbusy(this.turns.some((turn) => turn.asks.some((ask) => !ask.over)));
  }

  /** Goes to the newest, and on with it until the reader scrolls away. */
  toEnd() {
    const scroller = this.node.parentElement;
    if (!scroller) return;
    scroller.scrollTop = scroller.scrollHeight;
    scroller.onscroll = () => (this.follows = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60);
  }

  close() {
    this.grown.disconnect();
    removeEventListener("storage", this.heard);
    for (const turn of this.turns) turn.close();
  }

  #add(kept, first = false) {
    const number = this.kept.turns.indexOf(kept) + 1;
    const turn = new Turn(kept, this, number);
    if (first) this.list.prepend(turn.node);
    else this.list.append(turn.node);
    this.turns[first ? "unshift" : "push"](turn);
    turn.begin();
    return turn;
  }

  #showEarlier() {
    const hidden = this.kept.turns.length - this.turns.length;
    for (const turn of this.kept.turns.slice(Math.max(0, hidden - SHOWN_TURNS), hidden).reverse())
      this.#add(turn, true);
    this.#countEarlier();
    this.list.querySelector("h2")?.focus();
  }

  #countEarlier() {
    const hidden = this.kept.turns.length - this.turns.length;
    this.earlier.hidden = hidden === 0;
    this.earlier.textContent = `Show earlier questions (${hidden})`;
  }

  /** Adds what was asked in another tab. */
  #follow(kept) {
    for (const turn of kept.turns.slice(this.kept.turns.length)) {
      this.kept.turns.push(turn);
      if (turn.asks.every((ask) => ask.id)) this.#add(turn);
      else this.kept.turns.pop();
    }
  }

  /** *body* with what was said before turn *place* by the user and whom it is for. The server keeps a thread. */
  async told(body, place) {
    if (body.options.thread) return body;
    const said = [];
    for (const turn of this.turns) {
      if (this.kept.turns.indexOf(turn.kept) >= place) break;
      await turn.begun;
      const ask = turn.asks.find((one) => one.kept.agent === body.agent_id);
      if (ask?.text) said.push({ role: "user", content: turn.kept.text }, { role: "assistant", content: ask.text });
    }
    return { ...body, chat_history: said };
  }
}
