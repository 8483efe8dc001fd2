// What was used and what it cost, how fast the AIs were, what failed, and how many calls are under way now.

import { bars, columns, lines } from "./charts.js";
import { dollars, fill, h, seconds, table } from "./dom.js";
import { agents, api, runs } from "./server.js";

const BY = [
  ["ai", "AI"],
  ["tool", "tool"],
  ["model", "model"],
  ["day", "day"],
];
const DAYS = [7, 30, 90];
const SHOWN = 8;
const SAMPLED = 120;
const SAMPLE_MS = 2000;

export function open() {
  const view = new UsageView();
  return { node: view.node, show: () => view.load() };
}

class UsageView {
  constructor() {
    const select = (id, choices, value) =>
      h(
        "select",
        { id, onchange: () => this.load() },
        choices.map(([one, name]) => h("option", { value: String(one), selected: one === value }, name)),
      );
    this.by = select("usage-by", BY, "ai");
    this.by.dataset.first = "";
    this.days = select(
      "usage-days",
      DAYS.map((days) => [days, `${days} days`]),
      30,
    );
    this.note = h("div", { class: "note", role: "alert" });
    this.charts = h("div", { class: "charts" });
    this.now = h("div", { class: "charts" });
    this.samples = { busy: [], waiting: [] };
    this.node = h(
      "section",
      { class: "view", "aria-labelledby": "usage-title" },
      h("div", { class: "head" }, h("h1", { id: "usage-title", tabIndex: -1 }, "Usage")),
      h(
        "div",
        { class: "filters" },
        h("div", {}, h("label", { for: "usage-by" }, "By"), this.by),
        h("div", {}, h("label", { for: "usage-days" }, "Time"), this.days),
      ),
      this.note,
      this.charts,
      h("h2", {}, "Now"),
      this.now,
    );
    setInterval(() => this.#sample(), SAMPLE_MS);
  }

  async load() {
    const by = this.by.value;
    try {
      const [used, known] = await Promise.all([
        api("GET", `/api/usage?by=${by}&days=${this.days.value}`),
        agents(true),
      ]);
      this.known = known;
      fill(this.note, used.problem);
      this.#draw(used, by);
      this.#drawNow();
    } catch (error) {
      fill(this.note, error.message);
    }
  }

  #draw({ rows, since }, by) {
    if (!rows.length) {
      fill(
        this.charts,
        h(
          "div",
          { class: "empty" },
          h("p", {}, "Nothing was asked in this time."),
          h("p", {}, "Each answer adds to this page: ask something in ", h("a", { href: "#/chat" }, "the chat"), "."),
        ),
      );
      return;
    }
    const name = BY.find(([value]) => value === by)[1];
    const most = [...rows].sort((one, other) => other.calls - one.calls).slice(0, SHOWN);
    const days = daysSince(since);
    const plain = (value) => value.toLocaleString("en");
    const whole = { told: plain, least: 1 };
    const money = { told: (value) => `$${Number(value.toPrecision(3))}` };
    const priced = rows.some((row) => row.cost_usd > 0);
    const cell = (label, heads, of) =>
      h(
        "details",
        {},
        h("summary", {}, "As a table"),
        table(
          label,
          [name, ...heads.map((one) => [one, "num"])],
          rows.map((row) => [String(row[by]), ...of(row)]),
        ),
      );
    const charts = [];
    if (by !== "day") {
      charts.push(
        columns(
          "Calls",
          days,
          most.map((row) => [row[by], row.calls_by_day]),
          whole,
          cell("Calls", ["Calls", "Tokens in", "Tokens out"], (row) =>
            [row.calls, row.input_tokens, row.output_tokens].map(plain),
          ),
        ),
      );
      if (priced)
        charts.push(
          columns(
            "Cost",
            days,
            most.map((row) => [row[by], row.cost_by_day]),
            money,
            cell("Cost", ["Cost"], (row) => [dollars(row.cost_usd, row.cost_complete)]),
          ),
        );
    } else {
      const of = (key) => [["all", Object.fromEntries(rows.map((row) => [row.day, row[key] ?? 0]))]];
      charts.push(
        columns(
          "Calls",
          days,
          of("calls"),
          whole,
          cell("Calls", ["Calls"], (row) => [plain(row.calls)]),
        ),
      );
      if (priced)
        charts.push(
          columns(
            "Cost",
            days,
            of("cost_usd"),
            money,
            cell("Cost", ["Cost"], (row) => [dollars(row.cost_usd, row.cost_complete)]),
          ),
        );
    }
    if (!priced)
      charts.push(
        h(
          "figure",
          {},
          h("figcaption", {}, "Cost"),
          h(
            "p",
            { class: "dim" },
            rows.every((row) => row.cost_complete)
              ? "All of it was free."
              : "No price is known for what was asked; the AIs' providers say it.",
          ),
        ),
      );
    const time = (value) => (value === null ? "unknown" : seconds(value));
    charts.push(
      bars(
        "Time to an answer",
        most.map((row) => ({ name: String(row[by]), value: row.latency_s, told: time(row.latency_s) })),
        cell("Time to an answer", ["Whole answer", "First word"], (row) => [
          time(row.latency_s),
          time(row.first_token_s),
        ]),
      ),
    );
    charts.push(
      bars(
        "Failed calls",
        most.map((row) => ({
          name: String(row[by]),
          value: row.failed,
          told: `${plain(row.failed)} of ${plain(row.calls)}`,
          colour: "cbad",
        })),
        cell("Failed calls", ["Calls", "Failed", "Cancelled"], (row) =>
          [row.calls, row.failed, row.cancelled].map(plain),
        ),
      ),
    );
    fill(this.charts, charts);
  }

