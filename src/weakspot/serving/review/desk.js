// The desk of a person who reviews: the images in the order of the offers, the current one, and the decisions on them.

import { objectsAt } from "./boxes.js";
import { Editor } from "./editor.js";
import { Gallery } from "./gallery.js";
import { History } from "./history.js";
import { Offers } from "./offers.js";
import { Refusal, Saving, ask, pause } from "./saving.js";

const STATUSES = ["confirmed", "corrected", "empty"];

export const byId = (id) => document.getElementById(id);

export class Desk {
  constructor() {
    Object.assign(this, { items: new Map(), order: [], shown: [], classes: [], current: null, shownId: null, threshold: null });
    Object.assign(this, { isAsking: false, isWaiting: false, wantedLabel: null, redrawn: 0, history: new History() });
    Object.assign(this, { offers: new Offers(), number: 0 });
    this.editor = new Editor(byId("stage"), {
      onChange: (objects) => this.#edited(objects),
      onSelect: () => this.#showSelection(),
      onMissing: (address) => this.#missing(address),
      newLabel: () => this.#newLabel(),
    });
    this.gallery = new Gallery(byId("gallery"), byId("cards"), {
      objectsOf: (item) => objectsAt(item, this.threshold),
      isRandom: (item) => this.offers.isRandom(item),
      onChoose: (id) => this.open(id),
    });
    this.saving = new Saving({
      revisionOf: (id) => this.items.get(id).revision,
      onSaved: (image) => this.#saved(image),
      onRefused: (id, image, error) => this.#refused(id, image, error),
      onWaiting: (text) => this.#waiting(text),
    });
  }

  say(text, isWrong = false) {
    byId("says").textContent = text;
    byId("says").classList.toggle("wrong", isWrong);
  }

  // Images and their order.

  setClasses(names) {
    if (names.length === this.classes.length) return;
    this.classes = names;
    byId("label").replaceChildren(...names.map((name, i) => new Option(i < 9 ? `${i + 1}  ${name}` : name, name)));
  }

  // Takes over images that have changed on the server, or all that it has; those with decisions on their way get an
  // answer of their own.
  receive({ images, offers, ranked }, { areAll }) {
    this.offers.receive(offers, ranked);
    if (areAll) {
      const known = new Set(images.map(({ id }) => id));
      this.#remove([...this.items.keys()].filter((id) => !known.has(id) && !this.saving.has(id)));
    }
    const news = images.filter((image) => !this.saving.has(image.id) && !isEqual(image, this.items.get(image.id)));
    if (!news.length) {
      this.arrange();
      return;
    }
    const before = this.items.get(this.current);
    for (const image of news) {
      const known = this.items.get(image.id);
      if (known?.status === "untouched" && image.status === "untouched") this.redrawn += !isEqual(known.objects, image.objects);
      this.items.set(image.id, image);
      this.number = Math.max(this.number, image.number);
    }
    this.arrange();
    const now = this.items.get(this.current);
    if (!this.current && this.order.length) this.#openFirst();
    else if (before !== now) this.#changedElsewhere(before, now);
  }

