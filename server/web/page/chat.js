// The chat: what is asked, of whom and how. The conversation above it is `talk.js`, which comes with its first one.

import { button, fill, h, hue, icon, keep, kept, oneOf, say, signed } from "./dom.js";
import { agents } from "./server.js";

/** How a question can be answered: its sign for the server, its name, and what it does. */
export const WAYS = [
  ["side", "Side by side", "Each AI answers in a column of its own."],
  ["moot/consensus", "Consensus", "Independent answers, and whether they agree."],
  ["moot/debate", "Debate", "The AIs argue; a judge gives a verdict, dissent is kept."],
  ["moot/judge", "Judge", "Answers compared in pairs, in both orders."],
  ["moot/ask-many", "Ask many", "One job for all, with samples, a vote or a merged answer."],
  ["moot/review", "Review", "The AIs review what has changed in the workspace."],
];

/** The conversations that this browser keeps, the latest first. */
export const recentTalks = () => JSON.parse(kept("talks", "[]"));

export function open() {
  const view = new ChatView();
  return { node: view.node, show: (rest, query) => view.show(rest[0] ?? "", query) };
}

class ChatView {
  constructor() {
    this.talk = null;
    this.chosen = new Set();
    this.thread = "";
    this.turns = h("div", { class: "turns" });
    this.node = h(
      "section",
      { class: "view chat", "aria-labelledby": "chat-title" },
      this.#head(),
      this.turns,
      this.#form(),
    );
    this.node.addEventListener("escape", (event) => this.talk?.narrow() && event.preventDefault());
    this.ready = this.#meet();
  }

  async show(id, query) {
    if (query.has("thread")) this.#continue(query.get("thread"));
    if (id) await this.#openTalk(id);
    else if (this.talk) this.#leaveTalk();
    if (!this.talk) await this.#welcome();
    const address = new URLSearchParams(location.search);
    if (address.has("q")) {
      history.replaceState(null, "", location.pathname + location.hash); // a reload does not ask again
      await this.#askFrom(address);
    }
  }

  #head() {
    const paces = [
      ["sync", "Sync", "Follow the answer as it is written"],
      ["async", "Async", "Leave it as a job, and come back to it"],
    ];
    this.blind = h("input", { type: "checkbox" });
    this.recent = h("div", { class: "menu recent" });
    const recent = h(
      "details",
      { class: "pop", ontoggle: () => recent.open && this.#listRecent() },
      h("summary", {}, "Recent"),
      this.recent,
    );
    return h(
      "div",
      { class: "head" },
      h("h1", { id: "chat-title", tabIndex: -1 }, "Chat"),
      oneOf("pace", "How to wait", paces, kept("pace", "sync"), (pace) => keep("pace", pace)),
      h("label", { class: "check", title: "Names are hidden until you have voted" }, this.blind, "Blind"),
      h(
        "div",
        { class: "push row" },
        recent,
        h("a", { class: "button quiet", href: "#/chat/" }, "New", h("span", { class: "roomy" }, " chat")),
      ),
    );
  }

