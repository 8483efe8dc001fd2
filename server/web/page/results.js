// What a panel came to: the verdict first, then who agrees, who does not, who changed its mind, and what it is worth.

import { count, dollars, drawn, h, hue, percent, seconds, table } from "./dom.js";
import { api } from "./server.js";

const DRAWN_AT_ONCE = 200;

/** The element that shows *result* of the panel called *agent*. */
export async function drawResult(agent, result) {
  const texts = new Texts();
  const draw = {
    "moot/consensus": consensus,
    "moot/debate": debate,
    "moot/judge": judge,
    "moot/ask-many": many,
    "moot/review": review,
  }[agent];
  const { data } = result;
  const node = h("div", {}, draw ? draw(data, texts) : texts.of(result.message), failed(data), along(data));
  await texts.draw();
  return node;
}

/** Markdown of AIs, all drawn with one request. */
class Texts {
  constructor() {
    this.waiting = [];
  }

  of(text) {
    const place = h("div", { class: "md" });
    if (text) this.waiting.push([place, text]);
    return place;
  }

  async draw() {
    for (let from = 0; from < this.waiting.length; from += DRAWN_AT_ONCE) {
      const some = this.waiting.slice(from, from + DRAWN_AT_ONCE);
      const { blocks } = await api("POST", "/api/blocks", { texts: some.map(([, text]) => text) });
      some.forEach(([place], number) => place.append(...drawn(blocks[number])));
    }
  }
}

const by = (name, ...more) =>
  h("p", { class: "by" }, h("i", { class: `dot ${hue(name)}` }), h("strong", {}, name), more);
const tag = (text, kind = "") => h("span", { class: `tag ${kind}` }, text);
const fact = (name, value, about) => h("div", { class: "fact", title: about }, h("dt", {}, name), h("dd", {}, value));
const facts = (...all) => h("dl", { class: "facts" }, all);
const section = (name, ...inside) => h("section", {}, h("h4", {}, name), inside);
export const list = (all, item = (one) => one, attributes = {}) =>
  h(
    "ul",
    attributes,
    all.map((one) => h("li", {}, item(one))),
  );
const costs = (cost) => fact("Cost", dollars(cost.known_usd, cost.complete).replace("cost ", ""));
const heading = (data) => h("p", { class: "summary" }, data.summary);

function bar(share, name) {
  const inside = h("i", { class: hue(name) });
  inside.style.inlineSize = percent(share);
  return h("span", { class: "bar", role: "img", "aria-label": percent(share) }, inside);
}

const verdict = (name, text, texts) =>
  text !== null && text !== undefined && h("section", { class: "verdict" }, h("h4", {}, name), texts.of(text));

const failed = (data) =>
  data.failed?.length > 0 &&
  section("Not heard", list(data.failed));

const along = (data) =>
  data.sent_along?.length > 0 &&
  h(
    "details",
    {},
    h("summary", {}, `Sent along: ${data.sent_along.length}`),
    list(data.sent_along),
  );

const OUTCOMES = {
  consensus: "They agree",
  converged: "They agree after reading each other",
  "no consensus": "No consensus; the weighted vote gives",
  tie: "A tie",
  "single voice": "One voice alone",
};

