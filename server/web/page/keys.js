// The keys, in a dialog.

import { button, h } from "./dom.js";

const KEYS = [
  ["Enter", "send the question"],
  ["Shift + Enter", "a new line"],
  ["/", "to the question, or the search"],
  ["n", "a new chat"],
  ["g then c, j, a, u, h, i", "to Chat, Jobs, Activity, Usage, History, AIs"],
  ["Esc", "close what is open, make a wide answer narrow, leave a field"],
  ["?", "these keys"],
];

export function show() {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "keys-title", onclose: () => dialog.remove() },
    h("h2", { id: "keys-title" }, "Keys"),
    h(
      "dl",
      { class: "keys" },
      KEYS.map(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)]),
    ),
    button("Close", () => dialog.close()),
  );
  document.body.append(dialog);
  dialog.showModal();
}
