// One question and its answers: columns side by side, or a panel; and what can be done with them.

import { Ask, asksOf, unsent } from "./ask.js";
import { Column } from "./column.js";
import { button, fill, h, when } from "./dom.js";
import { agents } from "./server.js";

export class Turn {
  constructor(kept, talk, number) {
    this.kept = kept;
    this.talk = talk;
    this.place = number - 1;
    this.answers = h("div", { class: "answers" });
    this.tools = h("div", { class: "row tools" });
    const along = kept.along?.length > 0 && h("p", { class: "dim" }, `With ${kept.along.join(", ")}`);
    this.node = h(
      "article",
      { class: "turn", "aria-label": `Question ${number}` },
      h(
        "div",
        { class: "question" },
        h("h2", { tabIndex: -1 }, kept.shown ?? kept.text),
        along,
        kept.at && h("p", { class: "dim" }, when(kept.at)),
      ),
      this.answers,
      this.tools,
    );
    this.drawn = kept.asks.map((ask) => this.#draw(ask));
  }

  get asks() {
    return this.drawn.map((one) => one.ask);
  }

  begin() {
    this.begun = Promise.all(this.drawn.map(({ ask }) => ask.begin()));
    this.changed();
  }

  /** Draws the tools anew when an answer began or ended. */
  changed() {
    this.talk.busy();
    const over = this.asks.every((ask) => ask.over);
    const whole = this.drawn.filter(({ ask }) => ask.result);
    this.node.toggleAttribute("data-over", over);
    fill(
      this.tools,
      over && this.kept.blind && !this.kept.vote && whole.length > 1 && this.#ballot(whole),
      this.kept.vote &&
        h(
          "p",
          { class: "vote" },
          this.kept.vote === "none" ? "You voted for none of them." : `You voted for ${this.kept.vote}.`,
        ),
      over && button("Ask again", () => this.talk.chat.ask(this.#question()), { class: "quiet" }),
      over &&
        this.kept.way === "side" &&
        whole.length > 1 &&
        !this.#veiled &&
        button("Merge…", () => this.#merge(whole), { class: "quiet" }),
      this.kept.way === "side" && !this.#veiled && this.#adder(),
    );
  }

  /** What *drawn*'s AI is called here: by a letter until the vote, where it is blind. */
  nameOf(ask) {
    return this.#veiled ? `Answer ${String.fromCharCode(65 + this.kept.asks.indexOf(ask.kept))}` : ask.kept.agent;
  }

  get veiled() {
    return this.#veiled;
  }

  async retry(drawn) {
    const place = this.drawn.indexOf(drawn);
    this.kept.asks[place] = await this.#anew(drawn.ask.kept.agent);
    this.talk.save();
    drawn.close();
    const next = this.#draw(this.kept.asks[place], drawn.node);
    this.drawn[place] = next;
    next.ask.begin();
    this.changed();
    next.node.querySelector("h3")?.focus();
  }

  widen(drawn) {
    const wide = this.answers.dataset.wide === undefined;
    for (const one of this.drawn) one.node.toggleAttribute("data-chosen", wide && one === drawn);
    this.answers.toggleAttribute("data-wide", wide);
  }

  narrow() {
    const wide = this.answers.dataset.wide !== undefined;
    this.answers.removeAttribute("data-wide");
    return wide;
  }

  remove() {
    this.close();
    this.node.remove();
  }

  close() {
    for (const one of this.drawn) one.close();
  }

  get #veiled() {
    return this.kept.blind && !this.kept.vote && this.kept.way === "side" && this.kept.asks.length > 1;
  }

  #draw(kept, instead) {
    const ask = new Ask(kept, () => this.talk.save());
    const place = h("div", { class: "place" });
    if (this.kept.way === "side") {
      const column = new Column(ask, this);
      this.#put(column.node, instead);
      return column;
    }
    this.#put(place, instead);
    const later = { ask, node: place, close: () => ask.close() };
    import("./panel.js").then(({ Panel }) => {
      const panel = new Panel(ask, this, later);
      place.replaceChildren(panel.node);
    });
    return later;
  }

  #put(node, instead) {
    if (instead) instead.replaceWith(node);
    else this.answers.append(node);
  }

  #question() {
    const { asks, at, vote, ...question } = this.kept;
    return question;
  }

  #ballot(whole) {
    const vote = (name) => {
      this.kept.vote = name;
      this.talk.save();
      for (const one of this.drawn) one.paint();
      this.changed();
    };
    return h(
      "fieldset",
      { class: "ballot" },
      h("legend", {}, "Which answer is best?"),
      whole.map(({ ask }) => button(this.nameOf(ask), () => vote(ask.kept.agent))),
      button("None", () => vote("none")),
    );
  }

  async #merge(whole) {
    const { chooseMerge } = await import("./merge.js");
    const answers = whole.map(({ ask }) => ({ name: ask.kept.agent, text: ask.text }));
    const question = await chooseMerge(this.kept.text, answers, (await agents()).agents);
    if (question) await this.talk.chat.ask(question);
  }

  #adder() {
    const list = h("div", { class: "menu" });
    const adder = h(
      "details",
      {
        class: "pop",
        ontoggle: async () => {
          const { agents: all } = await agents();
          const others = all.filter(
            (one) => one.kind === "ai" && one.ready && !this.kept.asks.some((ask) => ask.agent === one.id),
          );
          fill(
            list,
            others.length ? others.map((one) => button(one.id, () => this.#addColumn(one.id))) : "Every AI was asked.",
          );
        },
      },
      h("summary", {}, "Add an AI"),
      list,
    );
    return adder;
  }

  /** What is sent to ask *agent* this question once more. */
  async #anew(agent) {
    const [body] = asksOf(this.kept.way === "side" ? { ...this.kept, ais: [agent] } : this.kept);
    return unsent(await this.talk.told(body, this.place));
  }

  async #addColumn(ai) {
    const kept = await this.#anew(ai);
    this.kept.asks.push(kept);
    this.talk.save();
    const column = this.#draw(kept);
    this.drawn.push(column);
    column.ask.begin();
    this.changed();
    column.node.querySelector("h3").focus();
  }
}

/** *names* in an order that nobody knows. */
export function shuffled(names) {
  const drawn = crypto.getRandomValues(new Uint32Array(names.length));
  return names
    .map((name, place) => [drawn[place], name])
    .sort(([a], [b]) => a - b)
    .map(([, name]) => name);
}