  /** Notes how many calls are under way, as the event stream told. */
  #sample() {
    let busy = 0;
    let waiting = 0;
    for (const run of runs.values()) {
      if (run.outcome) continue;
      for (const call of run.calls.values()) {
        if (call.state === "writing" || (call.state === "waiting" && !call.note)) busy++;
        else if (call.state === "waiting" || call.state === "retrying") waiting++;
      }
    }
    for (const [values, value] of [
      [this.samples.busy, busy],
      [this.samples.waiting, waiting],
    ]) {
      values.push(value);
      if (values.length > SAMPLED) values.shift();
    }
    if (this.known && !this.node.hidden && !this.now.contains(document.activeElement)) this.#drawNow();
  }

  #drawNow() {
    const { busy, waiting } = this.samples;
    const since = `${Math.round((busy.length * SAMPLE_MS) / 60_000)} min ago`;
    const ready = this.known.ais.filter((one) => one.ready);
    fill(
      this.now,
      lines(
        "Calls at once",
        [
          ["under way", "c0", busy],
          ["waiting their turn", "c1", waiting],
        ],
        since,
        "now",
        h(
          "details",
          {},
          h("summary", {}, "As a table"),
          table(
            "Calls at once",
            ["", ["Now", "num"], ["Most", "num"]],
            [
              ["under way", busy],
              ["waiting their turn", waiting],
            ].map(([name, values]) => [name, String(values.at(-1) ?? 0), String(Math.max(0, ...values))]),
          ),
        ),
      ),
      ready.length > 0 &&
        bars(
          "What an AI takes at once",
          ready
            .slice(0, SHOWN)
            .map((one) => ({ name: one.name, value: one.concurrency, told: `${one.in_flight} of ${one.concurrency}` })),
          h(
            "details",
            {},
            h("summary", {}, "As a table"),
            table(
              "What an AI takes at once",
              ["AI", ["Under way", "num"], ["At once", "num"], ["At most", "num"]],
              ready.map((one) => [one.name, ...[one.in_flight, one.concurrency, one.ceiling].map(String)]),
            ),
          ),
        ),
    );
  }
}

function daysSince(since) {
  const days = [];
  for (let at = Date.parse(since); at <= Date.now(); at += 86_400_000)
    days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}
