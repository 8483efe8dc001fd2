// What stands in the chat while there is nobody to ask: what to do first.

import { h } from "./dom.js";

export const nobody = () =>
  h(
    "div",
    { class: "welcome" },
    h("h2", {}, "No AI can be asked yet"),
    h("p", {}, "Moot asks the AIs you have a key for. In a terminal:"),
    h(
      "ol",
      {},
      h("li", {}, h("code", {}, "moot init"), " finds or takes your keys;"),
      h("li", {}, h("code", {}, "moot doctor"), " says what is wrong, if anything;"),
      h("li", {}, "then reload this page."),
    ),
    h("p", {}, h("a", { href: "#/ais" }, "See the AIs that are configured")),
  );
