// What was decided in this tab, to undo and redo it.

export class History {
  constructor() {
    Object.assign(this, { done: [], undone: [] });
  }

  // Objects are null for an image that nobody decided on.
  add(id, before, after) {
    this.done.push({ id, before, after });
    this.undone = [];
  }

  // Returns {id, objects} to go back to; undefined if there is nothing to undo.
  undo() {
    const step = this.done.pop();
    if (step) this.undone.push(step);
    return step && { id: step.id, objects: step.before };
  }

  redo() {
    const step = this.undone.pop();
    if (step) this.done.push(step);
    return step && { id: step.id, objects: step.after };
  }

  // Forgets an image that was changed elsewhere.
  forget(id) {
    this.done = this.done.filter((step) => step.id !== id);
    this.undone = this.undone.filter((step) => step.id !== id);
  }
}
