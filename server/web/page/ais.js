// The AIs there are: how each one is, and what to do where it cannot be asked; groups, roles, and this server.

import { button, fill, h, hue } from "./dom.js";
import { agents, api } from "./server.js";

export function open() {
  const view = new AIsView();
  return { node: view.node, show: () => view.load() };
}

class AIsView {
  constructor() {
    this.note = h("div", { class: "note", role: "alert" });
    this.body = h("div", {});
    this.node = h(
      "section",
      { class: "view", "aria-labelledby": "ais-title" },
      h(
        "div",
        { class: "head" },
        h("h1", { id: "ais-title", tabIndex: -1, "data-first": "" }, "AIs"),
        h(
          "div",
          { class: "push row" },
          button("Look again", () => this.load(), { class: "quiet" }),
        ),
      ),
      this.note,
      this.body,
    );
  }

  async load() {
    try {
      const [known, server] = await Promise.all([agents(true), api("GET", "/api/status")]);
      this.note.replaceChildren();
      this.#draw(known, server);
    } catch (error) {
      fill(this.note, error.message);
    }
  }

  #draw({ ais, groups, roles, default: first }, server) {
    const panels = Object.entries(groups);
    fill(
      this.body,
      server.problems.length > 0 &&
        h(
          "section",
          { class: "card warned" },
          h("h2", {}, "To look at"),
          h(
            "ul",
            {},
            server.problems.map((one) => h("li", {}, one)),
          ),
        ),
      ais.length
        ? h(
            "ul",
            { class: "cards" },
            ais.map((one) => card(one, first)),
          )
        : h(
            "div",
            { class: "empty" },
            h("p", {}, "No AI is configured."),
            h("p", {}, "Run ", h("code", {}, "moot init"), " in a terminal; it finds or takes your keys."),
          ),
      h("h2", {}, "Groups"),
      panels.length
        ? h(
            "dl",
            { class: "pairs" },
            panels.map(([name, names]) => [h("dt", {}, name), h("dd", {}, names.join(", "))]),
          )
        : h("p", { class: "dim" }, "None. A group is a name for several AIs, in credentials.json under “groups”."),
      h("h2", {}, "Roles"),
      h(
        "dl",
        { class: "pairs" },
        roles.map((role) => [h("dt", {}, role.name), h("dd", {}, role.about)]),
      ),
      h("h2", {}, "This server"),
      h(
        "p",
        { class: "dim" },
        `Moot ${server.version} · ${server.person || "the owner"}`,
        server.per_day_usd !== null && ` · up to $${server.per_day_usd} a day`,
      ),
    );
  }
}

function card(one, first) {
  const resting = one.breaker !== "closed";
  const state = !one.ready ? ["not usable", "bad"] : resting ? ["resting", "warn"] : ["ready", "good"];
  const slowed = one.concurrency < one.ceiling && `slowed to ${one.concurrency} of ${one.ceiling} at once`;
  return h(
    "li",
    { class: "card" },
    h(
      "p",
      { class: "by" },
      h("i", { class: `dot ${hue(one.name)}` }),
      h("strong", {}, one.name),
      h("span", { class: `tag ${state[1]}` }, state[0]),
      one.name === first && h("span", { class: "tag" }, "asked by default"),
    ),
    one.model && h("p", { class: "dim" }, `${one.model} via ${one.provider}`),
    one.problem && h("p", { class: one.ready ? "dim" : "bad" }, one.problem),
    resting &&
      h(
        "p",
        { class: "dim" },
        "It failed several times in a row and is left alone for a moment; it is tried again by itself.",
      ),
    (one.in_flight > 0 || slowed) &&
      h("p", { class: "dim" }, [one.in_flight > 0 && `${one.in_flight} at work`, slowed].filter(Boolean).join(" · ")),
    one.keys.length > 0 &&
      h(
        "ul",
        {},
        one.keys.map((key) =>
          h("li", { class: key.problem ? "bad" : "dim" }, `${key.alias}: ${key.problem ?? "ready"}`),
        ),
      ),
  );
}
