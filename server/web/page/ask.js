// One question to one AI or panel: sent as a job, followed through its events, and fetched when it is over.

import { Refused, api, onEvent, runs } from "./server.js";

const OVER = new Set(["completed", "failed", "cancelled"]);

/** What is sent for *question*: one request for each column, or one for the panel. */
export function asksOf({ text, way, ais, options }) {
  if (way !== "side") return [{ agent_id: way, message: text, options: { ...options, ais } }];
  return ais.map((ai) => ({ agent_id: ai, message: text, options }));
}

/** The kept form of *body* that was not sent yet. Its key makes sending it twice one job. */
export const unsent = (body) => ({ agent: body.agent_id, key: crypto.randomUUID(), body });

export class Ask {
  /** *kept*: what the browser remembers, `{agent, id}` or, before it was taken, `{agent, key, body}`. */
  constructor(kept, save) {
    this.kept = kept;
    this.save = save;
    this.refused = "";
    this.status = null;
    this.changed = new Set();
    this.end = onEvent((event) => this.#hear(event));
  }

  get id() {
    return this.kept.id ?? "";
  }

  get run() {
    return runs.get(this.id);
  }

  get over() {
    return Boolean(this.refused) || OVER.has(this.status?.status);
  }

  get result() {
    return this.status?.result ?? null;
  }

  get problem() {
    return this.refused || this.status?.error || (this.status?.status === "cancelled" ? "Stopped." : "");
  }

  /** Sends it, or where that was done before, learns how far it is. */
  async begin() {
    try {
      if (!this.id) {
        const { key, body } = this.kept;
        const taken = await api("POST", "/api/chat/async", body, { "Idempotency-Key": key });
        this.kept.id = taken.chat_id;
        delete this.kept.key;
        delete this.kept.body;
        this.save();
        this.#tell({ type: "taken" });
        if (this.run?.job && isOver(this.run.job)) await this.refresh();
      } else {
        await this.refresh();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  async refresh() {
    try {
      this.status = await api("GET", `/api/chat/async/${this.id}/status`);
      this.#tell({ type: "status" });
    } catch (error) {
      this.#fail(error);
    }
  }

  async cancel() {
    if (this.id && !this.over) await api("POST", `/api/jobs/${this.id}/cancel`, { mode: "abort" });
  }

  close() {
    this.end();
    this.changed.clear();
  }

  /** The answer in words once it is whole, else what came of it so far. */
  get text() {
    const { result } = this;
    return result ? (result.data.verdict ?? result.message) : "";
  }

  #hear(event) {
    const all = event.type === "reset" || event.type === "told";
    if (!this.id || this.over || !(all || event.run === this.id)) return;
    if (all || (event.type === "job" && isOver(event.job))) this.refresh();
    else this.#tell(event);
  }

  #tell(event) {
    for (const listener of this.changed) listener(event);
  }

  #fail(error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 0 && this.id) return; // the stream says when the server is back
    this.refused = error.status === 404 && this.id ? "This chat was deleted on the server." : error.message;
    this.#tell({ type: "status" });
  }
}

const isOver = (job) => ["done", "failed", "cancelled"].includes(job.state);
