// How a question is asked beside its words: each way has the arguments of its tool.

import { fill, h } from "./dom.js";

const COMMON = ["role", "effort", "max_tokens", "temperature", "thread"];
const TAKEN = {
  side: COMMON,
  "moot/ask-many": ["synthesize", "samples", ...COMMON],
  "moot/consensus": ["threshold", "referee", "max_tokens", "thread"],
  "moot/debate": ["rounds", "judge", "max_tokens", "thread"],
  "moot/judge": ["judges", "method", "max_tokens"],
  "moot/review": ["repo", "base", "staged", "max_tokens"],
};

export class Options {
  /** *place*: where they are shown; *known*: what the server says of AIs and roles. */
  constructor(place, known) {
    this.place = place;
    this.given = {};
    this.fields = fieldsOf(known);
  }

  draw(way) {
    fill(
      this.place,
      h(
        "fieldset",
        { class: "options" },
        h("legend", {}, "Options"),
        TAKEN[way].map((name) => this.#field(name)),
      ),
    );
  }

  /** What was given of those that *way* takes. */
  values(way) {
    return Object.fromEntries(
      TAKEN[way]
        .filter((name) => this.given[name] !== undefined)
        .map((name) => [name, name === "judges" ? [this.given[name]] : this.given[name]]),
    );
  }

  #field(name) {
    const { label, choices, ...props } = this.fields[name];
    const id = `option-${name}`;
    const keep = ({ target }) => {
      const value =
        target.type === "checkbox"
          ? target.checked || undefined
          : target.type === "number"
            ? target.valueAsNumber
            : target.value.trim();
      this.given[name] = value === "" || Number.isNaN(value) ? undefined : value;
    };
    const before = this.given[name];
    const input = choices
      ? h(
          "select",
          { id, onchange: keep },
          h("option", { value: "" }, "default"),
          choices.map((one) => h("option", { value: one, selected: one === before }, one)),
        )
      : h("input", {
          id,
          onchange: keep,
          autocomplete: "off",
          ...props,
          ...(props.type === "checkbox" ? { checked: Boolean(before) } : { value: String(before ?? "") }),
        });
    return h("div", {}, h("label", { for: id }, label), input);
  }
}

function fieldsOf({ agents, roles }) {
  const ais = agents.filter((one) => one.kind === "ai" && one.ready).map((one) => one.id);
  return {
    role: { label: "Role", choices: roles.map((role) => role.name) },
    effort: { label: "Effort", choices: ["low", "medium", "high"] },
    max_tokens: { label: "Most tokens", type: "number", min: "1" },
    temperature: { label: "Temperature", type: "number", min: "0", max: "2", step: "0.1" },
    thread: { label: "Keep in the thread", placeholder: "a name" },
    synthesize: { label: "Make one answer", choices: ["merge", "vote", "best"] },
    samples: { label: "Samples of each", type: "number", min: "1", max: "16" },
    threshold: { label: "Agreement that suffices", type: "number", min: "0.5", max: "1", step: "0.05" },
    referee: { label: "Referee", choices: ais },
    rounds: { label: "Rounds", type: "number", min: "0", max: "5" },
    judge: { label: "Judge", choices: ais },
    judges: { label: "Judge", choices: ais },
    method: { label: "Method", choices: ["pairwise", "ranked"] },
    repo: { label: "Folder", placeholder: "where it lies" },
    base: { label: "Compared with", placeholder: "a branch or commit" },
    staged: { label: "Only what is staged", type: "checkbox" },
  };
}