  // Removes images that the server does not have any more.
  #remove(ids) {
    if (!ids.length) return;
    for (const id of ids) {
      this.items.delete(id);
      this.history.forget(id);
    }
    this.arrange();
    if (this.items.has(this.current)) return;
    this.current = null;
    this.#setAsking(false);
    if (this.order.length) this.#openFirst();
  }

  #openFirst() {
    this.open((this.#nextUntouched() ?? this.order[0]).id);
  }

  // A new prediction is no surprise; a decision that was made elsewhere is.
  #changedElsewhere(before, now) {
    const isPrediction = before.status === "untouched" && now.status === "untouched";
    if (isPrediction && this.editor.drag) return; // what comes of it is a decision on this image
    if (isPrediction) this.say(isEqual(before.objects, now.objects) ? "" : "The boxes of this image were drawn again.");
    else {
      this.history.forget(now.id);
      this.say("This image was changed in another tab: it was loaded again.");
    }
    this.#setAsking(false);
    this.redraw();
  }

  arrange() {
    this.order = this.offers.sorted(this.items.values());
    const wanted = byId("filter").value;
    this.shown = wanted ? this.order.filter(({ status }) => status === wanted) : this.order;
    this.gallery.setItems(this.shown);
    const counts = STATUSES.map((status) => this.order.filter((item) => item.status === status).length);
    this.touched = counts.reduce((sum, count) => sum + count, 0);
    const total = this.order.length;
    [...byId("bar").children].forEach((part, i) => { part.style.width = `${(100 * counts[i]) / Math.max(total, 1)}%`; });
    const kinds = STATUSES.map((status, i) => `${counts[i]} ${status}`).join(", ");
    byId("counts").textContent = `${this.touched} of ${total} touched: ${kinds}, ${total - this.touched} untouched`;
    byId("learn").disabled = byId("learn").dataset.busy === "true" || this.touched === 0;
  }

  // The next image that is offered; without an offer, as the server does not answer, the next untouched one.
  #nextUntouched() {
    const offered = this.offers.next(this.items, this.current);
    if (offered && this.offers.isRandom(offered)) { // it is shown before the others, and marked
      this.arrange();
      this.gallery.refresh(offered.id);
    }
    return offered ?? this.order.find(({ id, status }) => status === "untouched" && id !== this.current);
  }

  step(by) {
    const index = this.shown.findIndex(({ id }) => id === this.current);
    const next = this.shown[index < 0 ? 0 : index + by];
    if (by > 0) this.offers.skip(this.items.get(this.current));
    if (next) this.open(next.id);
  }

  open(id) {
    if (id !== this.current && !this.isWaiting) this.say(this.isAsking ? `${this.items.get(this.current).name} was left as it was.` : "");
    [this.current, this.wantedLabel] = [id, null];
    if (id !== this.shownId) this.editor.set([]); // no key or drag means the boxes of the image before
    this.#setAsking(false);
    this.setDrawing(false);
    this.gallery.setCurrent(id);
    return this.redraw();
  }

  // Shows the current image with its boxes.
  async redraw() {
    const { current, threshold } = this;
    const item = this.items.get(current);
    const objects = await objectsAt(item, threshold);
    if (this.items.get(this.current) !== item || this.threshold !== threshold) return;
    this.shownId = current;
    this.editor.show(`v1/images/${item.id}/large`, [item.width, item.height], objects);
    byId("name").textContent = byId("name").title = item.name;
    this.#showState();
  }

  // Says why an image cannot be loaded, or loads it again once the server answers.
  async #missing(address) {
    const { current } = this;
    while (this.current === current) {
      const error = await ask(address).then(() => null, (reason) => reason);
      if (error instanceof Refusal) {
        if (this.current === current) this.say(error.message, true);
        return;
      }
      await pause();
      if (!error && this.current === current) {
        this.editor.load(address);
        return;
      }
    }
  }

  #showState() {
    const item = this.items.get(this.current);
    const uncertainty = item.uncertainty === null ? "" : `, uncertainty ${item.uncertainty.toFixed(2)}`;
    const position = this.order.findIndex(({ id }) => id === this.current) + 1;
    const check = this.offers.isRandom(item) ? ", random check" : "";
    byId("about").textContent = `${position} of ${this.order.length}, ${item.status}${uncertainty}${check}`;
    byId("undo").disabled = !this.isAsking && !this.history.done.length;
    byId("redo").disabled = !this.history.undone.length;
  }

  setThreshold(value) {
    this.threshold = value;
    this.gallery.refresh();
    if (this.items.get(this.current)?.status === "untouched") this.redraw();
  }

  // The selected box and its class.

  #newLabel() {
    const known = this.editor.objects[0] ?? this.items.get(this.current).objects[0];
    return this.wantedLabel ?? known?.label ?? this.items.get(this.current).label ?? this.classes[0];
  }

  #showSelection() {
    const { objects, selected } = this.editor;
    byId("label").value = selected >= 0 ? objects[selected].label : this.#newLabel();
    byId("delete").disabled = selected < 0;
  }

  relabel(label) {
    if (label === undefined) return;
    if (this.editor.selected >= 0) this.editor.relabel(label);
    else this.wantedLabel = label;
    byId("label").value = label;
  }

  setDrawing(isDrawing) {
    this.editor.setDrawing(isDrawing);
    byId("draw").setAttribute("aria-pressed", String(isDrawing));
  }

  // Decisions.

  #edited(objects) {
    this.setDrawing(false);
    if (this.shownId !== this.current) this.editor.set([]);
    else if (!this.#canDecide()) this.redraw();
    else if (objects.length) this.#decide(objects);
    else this.#setAsking(true);
  }

  // Asks what it means that no box is left; nothing is decided until then.
  #setAsking(isAsking) {
    this.isAsking = isAsking;
    byId("asks").hidden = !isAsking;
    if (isAsking) byId("undo").disabled = false;
  }

  #decide(objects) {
    const item = this.items.get(this.current);
    this.history.add(item.id, item.status === "untouched" ? null : item.objects, objects);
    this.#put(item.id, objects);
  }

  // Shows a decision, and sends it; null withdraws the one before.
  #put(id, objects) {
    const item = this.items.get(id);
    const status = objects === null ? "untouched" : objects.length ? "corrected" : "empty";
    const number = objects === null ? 0 : item.status === "untouched" ? ++this.number : item.number;
    this.items.set(id, { ...item, status, number, random: this.offers.isRandom(item), objects: objects ?? item.objects });
    this.#setAsking(false);
    this.saving.send(id, objects);
    this.arrange();
    if (id === this.current) this.#showState();
  }

  // Nobody decides on an image that is not there.
  #canDecide() {
    if (this.shownId !== this.current) return false;
    if (this.editor.isMissing) this.say("The image is not shown, so nothing was decided.", true);
    return !this.editor.isMissing;
  }

  accept() {
    if (!this.#canDecide()) return;
    const { objects } = this.editor;
    if (!objects.length) {
      this.#setAsking(true);
      return;
    }
    const item = this.items.get(this.current);
    if (item.status === "untouched" || !isEqual(item.objects, objects)) this.#decide(copy(objects));
    this.#goOn();
  }

  nothing() {
    if (!this.#canDecide()) return;
    if (this.items.get(this.current).status !== "empty") this.#decide([]);
    this.#goOn();
  }

  #goOn() {
    const next = this.#nextUntouched();
    if (next) this.open(next.id);
    else {
      this.redraw();
      this.say("All images are reviewed.");
    }
  }

  undo() {
    if (this.editor.cancel()) return;
    if (this.isAsking) {
      this.#setAsking(false);
      this.redraw();
    } else this.#goBack(this.history.undo());
  }

  redo() {
    this.#goBack(this.history.redo());
  }

  #goBack(step) {
    if (!step) return;
    const isOther = step.id !== this.current;
    this.#put(step.id, step.objects);
    this.open(step.id);
    if (!isOther || this.isWaiting) return;
    this.say(`The decision on ${this.items.get(step.id).name} was ${step.objects ? "taken up again" : "withdrawn"}.`);
  }

  // Answers of the server.

  #saved(image) {
    const local = this.items.get(image.id);
    const isLast = !this.saving.has(image.id);
    this.items.set(image.id, isLast ? image : { ...local, revision: image.revision });
    this.arrange();
    if (image.id !== this.current) return;
    if (isLast && !isEqual(image.objects, local.objects)) this.redraw();
    else this.#showState();
  }

  #refused(id, image, error) {
    const { name } = this.items.get(id);
    this.history.forget(id);
    if (!image) {
      this.#remove([id]);
      this.say(`${name} is not there any more.`, true);
      return;
    }
    this.items.set(id, image);
    this.arrange();
    if (id === this.current) {
      this.#setAsking(false);
      this.redraw();
    }
    this.say(error.code === "stale-revision" ? `${name} was changed in another tab: it was loaded again.` : error.message, true);
  }

  #waiting(text) {
    if (text || this.isWaiting) this.say(text, true);
    this.isWaiting = text !== "";
  }
}

function copy(objects) {
  return objects.map(({ label, box }) => ({ label, box: [...box] }));
}

function isEqual(some, others) {
  return JSON.stringify(some) === JSON.stringify(others);
}
