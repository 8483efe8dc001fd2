// A panel's result inside a host (MCP Apps): the host hands it over in messages, and nothing is fetched from anywhere.

import { drawResult } from "./results.js";
import { fill, h } from "./dom.js";
import { knowBlocks } from "./server.js";

const place = h("main", { class: "embedded" }, h("p", { class: "dim", role: "status" }, "The panel is at work …"));
const waiting = new Map();
let asked = 0;

function tell(message) {
  parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
}

function ask(method, params) {
  asked += 1;
  tell({ id: asked, method, params });
  return new Promise((done) => waiting.set(asked, done));
}

/** Which panel *data* comes from, by what only its results have. */
function panelOf(data) {
  if (data.replies) return "moot/ask-many";
  if (data.positions) return "moot/consensus";
  if (data.findings) return "moot/review";
  return data.answers ? "moot/judge" : "moot/debate";
}

/** Every text of *data*, in the order in which the server counted them. */
function texts(data) {
  if (typeof data === "string") return [data];
  return data && typeof data === "object" ? Object.values(data).flatMap(texts) : [];
}

async function show({ structuredContent, content, _meta }) {
  if (!structuredContent || structuredContent.error) {
    fill(place, h("p", {}, (content ?? []).map((block) => block.text ?? "").join("\n")));
    return;
  }
  const blocks = _meta?.["moot/blocks"] ?? [];
  knowBlocks(new Map(texts(structuredContent).map((text, number) => [text, blocks[number] || [["p", text]]])));
  fill(place, await drawResult(panelOf(structuredContent), { data: structuredContent, message: "" }));
}

function wear(context) {
  if (context?.theme) document.documentElement.dataset.theme = context.theme;
}

addEventListener("message", ({ source, data }) => {
  if (source !== parent || data?.jsonrpc !== "2.0") return;
  if (data.method === "ui/notifications/tool-result") show(data.params);
  else if (data.method === "ui/notifications/host-context-changed") wear(data.params);
  else if (data.method === "ui/resource-teardown") tell({ id: data.id, result: {} });
  else if (waiting.has(data.id)) waiting.get(data.id)(data.result);
});

place.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link) return;
  event.preventDefault();
  ask("ui/open-link", { url: link.href });
});

document.body.replaceChildren(place, h("p", { id: "say", class: "unseen", "aria-live": "polite" }));
new ResizeObserver(() => {
  tell({ method: "ui/notifications/size-changed", params: { height: Math.ceil(place.getBoundingClientRect().height) } });
}).observe(place);

ask("ui/initialize", {
  protocolVersion: "2026-01-26",
  appInfo: { name: "moot", version: "1" },
  appCapabilities: {},
}).then((told) => {
  wear(told?.hostContext);
  tell({ method: "ui/notifications/initialized", params: {} });
});