function consensus(data, texts) {
  const first = data.first_agreement;
  const agreed =
    data.agreement === null
      ? "unknown"
      : first !== null && first !== data.agreement
        ? `${percent(first)} → ${percent(data.agreement)}`
        : percent(data.agreement);
  return [
    verdict(OUTCOMES[data.outcome] ?? `Outcome: ${data.outcome}`, data.verdict ?? "No answer stands.", texts),
    facts(
      fact("Agreement", agreed, "The share of the AIs that give the commonest answer"),
      fact(
        "Effective votes",
        `${data.effective_votes.toFixed(1)} of ${data.seats.length}`,
        data.votes_known
          ? "What so many AIs are worth, from how often they erred alike"
          : "What so many AIs are worth, by a prior: too few panels are known yet",
      ),
      fact("Changed their mind", String(data.flips.length)),
      fact("Calls", String(data.calls)),
      costs(data.cost),
    ),
    heading(data),
    data.positions.length > 0 &&
      section(
        "Positions",
        list(
          data.positions,
          (one) => [
            h("strong", {}, one.answer),
            one.share !== null && [bar(one.share, one.answer), percent(one.share)],
            h("small", {}, one.ais.join(", ") || "nobody any more"),
          ],
          { class: "positions" },
        ),
      ),
    data.flips.length > 0 &&
      section(
        "Changes of mind",
        list(data.flips, (one) => [
          h("strong", {}, one.ai),
          ` from “${one.before}” to “${one.after}”`,
          one.convinced_by ? `, after the argument of ${one.convinced_by}` : ", without naming an argument",
        ]),
      ),
    data.claims.length > 0 &&
      section(
        "Claims",
        list(data.claims, (one) => [
          one.claim,
          h("small", {}, ` ${one.ais.join(", ") || "nobody"}`),
          one.against.length > 0 && h("small", { class: "bad" }, ` against: ${one.against.join(", ")}`),
        ]),
      ),
    seats(
      data.seats.filter((one) => one.dissents),
      "Dissent",
      texts,
      spoken,
    ),
    seats(
      data.seats.filter((one) => !one.dissents),
      "Reasons",
      texts,
      spoken,
    ),
  ];
}

function spoken(seat, texts) {
  const sure = seat.confidence !== null && tag(`${percent(seat.confidence)} sure`);
  return [
    by(
      seat.ai,
      " ",
      seat.answers.at(-1) ?? (seat.unread ? "not read" : "abstains"),
      " ",
      sure,
      seat.dissents && tag("dissents", "warn"),
    ),
    seat.note && h("p", { class: "dim" }, seat.note),
    seat.statements.map((one, number) => [
      number > 0 && h("p", { class: "dim" }, "After reading the others:"),
      texts.of(one.text),
    ]),
  ];
}

function debate(data, texts) {
  const rounds = Math.max(...data.seats.map((seat) => seat.statements.length)) - 1;
  const moved = data.seats.filter((seat) => seat.changed);
  const against = data.seats.filter((seat) => seat.dissents);
  return [
    verdict("Verdict", data.verdict ?? "There is no verdict.", texts),
    facts(
      fact("Rounds", String(rounds)),
      fact(
        "Dissent",
        data.seats.some((seat) => seat.dissents === null)
          ? "not ruled on"
          : `${against.length} of ${data.seats.length}`,
      ),
      fact("Changed their mind", String(moved.length)),
      costs(data.cost),
    ),
    heading(data),
    data.judge && section("Reasons of the judge", by(data.judge.ai), texts.of(data.judge.text)),
    against.length > 0 &&
      section(
        "Dissent",
        against.map((seat) => by(seat.ai, ` ${seat.position}`)),
      ),
    moved.length > 0 &&
      section(
        "Changes of mind",
        moved.map((seat) => by(seat.ai, ` from “${seat.opening_position}” to “${seat.position}”`)),
      ),
    seats(data.seats, "The debaters", texts, (seat) => [
      by(
        seat.ai,
        ` ${seat.position} `,
        seat.dissents && tag("dissents", "warn"),
        seat.changed && tag("changed its mind"),
      ),
      seat.note && h("p", { class: "dim" }, seat.note),
      seat.statements.map((one, number) => [
        h("p", { class: "dim" }, number ? `Round ${number}` : "Opening"),
        texts.of(one.text),
      ]),
    ]),
  ];
}

const seats = (all, name, texts, draw) =>
  all.length > 0 &&
  section(
    name,
    all.map((seat) => h("div", { class: "seat" }, draw(seat, texts))),
  );

