// Jobs: everything in the background, with how far it is and what can be done about it.

import { button, count, dollars, fill, h, say, table, when } from "./dom.js";
import { api, onEvent } from "./server.js";
import { drawResult, list } from "./results.js";

const STATES = ["queued", "running", "paused", "done", "failed", "cancelled"];
const AGENTS = {
  ask_many: "moot/ask-many",
  consensus: "moot/consensus",
  debate: "moot/debate",
  judge: "moot/judge",
  review: "moot/review",
};
const STEP = 50;

export function open() {
  const view = new JobsView();
  return { node: view.node, show: (rest) => view.show(rest[0] ?? "") };
}

class JobsView {
  constructor() {
    this.limit = STEP;
    this.state = h(
      "select",
      { id: "job-state", "data-first": "", onchange: () => this.load() },
      h("option", { value: "" }, "all"),
      STATES.map((state) => h("option", {}, state)),
    );
    this.note = h("div", { class: "note", role: "alert" });
    this.list = h("div", {});
    this.detail = h("div", { class: "detail" });
    this.node = h(
      "section",
      { class: "view", "aria-labelledby": "jobs-title" },
      h(
        "div",
        { class: "head" },
        h("h1", { id: "jobs-title", tabIndex: -1 }, "Jobs"),
        h("div", { class: "push row" }, h("label", { for: "job-state" }, "State"), this.state),
      ),
      this.note,
      this.list,
      this.detail,
    );
    onEvent((event) => this.#hear(event));
  }

  async show(id) {
    this.shown = id;
    await this.load();
    if (id) await this.#open(id);
    else this.detail.replaceChildren();
  }

  async load() {
    const query = new URLSearchParams({
      limit: String(this.limit),
      ...(this.state.value && { state: this.state.value }),
    });
    try {
      this.#draw(await api("GET", `/api/jobs?${query}`));
    } catch (error) {
      fill(this.note, error.message);
    }
  }

  /** Draws anew soon after something changed, but not for every change of many. */
  #hear(event) {
    if (!["job", "reset", "call_finished"].includes(event.type) || this.node.hidden || this.waiting) return;
    this.waiting = setTimeout(async () => {
      this.waiting = 0;
      await this.load();
      if (this.shown === event.run && event.type === "job") await this.#open(this.shown);
    }, 400);
  }

