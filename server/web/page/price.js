// What a question would cost, before it is asked.

import { asksOf } from "./ask.js";
import { h } from "./dom.js";
import { api } from "./server.js";

/** The element that tells what *question* would send to whom, and what that may cost. Sends nothing to an AI. */
export async function priced(question) {
  const plans = await Promise.all(asksOf(question).map((body) => api("POST", "/api/plan", body)));
  return h(
    "div",
    { class: "told" },
    plans.map(({ data }) => h("p", {}, data.ai && `${data.ai}: `, data.summary ?? `${data.text} ${data.note ?? ""}`)),
  );
}
