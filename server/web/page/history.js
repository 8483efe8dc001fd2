// What was said before: threads, and runs of the command line, with a search through all their words.

import { button, dollars, drawn, fill, h, hue, say, when } from "./dom.js";
import { api, base } from "./server.js";

const PAUSE_MS = 250;

export function open() {
  const view = new HistoryView();
  return { node: view.node, show: (rest) => view.show(rest[0] ?? "", rest[1] ?? "") };
}

class HistoryView {
  constructor() {
    this.words = h("input", {
      id: "history-words",
      type: "search",
      placeholder: "Search all that was said",
      "data-first": "",
      autocomplete: "off",
      oninput: () => {
        clearTimeout(this.pause);
        this.pause = setTimeout(() => this.load(), PAUSE_MS);
      },
    });
    this.note = h("div", { class: "note", role: "alert" });
    this.threads = h("div", {});
    this.runs = h("div", {});
    this.detail = h("div", { class: "detail" });
    this.node = h(
      "section",
      { class: "view", "aria-labelledby": "history-title" },
      h("div", { class: "head" }, h("h1", { id: "history-title", tabIndex: -1 }, "History")),
      h(
        "div",
        { class: "filters" },
        h("div", { class: "wide" }, h("label", { for: "history-words" }, "Search"), this.words),
      ),
      this.note,
      h(
        "div",
        { class: "two" },
        h("section", { "aria-labelledby": "threads-title" }, h("h2", { id: "threads-title" }, "Threads"), this.threads),
        h(
          "section",
          { "aria-labelledby": "runs-title" },
          h("h2", { id: "runs-title" }, "At the command line"),
          this.runs,
        ),
      ),
      this.detail,
    );
  }

  async show(kind, name) {
    await this.load();
    if (kind === "thread") await this.#openThread(name);
    else if (kind === "run") await this.#openRun(name);
    else this.detail.replaceChildren();
  }

  async load() {
    const words = this.words.value.trim();
    const query = new URLSearchParams(words ? { q: words } : {});
    try {
      const [threads, past] = await Promise.all([
        api("GET", `/api/threads?${query}`),
        api("GET", `/api/history?${query}`),
      ]);
      if (words !== this.words.value.trim()) return; // more was typed meanwhile
      this.note.replaceChildren();
      if (words) say(`${threads.matches.length + past.length} found.`);
      fill(this.threads, words ? this.#matches(threads.matches) : this.#lines(threads.threads));
      fill(this.runs, this.#runLines(past, words));
    } catch (error) {
      fill(this.note, error.message);
    }
  }

  #matches(found) {
    if (!found.length) return h("p", { class: "empty" }, "No thread has these words.");
    return h(
      "ul",
      { class: "hits" },
      found.map((one) =>
        h(
          "li",
          {},
          h("a", { href: `#/history/thread/${encodeURIComponent(one.thread)}` }, one.thread),
          h("small", {}, ` ${one.author} · `, when(one.at)),
          h("p", {}, marked(one.excerpt)),
        ),
      ),
    );
  }

  #lines(threads) {
    if (!threads.length) {
      return h(
        "div",
        { class: "empty" },
        h("p", {}, "There are no threads yet."),
        h(
          "p",
          {},
          "Give one a name under Options beside a question, or in a terminal with ",
          h("code", {}, "moot ask --thread NAME"),
          ".",
        ),
      );
    }
    return h(
      "ul",
      { class: "hits" },
      threads.map((one) =>
        h(
          "li",
          {},
          h("a", { href: `#/history/thread/${encodeURIComponent(one.name)}` }, one.name),
          h("small", {}, ` ${one.turns} turns · `, when(one.updated)),
          h("p", {}, one.opening),
        ),
      ),
    );
  }

  #runLines(past, words) {
    if (!past.length) {
      return h(
        "div",
        { class: "empty" },
        h("p", {}, words ? "No run has these words." : "Nothing was asked at the command line yet."),
        !words && h("p", {}, "Try ", h("code", {}, "moot ask"), " in a terminal."),
      );
    }
    return h(
      "ul",
      { class: "hits" },
      past.map((one) =>
        h(
          "li",
          {},
          h("a", { href: `#/history/run/${encodeURIComponent(one.name)}` }, one.question || one.name),
          h("small", {}, ` ${one.tool} · ${one.ais.join(", ")} · ${one.state} · `, when(one.at)),
          one.excerpt && h("p", {}, marked(one.excerpt)),
        ),
      ),
    );
  }

  async #openThread(name) {
    const path = `/api/threads/${encodeURIComponent(name)}`;
    try {
      const thread = await api("GET", `${path}?blocks=1`);
      this.#open(thread.name, thread.turns.map(turn), [
        h("a", { class: "button quiet", href: `#/chat/?thread=${encodeURIComponent(name)}` }, "Continue in chat"),
        h("a", { class: "button quiet", href: `${base}${path}/export`, download: `${name}.md` }, "Export"),
        button("Delete", () => this.#delete(name, path), { class: "quiet" }),
      ]);
    } catch (error) {
      fill(this.detail, h("p", { class: "bad" }, error.message));
    }
  }

  async #openRun(name) {
    try {
      const run = await api("GET", `/api/history/${encodeURIComponent(name)}?blocks=1`);
      const told = [run.tool, run.state, run.usd !== null && dollars(run.usd)].filter(Boolean).join(" · ");
      this.#open(run.question || run.name, [h("p", { class: "dim" }, told), run.answers.map(turn)], []);
    } catch (error) {
      fill(this.detail, h("p", { class: "bad" }, error.message));
    }
  }

  #open(title, inside, acts) {
    const heading = h("h2", { tabIndex: -1 }, title);
    fill(
      this.detail,
      h(
        "section",
        { class: "card" },
        h(
          "header",
          {},
          heading,
          h("div", { class: "push row" }, acts, h("a", { class: "button quiet", href: "#/history" }, "Close")),
        ),
        inside,
      ),
    );
    heading.focus();
  }

  async #delete(name, path) {
    const act = button(
      "Delete for good",
      async () => {
        try {
          const gone = await api("DELETE", path);
          say([`The thread ${name} is deleted.`, ...(gone.notes ?? [])].join(" "));
          location.hash = "#/history";
        } catch (error) {
          fill(this.note, error.message);
        }
      },
      { class: "danger" },
    );
    this.detail
      .querySelector("header")
      .after(h("p", {}, `Delete the thread ${name}? It cannot be brought back. `, act));
    act.focus();
  }
}

const turn = (one) =>
  h(
    "div",
    { class: "seat" },
    h(
      "p",
      { class: "by" },
      h("i", { class: `dot ${hue(one.author)}` }),
      h("strong", {}, one.author),
      h("small", {}, one.tool),
    ),
    h("div", { class: "md" }, drawn(one.blocks)),
  );

/** *excerpt* with what stands in double angle brackets marked. */
const marked = (excerpt) =>
  excerpt
    .split(/(<<.*?>>)/s)
    .map((part) => (part.startsWith("<<") && part.endsWith(">>") ? h("mark", {}, part.slice(2, -2)) : part));