  #draw(jobs) {
    if (!jobs.length) {
      fill(
        this.list,
        h(
          "div",
          { class: "empty" },
          h("p", {}, this.state.value ? `No job is ${this.state.value}.` : "There are no jobs yet."),
          h(
            "p",
            {},
            "Whatever you ask in ",
            h("a", { href: "#/chat" }, "the chat"),
            " is a job, and so is each ",
            h("code", {}, "moot ask --background"),
            ".",
          ),
        ),
      );
      return;
    }
    const focused = document.activeElement?.dataset.act;
    const rows = jobs.map((job) => [
      h("a", { href: `#/jobs/${job.id}` }, job.question || job.id),
      KINDS[job.kind] ?? job.kind,
      job.ais.join(", ") || "all",
      [
        h("span", { class: `tag ${TONES[job.state] ?? ""}` }, job.state),
        job.reason && h("small", { class: "reason" }, job.reason),
      ],
      progressOf(job),
      when(job.created),
      this.#acts(job),
    ]);
    fill(
      this.list,
      table("Jobs", ["Question", "Kind", "AIs", "State", "Progress", "Age", "Do"], rows),
      jobs.length >= this.limit &&
        button(
          "Show more",
          () => {
            this.limit += STEP;
            this.load();
          },
          { class: "quiet" },
        ),
    );
    if (focused) this.list.querySelector(`[data-act="${focused}"]`)?.focus();
  }

  #acts(job) {
    const act = (name, about, path, body) =>
      button(name, () => this.#act(job, about, path, body), {
        class: "quiet",
        "data-act": `${name}-${job.id}`,
        "aria-label": `${about}: ${job.question.slice(0, 60) || job.id}`,
        title: about,
      });
    const over = ["done", "failed", "cancelled"].includes(job.state);
    return h(
      "div",
      { class: "row" },
      !over && act("Cancel", "Cancel at once", "cancel", { mode: "abort" }),
      job.state === "running" &&
        act("Drain", "Cancel when the calls under way have ended", "cancel", { mode: "drain" }),
      ["paused", "failed", "cancelled"].includes(job.state) &&
        act("Resume", "Go on; what is paid for is not asked again", "resume"),
      over && act("Retry", "Ask again what failed", "retry"),
      over && act("Forget", "Delete it with all that was said", ""),
    );
  }

  async #act(job, about, path, body) {
    this.note.replaceChildren();
    try {
      if (path) await api("POST", `/api/jobs/${job.id}/${path}`, body);
      else await api("DELETE", `/api/jobs/${job.id}`);
      say(`${about}: done.`);
      if (!path && this.shown === job.id) location.hash = "#/jobs";
    } catch (error) {
      fill(this.note, error.message);
    }
    await this.load();
  }

  /** What an agent may not do by itself: all of it is shown, since a yes is for exactly this call. */
  #question(job, one) {
    const answer = (name, allow, kind) =>
      button(
        name,
        async () => {
          await this.#act(job, name, `approvals/${one.id}`, { allow });
          await this.#open(job.id);
        },
        { class: kind, "data-act": `${name}-${one.id}`, "aria-label": `${name}: ${one.tool}` },
      );
    return h(
      "section",
      { class: "waits", "aria-label": "Waits for you" },
      h(
        "p",
        {},
        one.why === "unknown"
          ? [h("strong", {}, one.agent), " was cut off in this call, and whether it happened is not known. Do it again?"]
          : [h("strong", {}, one.agent), " wants to make this call. Allow it?"],
      ),
      h("pre", {}, visible(`${one.tool}\n${JSON.stringify(JSON.parse(one.arguments), null, 2)}`)),
      h("div", { class: "row" }, answer("Allow once", true, ""), answer("Refuse", false, "quiet")),
    );
  }

  async #open(id) {
    try {
      const { job, calls, text, result, waits_for: waits } = await api("GET", `/api/jobs/${id}`);
      const agent = AGENTS[job.kind] ?? "";
      const said = result
        ? await drawResult(agent, { data: result, message: ALONE.includes(job.kind) ? (result.text ?? text) : text })
        : null;
      fill(
        this.detail,
        h(
          "section",
          { class: "card" },
          h(
            "header",
            {},
            h("h2", { tabIndex: -1 }, job.question || job.id),
            h(
              "div",
              { class: "push row" },
              h("a", { class: "button quiet", href: `#/chat/job-${job.id}` }, "Open in chat"),
              h("a", { class: "button quiet", href: "#/jobs" }, "Close"),
            ),
          ),
          h("p", { class: "dim" }, `${job.id} · ${job.state} · `, when(job.created)),
          job.reason && !waits.length && h("p", { class: "bad" }, job.reason),
          waits.map((one) => this.#question(job, one)),
          said,
          result?.tools?.length > 0 && toolCalls(result.tools),
          !said &&
            calls.map((call) =>
              h("details", {}, h("summary", {}, call.name), h("p", { class: "plain-text" }, call.text)),
            ),
          !said && !calls.length && h("p", { class: "dim" }, "Nothing has finished in it yet."),
        ),
      );
      if (this.focused !== id) this.detail.querySelector("h2").focus();
      this.focused = id;
    } catch (error) {
      fill(this.detail, h("p", { class: "bad" }, error.message));
    }
  }
}

const KINDS = { ask_one: "one AI", ask_many: "ask many", run_batch: "batch" };
const ALONE = ["ask_one", "agent"];

/** What does not show, or turns the writing round, as escapes: whoever says yes has seen what they say yes to. */
function visible(text) {
  return text.replace(/[^\P{C}\n]/gu, (one) => `\\u${one.codePointAt(0).toString(16).padStart(4, "0")}`);
}

function toolCalls(tools) {
  const line = (one) => [h("code", {}, `${one.tool}(${one.arguments})`), h("small", { class: one.ok ? "" : "bad" }, one.note)];
  return h("details", {}, h("summary", {}, count(tools.length, "tool call")), list(tools, line));
}
const TONES = { done: "good", failed: "bad", paused: "warn", running: "on" };

function progressOf(job) {
  const done = job.progress.done ?? job.calls;
  const text = job.total ? `${done} of ${job.total}` : count(done, "call");
  const cost =
    job.progress.cost_usd !== undefined && ` · ${dollars(job.progress.cost_usd, job.progress.cost_complete)}`;
  return [
    job.total && h("progress", { value: done, max: job.total, "aria-label": `${text} finished` }),
    h("small", {}, text, cost),
  ];
}
