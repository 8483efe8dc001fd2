// What the server says: replies to requests, and one stream of events for the whole browser, folded into runs.
//
// A browser gives one origin six connections, so the tabs share a stream: whoever holds the lock reads it and passes
// it on. Every tab folds all of it; one that comes later is told the fold, so any of them can take over.

export const base = document.body.dataset.base;
export const tab = crypto.randomUUID();
const MOST_RUNS = 200;
const AGAIN_MS = 1500;

/** Why a request was not done, in the server's words. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Sends a request to the API; what comes back, or a `Refused`. */
export async function api(method, path, body, headers = {}) {
  const raw = body instanceof Blob;
  const kind = raw ? "application/octet-stream" : "application/json";
  let response;
  try {
    response = await fetch(base + path, {
      method,
      headers: body === undefined ? headers : { "content-type": kind, ...headers },
      body: body === undefined || raw ? body : JSON.stringify(body),
    });
  } catch {
    throw new Refused("The server cannot be reached. It may be starting again; try once more.", 0);
  }
  if (response.status === 401) {
    location.assign(`${base}/enter`);
    throw new Refused("Come in again.", 401);
  }
  const text = await response.text();
  let said = {};
  try {
    said = text ? JSON.parse(text) : {};
  } catch {
    if (response.ok) throw new Refused("The server's reply cannot be read. Reload the page.", response.status);
  }
  if (!response.ok) throw new Refused(said.error?.message ?? `The server said ${response.status}.`, response.status);
  return said;
}

let asked;

/** Who can be asked, with groups and roles; from the server once, or anew. */
export function agents(anew = false) {
  if (!asked || anew) {
    asked = api("GET", "/api/ais");
    asked.catch(() => (asked = undefined));
  }
  return asked;
}

/** The runs by their ids, as far as they were heard of; see `newRun`. */
export const runs = new Map();
const listeners = new Set();
const links = new Set();
let last = "";
let linked = true;

/** Calls *listener* with every event, once it is in `runs`; returns what ends that. */
export function onEvent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Calls *listener* with whether the server is there, whenever that changes. */
export const onLink = (listener) => links.add(listener);

const newRun = () => ({ tool: "", calls: new Map(), steps: [], cost: null, outcome: "", job: null });
const newCall = (event) => ({
  ai: event.ai ?? "",
  model: "",
  role: "",
  state: "waiting",
  blocks: [],
  words: 0,
  note: "",
});

/** Folds *event* into its run, so that it may come twice. */
function fold(event) {
  if (event.type === "reset") {
    for (const run of runs.values()) forgetUnfinished(run);
    return;
  }
  if (!event.run) return;
  if (!runs.has(event.run)) {
    runs.set(event.run, newRun());
    if (runs.size > MOST_RUNS) runs.delete(runs.keys().next().value);
  }
  const run = runs.get(event.run);
  if (event.kept && [...run.calls.values()].some((call) => isKept(call, event))) return;
  if (event.call && event.type !== "cost" && !run.calls.has(event.call)) run.calls.set(event.call, newCall(event));
  FOLDS[event.type]?.(run, run.calls.get(event.call), event);
}

const FOLDS = {
  run_started: (run, call, event) => {
    run.tool = event.tool;
    run.outcome = "";
  },
  call_started: (run, call, event) => Object.assign(call, { ai: event.ai, model: event.model, role: event.role }),
  blocks: (run, call, event) => {
    if (event.from > call.blocks.length) return; // told before this tab was; the fold of another tab follows
    call.blocks.splice(event.from, Infinity, ...event.blocks);
    Object.assign(call, { state: "writing", words: event.words, note: "" });
  },
  waiting: (run, call, event) => void_(call, "waiting", `waits ${event.seconds.toFixed(1)} s: ${event.reason}`),
  retry: (run, call, event) =>
    void_(call, "retrying", `attempt ${event.attempt + 1} in ${event.wait_s.toFixed(1)} s: ${event.reason}`),
  fallback: (run, call, event) => void_(call, "waiting", `${event.to} takes over: ${event.reason}`),
  call_finished: (run, call, event) => Object.assign(call, event, { state: "done", note: "" }),
  call_failed: (run, call, event) =>
    Object.assign(call, event, { state: event.cancelled ? "cancelled" : "failed", note: event.message }),
  step: (run, call, event) => {
    if (!run.steps.some((step) => step.id === event.id))
      run.steps.push({ id: event.id, at: event.at, step: event.step });
  },
  cost: (run, call, event) => {
    run.cost = { usd: event.run_usd, complete: event.complete };
  },
  run_finished: (run, call, event) => {
    run.outcome = event.outcome;
  },
  job: (run, call, event) => {
    run.job = event.job;
  },
};

/** Whether *event*, of a call that another process finished, tells of *call*, which was seen as it happened. */
const isKept = (call, event) =>
  call.state === "done" && !call.kept && event.ai === (call.role ? `${call.ai} (${call.role})` : call.ai);

function void_(call, state, note) {
  Object.assign(call, { state, note, blocks: [], words: 0 });
}

function forgetUnfinished(run) {
  for (const [id, call] of run.calls) if (["waiting", "writing", "retrying"].includes(call.state)) run.calls.delete(id);
}

function hear(event) {
  last = event.id;
  fold(event);
  for (const listener of listeners) listener(event);
}

function link(there) {
  if (there === linked) return;
  linked = there;
  for (const listener of links) listener(there);
}

/** Hears *run* from its start, over a stream of its own; returns what ends that. */
export function follow(run) {
  const stream = new EventSource(`${base}/api/events?${new URLSearchParams({ blocks: "1", chat: run })}`);
  stream.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    fold(event);
    for (const listener of listeners) listener(event);
  };
  return () => stream.close();
}

const channel = new BroadcastChannel(`moot${base}`);
let leads = false;

channel.onmessage = ({ data }) => {
  if (data.event) hear(data.event);
  else if (data.link !== undefined) link(data.link);
  else if (data.asks && leads) channel.postMessage({ told: data.asks, runs, last, linked });
  else if (data.told === tab) take(data);
};

/** Takes over what the tab that reads the stream knows. */
function take(told) {
  for (const [id, run] of told.runs) runs.set(id, run);
  last = told.last;
  link(told.linked);
  for (const listener of listeners) listener({ type: "told", run: "" });
}

function tell(there) {
  link(there);
  channel.postMessage({ link: there });
}

/** Reads the stream until this tab closes. */
function read() {
  const query = new URLSearchParams({ blocks: "1", under_way: "1", ...(last && { after: last }) });
  const stream = new EventSource(`${base}/api/events?${query}`);
  stream.onopen = () => tell(true);
  stream.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    channel.postMessage({ event });
    hear(event);
  };
  stream.onerror = async () => {
    tell(false);
    if (stream.readyState !== EventSource.CLOSED) return; // it comes back by itself, behind what it has
    await api("GET", "/api/status").catch(() => {});
    setTimeout(read, AGAIN_MS);
  };
}

/** Begins to listen, in this tab or through another one. */
export function listen() {
  channel.postMessage({ asks: tab });
  navigator.locks.request(`moot-stream${base}`, () => {
    leads = true;
    read();
    return new Promise(() => {});
  });
}
