// Makes elements: ours from calls of `h`, an AI's from trees. Nothing here reads markup, so no text can become any.

const SVG = "http://www.w3.org/2000/svg";
const WRITTEN = new Set(
  "p br hr strong em s code pre blockquote ul ol li table thead tbody tr th td span a h1 h2 h3 h4 h5 h6".split(" "),
);
const LINKED = new Set(["http:", "https:", "mailto:"]);

function build(element, props, kids) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string" && element.namespaceURI !== SVG) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  put(element, kids);
  return element;
}

/** An HTML element; a property that begins with `on` is a listener. */
export const h = (tag, props, ...kids) => build(document.createElement(tag), props, kids);

/** An SVG element. */
export const s = (tag, props, ...kids) => build(document.createElementNS(SVG, tag), props, kids);

function put(element, kids) {
  element.append(...kids.flat(4).filter((kid) => kid !== undefined && kid !== null && kid !== false && kid !== ""));
}

/** Replaces what is in *element*. */
export function fill(element, ...kids) {
  element.replaceChildren();
  put(element, kids);
}

export const button = (text, onclick, props) => h("button", { type: "button", onclick, ...props }, text);

/** A table that scrolls in itself where it is too wide. *heads*: names, or [name, "num"]. */
export function table(label, heads, rows) {
  const named = heads.map((head) => [].concat(head));
  const cells = (row) => row.map((cell, place) => h("td", { class: named[place][1] }, cell));
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          named.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) => (row instanceof Node ? row : h("tr", {}, cells(row)))),
      ),
    ),
  );
}

/** What an AI wrote: each tree is a text or `[tag, ...inside]`; what is not known becomes a span. */
export function drawn(trees) {
  return trees.map((tree) => (typeof tree === "string" ? document.createTextNode(tree) : element(tree)));
}

function element([tag, ...inside]) {
  if (tag === "a") return link(inside);
  if (tag === "pre") return listing(inside);
  const [name, side] = tag.split(".");
  if (/^h[1-6]$/.test(name)) return h("h4", { class: `said ${name}` }, drawn(inside));
  if (name === "table")
    return h(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table" },
      h("table", {}, drawn(inside)),
    );
  return h(WRITTEN.has(name) ? name : "span", { class: side && "num" }, drawn(inside));
}

function link([address, ...inside]) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return h("span", {}, drawn(inside));
  }
  if (!LINKED.has(url.protocol)) return h("span", {}, drawn(inside));
  const said = drawn(inside);
  const text = said.map((node) => node.textContent).join("");
  const host = url.host || "mail";
  return h(
    "a",
    { href: url.href, rel: "noopener noreferrer nofollow", target: "_blank" },
    said,
    !text.includes(host) && h("small", { class: "host" }, ` (${host})`),
  );
}

function listing([language, text]) {
  const copy = button(
    "Copy",
    async () => {
      await navigator.clipboard?.writeText(text);
      say("Copied.");
    },
    { class: "quiet", "aria-label": `Copy the ${language || "text"}` },
  );
  return h(
    "div",
    { class: "listing" },
    h("div", {}, h("span", {}, language), copy),
    h(
      "pre",
      { tabindex: "0", role: "group", "aria-label": language ? `Code in ${language}` : "Code" },
      h("code", {}, text),
    ),
  );
}

const ICONS = {
  chat: "M4 5h16v11H9l-5 4z",
  jobs: "M5 4h14v6H5zM5 14h14v6H5zM8 7h5M8 17h5",
  activity: "M3 12h4l3 8 4-16 3 8h4",
  usage: "M5 20V10M12 20V4M19 20v-7",
  history: "M12 7v5l4 2M4 12a8 8 0 1 0 3-6.2M4 4v4h4",
  ais: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4 20c1-4 4-5 8-5s7 1 8 5",
  send: "M12 20V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  again: "M20 12a8 8 0 1 1-2.5-5.8M20 4v4h-4",
  wide: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  file: "M20 11l-8 8a5 5 0 0 1-7-7l8-8a3.4 3.4 0 0 1 5 5l-8 8a1.7 1.7 0 0 1-2.4-2.4l7.4-7.4",
  set: "M4 7h9M19 7h1M4 17h1M11 17h9M16 4.5v5M8 14.5v5",
  add: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
};

export const icon = (name) =>
  s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));

/** A button that shows a sign, with its name for whoever does not see it. */
export const signed = (sign, name, onclick, props) =>
  h("button", { type: "button", class: "sign", title: name, "aria-label": name, onclick, ...props }, icon(sign));

/** A switch between *choices*, `[value, name, about]`. */
export function oneOf(name, legend, choices, chosen, onchange) {
  const radio = (value) => ({ type: "radio", name, value, checked: value === chosen, onchange: () => onchange(value) });
  const one = ([value, text, title]) => h("label", { title }, h("input", radio(value)), h("span", {}, text));
  return h("fieldset", { class: "switch" }, h("legend", { class: "unseen" }, legend), choices.map(one));
}

const hues = new Map();

/** Which of the eight colours is that of the AI called *name*: the next one, where it has none yet. */
export function hue(name) {
  if (!hues.has(name)) hues.set(name, `c${hues.size % 8}`);
  return hues.get(name);
}

/** What this browser keeps under *name*. */
export const kept = (name, otherwise) => localStorage.getItem(`moot.${name}`) ?? otherwise;
export const keep = (name, value) => localStorage.setItem(`moot.${name}`, value);

const spoken = [];
let speaking = 0;

/** Have a screen reader say *text*, after what it was told before. */
export function say(text) {
  spoken.push(text);
  if (!speaking) speaking = setInterval(speak, 700);
  if (spoken.length === 1) speak();
}

function speak() {
  const text = spoken.shift();
  if (text === undefined) {
    clearInterval(speaking);
    speaking = 0;
  } else {
    document.getElementById("say").textContent = text.slice(0, 600);
  }
}

export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
export const percent = (share) => `${Math.round(share * 100)}%`;
export const seconds = (value) =>
  value >= 90 ? `${Math.floor(value / 60)} min ${Math.round(value % 60)} s` : `${value.toFixed(value < 10 ? 1 : 0)} s`;

/** *usd* in words; what is unknown is said to be. */
export function dollars(usd, complete = true) {
  if (usd === null || usd === undefined || (!usd && !complete)) return "cost unknown";
  const text = usd === 0 ? "free" : usd < 0.01 ? `$${usd.toPrecision(2)}` : `$${usd.toFixed(2)}`;
  return complete ? text : `at least ${text}`;
}

/** How long ago *time*, in ISO 8601, was. */
export function ago(time) {
  const past = (Date.now() - Date.parse(time)) / 1000;
  for (const [size, name] of [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ]) {
    if (past >= size) return `${count(Math.floor(past / size), name)} ago`;
  }
  return "just now";
}

export const when = (time) => h("time", { datetime: time, title: new Date(time).toLocaleString() }, ago(time));
