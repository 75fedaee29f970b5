// Requests to the server. Decisions are sent one after the other, and kept until the server has them.

const PAUSE = 1500; // milliseconds before a request is repeated

// An answer of the server that is an error, with its status and its code.
export class Refusal extends Error {
  constructor(status, { code = "", problem = "The server failed." } = {}) {
    super(problem);
    Object.assign(this, { status, code });
  }
}

export async function ask(path, { method = "GET", body = null } = {}) {
  const headers = body === null ? {} : { "Content-Type": "application/json" };
  const response = await fetch(path, { method, headers, body: body === null ? null : JSON.stringify(body), cache: "no-store" });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, answer.error);
  return answer;
}

export function pause() {
  return new Promise((resume) => setTimeout(resume, PAUSE));
}

export class Saving {
  // revisionOf(id) is that of the last answer; onSaved(image) gets each answer; onRefused(id, image, error) each refusal
  // and the image as the server has it, null if it has none; onWaiting(text) what is tried again, "" if nothing is.
  constructor({ revisionOf, onSaved, onRefused, onWaiting }) {
    Object.assign(this, { revisionOf, onSaved, onRefused, onWaiting, pending: new Map(), dropped: new Set() });
    this.last = Promise.resolve();
    addEventListener("beforeunload", (event) => {
      if (this.pending.size) event.preventDefault();
    });
  }

  has(id) {
    return this.pending.has(id);
  }

  // Sends what an image holds (null: its decision is withdrawn) after all that was sent before.
  send(id, objects) {
    this.pending.set(id, (this.pending.get(id) ?? 0) + 1);
    this.last = this.last.then(() => this.#send(id, objects)).catch(reportError); // the next ones are sent anyway
  }

  // A refusal drops what was to be sent after it, until the image is loaded again: it was based on the refused decision.
  async #send(id, objects) {
    const isDropped = this.dropped.has(id);
    let answer = null;
    let refusal = null;
    try {
      if (!isDropped) answer = await this.#put(id, { revision: this.revisionOf(id), objects });
    } catch (error) {
      refusal = error;
      answer = await this.#load(id);
    }
    const count = this.pending.get(id) - 1;
    if (count) {
      this.pending.set(id, count);
      if (refusal) this.dropped.add(id);
    } else {
      this.pending.delete(id);
      this.dropped.delete(id);
    }
    if (refusal) this.onRefused(id, answer, refusal);
    else if (answer) this.onSaved(answer);
  }

  #put(id, body) {
    const request = () => ask(`v1/images/${id}`, { method: "PUT", body });
    return this.#repeated(request, (error) => !(error instanceof Refusal), "Not saved yet: the server does not answer.");
  }

  #load(id) {
    const request = () => ask(`v1/images/${id}`).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
    return this.#repeated(request, () => true, "Not saved: the image must be loaded again, and the server does not answer.");
  }

  // Repeats a request until it has an answer, or an error that is final.
  async #repeated(request, isRepeated, text) {
    for (;;) {
      try {
        const answer = await request();
        this.onWaiting("");
        return answer;
      } catch (error) {
        if (!isRepeated(error)) throw error;
        this.onWaiting(`${text} Trying again ...`); // the server may be started again
        await pause();
      }
    }
  }
}