  #form() {
    this.words = h("textarea", {
      id: "question",
      rows: 1,
      placeholder: "Ask anything",
      "data-first": "",
      oninput: () => this.#grow(),
      onkeydown: (event) => this.#onKey(event),
      onpaste: (event) => event.clipboardData.files.length && this.#attach([...event.clipboardData.files]),
    });
    this.way = h(
      "select",
      { id: "way", "aria-label": "How it is answered", onchange: () => this.#setWay(this.way.value) },
      WAYS.map(([value, name]) => h("option", { value }, name)),
    );
    this.way.value = kept("way", "side");
    this.who = h("details", { class: "pop who" }, h("summary", {}, "Who"), h("div", { class: "menu" }));
    this.note = h("div", { class: "note", role: "alert" });
    this.beside = h("div", { class: "beside" });
    this.more = h("div", { class: "more", hidden: true });
    this.chooser = h("input", {
      type: "file",
      multiple: true,
      hidden: true,
      "aria-label": "Files to send along",
      onchange: () => this.#attach([...this.chooser.files]),
    });
    this.halt = button("Stop", () => this.talk?.stop(), { class: "stop", hidden: true });
    const setting = signed("set", "Options", () => this.#toggleOptions(setting), { "aria-expanded": "false" });
    return h(
      "form",
      {
        class: "composer",
        "aria-label": "Your question",
        onsubmit: (event) => {
          event.preventDefault();
          this.send();
        },
        ondragover: (event) => event.preventDefault(),
        ondrop: (event) => {
          event.preventDefault();
          this.#attach([...event.dataTransfer.files]);
        },
      },
      this.note,
      this.beside,
      this.more,
      h("label", { for: "question", class: "unseen" }, "Your question"),
      this.words,
      h(
        "div",
        { class: "row" },
        this.way,
        this.who,
        signed("file", "Send files along", () => this.chooser.click()),
        this.chooser,
        setting,
        button("Price", () => this.#price(), { class: "quiet", title: "What it would cost; nothing is sent" }),
        h("span", { class: "push" }),
        this.halt,
        h("button", { class: "send", title: "Ask" }, icon("send"), h("span", {}, "Ask")),
      ),
    );
  }

  /** Learns who can be asked, and draws the list to choose from. */
  async #meet() {
    try {
      this.known = await agents();
    } catch (error) {
      this.complain(error);
      throw error;
    }
    const able = this.known.agents.filter((one) => one.kind !== "panel" && one.ready).map((one) => one.id);
    const before = able.filter((name) => kept("ais", "").split("\n").includes(name));
    for (const name of before.length ? before : [this.known.default ?? able[0]]) if (name) this.chosen.add(name);
    this.able = able;
    for (const name of able) hue(name);
    this.#drawWho();
  }

  #drawWho() {
    const { groups } = this.known;
    const choose = (names) => {
      this.chosen = new Set(names);
      this.#drawWho();
    };
    const box = (name) =>
      h(
        "label",
        {},
        h("input", {
          type: "checkbox",
          checked: this.chosen.has(name),
          onchange: (event) => {
            if (event.target.checked) this.chosen.add(name);
            else this.chosen.delete(name);
            this.#named();
          },
        }),
        h("span", {}, name),
        h("small", {}, this.known.agents.find((one) => one.id === name)?.model),
      );
    const plain = this.able.filter((name) => this.known.agents.some((one) => one.id === name && one.kind === "ai"));
    const sets = [["All", plain], ...Object.entries(groups)].filter(([, names]) => names.length > 1);
    fill(
      this.who.lastChild,
      h("fieldset", {}, h("legend", {}, "Who answers"), this.able.map(box)),
      h(
        "div",
        { class: "row" },
        sets.map(([name, names]) => button(name, () => choose(names), { class: "quiet" })),
      ),
      h("a", { href: "#/ais" }, "All AIs and what is wrong with some"),
    );
    this.#named();
  }