function judge(data, texts) {
  return [
    data.judgement ? judgement(data.judgement, texts) : verdict("No verdict", data.summary, texts),
    facts(fact("Calls", String(data.calls)), costs(data.cost)),
    heading(data),
    seats(data.answers, "The answers", texts, reply),
  ];
}

function judgement(one, texts) {
  const rows = one.standings.map((row, place) => [
    String(place + 1),
    row.name,
    [bar(row.points, row.name), percent(row.points)],
    String(row.wins),
    String(row.losses),
    String(row.undecided),
  ]);
  return [
    verdict(one.winner === null ? "No winner" : "The best", one.verdict, texts),
    facts(
      fact("Judged by", one.judges.join(", ") || "nobody"),
      fact(
        "Turned by order",
        one.flip_rate === null ? "unknown" : percent(one.flip_rate),
        "Preferences that changed with the order; they do not count",
      ),
      fact("Unreadable", String(one.unreadable)),
    ),
    rows.length > 0 &&
      table("Standings", [["", "num"], "Answer", "Points", ["Won", "num"], ["Lost", "num"], ["Open", "num"]], rows),
    one.length && h("p", { class: "dim" }, one.length),
    one.reasons.length > 0 &&
      h(
        "details",
        {},
        h("summary", {}, `What the judges said (${one.reasons.length})`),
        one.reasons.map((said) =>
          h("div", { class: "seat" }, by(said.judge, ` ${said.ranking}`), texts.of(said.reason)),
        ),
      ),
  ];
}

const reply = (one, texts) => [
  by(
    one.ai,
    ` ${[one.model, seconds(one.latency_s), dollars(one.cost_usd)].filter(Boolean).join(" · ")}`,
    one.error && tag("no answer", "warn"),
  ),
  one.error && h("p", { class: "bad" }, one.error),
  one.note && h("p", { class: "dim" }, one.note),
  texts.of(one.text),
];

function many(data, texts) {
  const made = data.synthesis;
  return [
    made &&
      verdict(
        { merge: "Merged answer", vote: "By vote", best: "The best" }[made.method] ?? "Synthesis",
        made.by?.text ?? made.answer ?? made.note,
        texts,
      ),
    made?.votes.length > 0 &&
      h(
        "p",
        { class: "dim" },
        made.votes
          .map((one) =>
            Object.values(one)
              .filter((part) => typeof part !== "object")
              .join(" "),
          )
          .join(" · "),
      ),
    made?.judgement && judgement(made.judgement, texts),
    heading(data),
    h(
      "div",
      { class: "seats" },
      data.replies.map((one) => h("div", { class: "seat" }, reply(one, texts))),
    ),
  ];
}

const GRAVE = { critical: "bad", high: "bad", major: "bad", medium: "warn", minor: "" };

function review(data, texts) {
  return [
    heading(data),
    facts(
      fact("Findings", String(data.findings.length)),
      fact("Files read", String(data.read.length)),
      costs(data.cost),
    ),
    data.findings.map((one) =>
      h(
        "section",
        { class: "seat" },
        h(
          "h4",
          {},
          tag(one.severity, GRAVE[one.severity]),
          ` ${one.file}:${one.line} `,
          h("small", {}, `${one.category} · ${one.ais.length} of ${one.read_by}`),
        ),
        one.claims.map((claim) => [
          by(claim.ai),
          texts.of(claim.claim),
          texts.of(claim.evidence),
          claim.fix && [h("p", { class: "dim" }, "Fix"), texts.of(claim.fix)],
        ]),
      ),
    ),
    data.dropped.length > 0 &&
      h(
        "details",
        {},
        h("summary", {}, `${count(data.dropped.length, "claim")} dropped`),
        list(data.dropped, (one) => `${one.ai}: ${one.file}:${one.line} ${one.claim} (${one.reason})`),
      ),
    data.left_out.length > 0 &&
      h(
        "details",
        {},
        h("summary", {}, `Left out: ${data.left_out.length}`),
        list(data.left_out),
      ),
  ];
}
