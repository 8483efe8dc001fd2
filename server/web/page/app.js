// The page's frame: views by the address behind #, each made once and kept; keys, theme, and what a reader hears.

import * as chat from "./chat.js";
import { button, fill, h, icon, keep, kept, say } from "./dom.js";
import { base, listen, onLink } from "./server.js";

const VIEWS = {
  chat: { name: "Chat", load: async () => chat },
  jobs: { name: "Jobs", load: () => import("./jobs.js") },
  activity: { name: "Activity", load: () => import("./activity.js") },
  usage: { name: "Usage", load: () => import("./usage.js") },
  history: { name: "History", load: () => import("./history.js") },
  ais: { name: "AIs", load: () => import("./ais.js") },
  watch: { name: "A run", load: () => import("./watch.js"), linked: false },
};
const opened = new Map();
let shown = "";

const links = Object.entries(VIEWS)
  .filter(([, view]) => view.linked !== false)
  .map(([key, view]) => h("a", { href: `#/${key}`, "data-view": key }, icon(key), h("span", {}, view.name)));
const away = h(
  "p",
  { class: "away", role: "status", hidden: true },
  "The server is away. This page goes on when it is back.",
);
const main = h("main", { id: "main", tabIndex: -1 }, away);

function theme() {
  const select = h(
    "select",
    { id: "theme", onchange: () => set(select.value) },
    [
      ["", "System"],
      ["light", "Light"],
      ["dark", "Dark"],
    ].map(([value, name]) => h("option", { value }, name)),
  );
  const set = (value) => {
    document.documentElement.dataset.theme = value;
    keep("theme", value);
  };
  select.value = kept("theme", "");
  set(select.value);
  return h("div", { class: "theme" }, h("label", { for: "theme" }, "Theme"), select);
}

function leaving() {
  const forget = () => {
    for (const key of Object.keys(localStorage)) if (key.startsWith("moot.talk")) localStorage.removeItem(key);
  };
  return h(
    "form",
    { method: "post", action: `${base}/leave`, onsubmit: forget },
    h("button", { class: "quiet" }, "Leave"),
  );
}

/** Shows what the address names: `#/VIEW/REST?QUERY`. */
async function route() {
  const [path, query] = location.hash.slice(1).split("?");
  const [, named, ...rest] = path.split("/").map(decodeURIComponent);
  const key = Object.hasOwn(VIEWS, named) ? named : "chat";
  const first = !opened.has(key);
  if (first)
    opened.set(
      key,
      VIEWS[key].load().then((module) => module.open()),
    );
  let view;
  try {
    view = await opened.get(key);
  } catch (error) {
    opened.delete(key);
    fill(away, "This view cannot be loaded. Check the connection and choose it again.");
    away.hidden = false;
    throw error;
  }
  if (first) main.append(view.node);
  for (const one of main.querySelectorAll(":scope > .view")) one.hidden = one !== view.node;
  for (const one of links) {
    if (one.dataset.view === key) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  document.title = `${VIEWS[key].name} · Moot`;
  const moved = shown !== "" && shown !== key;
  shown = key;
  await view.show?.(rest, new URLSearchParams(query));
  if (moved) (view.node.querySelector("[data-first]") ?? view.node.querySelector("h1")).focus({ preventScroll: true });
}

const GO = { c: "chat", j: "jobs", a: "activity", u: "usage", h: "history", i: "ais" };
let going = false;

async function onKey(event) {
  if (event.key === "Escape") return escape(event);
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  if (going && GO[event.key]) location.hash = `#/${GO[event.key]}`;
  else if (event.key === "?") (await import("./keys.js")).show();
  else if (event.key === "/" || event.key === "n") {
    if (event.key === "n") location.hash = "#/chat/";
    event.preventDefault();
    main.querySelector(".view:not([hidden]) [data-first]")?.focus();
  }
  going = event.key === "g";
}

/** Closes what is open around the focus, else leaves the field. */
function escape(event) {
  const open = event.target.closest("details.pop[open]") ?? document.querySelector("details.pop[open]");
  if (open) {
    open.open = false;
    open.querySelector("summary").focus();
  } else if (
    !main.querySelector(".view:not([hidden])")?.dispatchEvent(new CustomEvent("escape", { cancelable: true }))
  ) {
    event.preventDefault();
  } else if (event.target.matches("input, textarea, select")) event.target.blur();
}

function start() {
  document.body.replaceChildren(
    h(
      "a",
      {
        class: "skip",
        href: "#main",
        onclick: (event) => {
          event.preventDefault();
          main.focus();
        },
      },
      "Skip to the content",
    ),
    h(
      "header",
      { class: "side" },
      h("p", { class: "brand" }, h("i", {}), h("i", {}), h("i", {}), h("span", {}, "Moot")),
      h("nav", { "aria-label": "Views" }, links),
      h(
        "div",
        { class: "foot" },
        theme(),
        h(
          "div",
          { class: "row" },
          button("Keys", async () => (await import("./keys.js")).show(), { class: "quiet" }),
          leaving(),
        ),
      ),
    ),
    main,
    h("p", { id: "say", class: "unseen", role: "status", "aria-live": "polite" }),
  );
  onLink((there) => {
    away.hidden = there;
    if (there) say("The server is back.");
  });
  addEventListener("hashchange", route);
  addEventListener("keydown", onKey);
  addEventListener("click", ({ target }) => {
    for (const open of document.querySelectorAll("details.pop[open]")) if (!open.contains(target)) open.open = false;
  });
  listen();
  route();
}

start();
