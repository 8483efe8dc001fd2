// What happened, newest first, page by page, by type, AI, chat and time.

import { button, dollars, fill, h, seconds, table } from "./dom.js";
import { agents, api, onEvent } from "./server.js";

const TYPES = [
  ["", "everything"],
  ["ai_call", "calls of AIs"],
  ["tool_invocation", "runs"],
  ["agent_execution", "jobs"],
  ["error", "errors"],
];
const TIMES = [
  ["", "any time"],
  ["1", "the last hour"],
  ["24", "the last day"],
  ["168", "the last week"],
];
const NAMES = { ai_call: "call", tool_invocation: "run", agent_execution: "job", error: "error" };
const ENDS = new Set(["call_finished", "call_failed", "run_finished", "job", "reset"]);

export function open() {
  const view = new ActivityView();
  return { node: view.node, show: (rest, query) => view.show(query) };
}

class ActivityView {
  constructor() {
    const select = (id, choices) =>
      h(
        "select",
        { id, onchange: () => this.load() },
        choices.map(([value, name]) => h("option", { value }, name)),
      );
    this.type = select("activity-type", TYPES);
    this.type.dataset.first = "";
    this.ai = select("activity-ai", [["", "all"]]);
    this.time = select("activity-time", TIMES);
    this.chat = h("input", {
      id: "activity-chat",
      placeholder: "id of a chat",
      autocomplete: "off",
      onchange: () => this.load(),
    });
    const field = (label, input) => h("div", {}, h("label", { for: input.id }, label), input);
    this.body = h("div", {});
    this.note = h("div", { class: "note", role: "alert" });
    this.node = h(
      "section",
      { class: "view", "aria-labelledby": "activity-title" },
      h("div", { class: "head" }, h("h1", { id: "activity-title", tabIndex: -1 }, "Activity")),
      h(
        "div",
        { class: "filters" },
        field("Show", this.type),
        field("AI", this.ai),
        field("When", this.time),
        field("Chat", this.chat),
      ),
      this.note,
      this.body,
    );
    onEvent((event) => ENDS.has(event.type) && this.#soon());
  }

  async show(query) {
    if (query.has("chat")) this.chat.value = query.get("chat");
    if (this.ai.options.length === 1) {
      const known = await agents().catch(() => ({ agents: [] }));
      this.ai.append(
        ...known.agents.filter((one) => one.kind === "ai").map((one) => h("option", { value: one.id }, one.id)),
      );
    }
    await this.load();
  }

  #soon() {
    if (this.node.hidden || this.waiting || this.rows?.length > 50) return;
    this.waiting = setTimeout(() => {
      this.waiting = 0;
      this.load();
    }, 1000);
  }

  async load() {
    this.rows = [];
    await this.#more(null);
  }

  async #more(cursor) {
    const since = this.time.value && new Date(Date.now() - Number(this.time.value) * 3_600_000).toISOString();
    const wanted = {
      type: this.type.value,
      ai: this.ai.value,
      chat: this.chat.value.trim(),
      since,
      cursor,
      limit: "50",
    };
    try {
      const page = await api(
        "GET",
        `/api/activities?${new URLSearchParams(Object.entries(wanted).filter(([, value]) => value))}`,
      );
      this.rows = cursor ? [...this.rows, ...page.activities] : page.activities;
      this.#draw(page.next);
      this.note.replaceChildren();
    } catch (error) {
      fill(this.note, error.message);
    }
  }

  #draw(next) {
    if (!this.rows.length) {
      fill(
        this.body,
        h(
          "div",
          { class: "empty" },
          h("p", {}, "Nothing of that kind happened."),
          h("p", {}, "Choose another filter, or ask something in ", h("a", { href: "#/chat" }, "the chat"), "."),
        ),
      );
      return;
    }
    const rows = this.rows.map((one) => [
      h(
        "time",
        { datetime: one.at, title: one.at },
        new Date(one.at).toLocaleString([], { dateStyle: "short", timeStyle: "medium" }),
      ),
      h("span", { class: `tag ${one.type === "error" ? "bad" : ""}` }, NAMES[one.type]),
      one.ai,
      [one.tool, one.role && h("small", {}, ` ${one.role}`)],
      h("span", { class: one.outcome === "ok" ? "" : "bad" }, one.outcome),
      one.latency_s === null ? "" : seconds(one.latency_s),
      one.cost_usd === null ? "unknown" : dollars(one.cost_usd),
      one.chat && h("a", { href: `#/jobs/${one.chat}`, title: one.chat }, one.chat.slice(0, 5)),
    ]);
    fill(
      this.body,
      table("What happened", ["Time", "What", "AI", "Tool", "Outcome", ["Took", "num"], ["Cost", "num"], "Job"], rows),
      next && button("Show more", () => this.#more(next), { class: "quiet" }),
    );
  }
}