  #named() {
    keep("ais", [...this.chosen].join("\n"));
    const names = [...this.chosen];
    const told = names.length > 2 ? `${names.slice(0, 2).join(", ")} +${names.length - 2}` : names.join(", ");
    this.who.firstChild.textContent = told || "Nobody yet";
  }

  #setWay(value) {
    this.way.value = value;
    keep("way", value);
    this.options?.draw(value);
    if (value !== "side" && this.chosen.size === 1 && this.able?.length > 1) {
      for (const name of this.able) this.chosen.add(name);
      this.#drawWho();
    }
  }

  async #welcome() {
    await this.ready.catch(() => {});
    if (!this.known || this.talk) return;
    fill(this.turns, this.able.length ? this.#ways() : (await import("./nobody.js")).nobody());
  }

  #ways() {
    const choose = (way) => {
      this.#setWay(way);
      this.words.focus();
    };
    const talks = recentTalks().slice(0, 5);
    const demo = this.known.ais.filter((one) => one.ready).every((one) => one.provider === "local");
    return h(
      "div",
      { class: "welcome" },
      h("h2", {}, "What would you like to know?"),
      demo &&
        h(
          "p",
          { class: "dim" },
          "Only the tiny demo model on this machine answers now; it is often wrong. Add AIs in a terminal: ",
          h("code", {}, "moot init"),
        ),
      h(
        "div",
        { class: "ways" },
        WAYS.map(([value, name, about]) => button([h("strong", {}, name), h("span", {}, about)], () => choose(value))),
      ),
      talks.length > 0 && [
        h("h2", { class: "small" }, "Where you left off"),
        h(
          "ul",
          { class: "plain" },
          talks.map((one) => h("li", {}, h("a", { href: `#/chat/${one.id}` }, one.title))),
        ),
      ],
    );
  }

  #listRecent() {
    const talks = recentTalks();
    fill(
      this.recent,
      talks.length ? talks.map((one) => h("a", { href: `#/chat/${one.id}` }, one.title)) : "No chats yet.",
    );
  }

  async #openTalk(id) {
    if (this.talk?.id === id) return;
    const { openTalk } = await import("./talk.js");
    await this.ready.catch(() => {});
    try {
      this.#set(await openTalk(id, this));
    } catch (error) {
      this.#leaveTalk();
      this.complain(error);
    }
  }

  #set(talk) {
    this.talk?.close();
    this.talk = talk;
    talk.onbusy = (busy) => (this.halt.hidden = !busy);
    fill(this.turns, talk.node);
    talk.toEnd();
  }

  #leaveTalk() {
    this.talk?.close();
    this.talk = null;
    this.halt.hidden = true;
    this.turns.replaceChildren();
  }

  /** What is asked now, as `talk.js` takes it. */
  question() {
    const options = this.options?.values(this.way.value) ?? {};
    if (this.thread) options.thread = this.thread;
    for (const [name, paths] of Object.entries(this.attached?.named() ?? {})) options[name] = paths;
    return {
      text: this.words.value.trim(),
      way: this.way.value,
      ais: [...this.chosen],
      options,
      along: this.attached?.labels() ?? [],
      pace: kept("pace", "sync"),
      blind: this.blind.checked,
    };
  }

  async send() {
    const question = this.question();
    this.note.replaceChildren();
    if (this.attached?.busy) return this.complain(new Error("A file is still being sent. Ask again in a moment."));
    if (!question.text) return this.words.focus();
    if (!question.ais.length) return this.complain(new Error("Choose at least one AI beside the question."));
    this.words.value = "";
    this.#grow();
    this.attached?.clear();
    await this.ask(question);
  }

  async ask(question) {
    if (!this.talk) {
      const { newTalk } = await import("./talk.js");
      this.#set(newTalk(question, this));
      history.replaceState(null, "", `#/chat/${this.talk.id}`);
    }
    say(`Asking ${question.ais.join(", ")}.`);
    await this.talk.ask(question);
  }

  async #askFrom(address) {
    await this.ready.catch(() => {});
    const named = address.getAll("ai");
    const panel = named.find((name) => name.startsWith("moot/"));
    const ais = named.filter((name) => !name.startsWith("moot/"));
    this.#setWay(panel ?? "side");
    if (ais.length) this.chosen = new Set(ais);
    if (this.known) this.#drawWho();
    await this.ask({ ...this.question(), text: address.get("q").trim() });
  }

  complain(error) {
    fill(this.note, error.message);
  }

  #continue(thread) {
    this.#leaveTalk();
    this.thread = thread;
    fill(
      this.beside,
      h(
        "span",
        { class: "chip" },
        `Continues the thread ${thread}`,
        signed("close", "Leave the thread", () => {
          this.thread = "";
          this.beside.replaceChildren();
        }),
      ),
    );
  }

  async #attach(files) {
    const { Attached } = await import("./attach.js");
    this.attached ??= new Attached(this.beside, (error) => this.complain(error));
    this.attached.add(files);
    this.chooser.value = "";
  }

  async #toggleOptions(opener) {
    const { Options } = await import("./options.js");
    this.options ??= new Options(this.more, await agents());
    this.options.draw(this.way.value);
    this.more.hidden = !this.more.hidden;
    opener.setAttribute("aria-expanded", String(!this.more.hidden));
    if (!this.more.hidden) this.more.querySelector("select, input")?.focus();
  }

  async #price() {
    const question = this.question();
    if (!question.text) return this.complain(new Error("Write the question first; its price depends on its length."));
    const { priced } = await import("./price.js");
    try {
      fill(this.note, await priced(question));
    } catch (error) {
      this.complain(error);
    }
  }

  #grow() {
    this.words.style.height = "auto";
    this.words.style.height = `${Math.min(this.words.scrollHeight + 2, 240)}px`;
  }

  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.send();
  }
}
