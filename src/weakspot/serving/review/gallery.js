// The gallery: only the cards in view are in the document, however many images there are.

import { make, place } from "./editor.js";

const AROUND = 2; // rows of cards before and after the view

export class Gallery {
  // objectsOf(item) returns the boxes of a card, or a promise of them; isRandom(item) whether it is a random check;
  // onChoose(id) is called when one is clicked.
  constructor(frame, list, { objectsOf, isRandom, onChoose }) {
    Object.assign(this, { frame, list, objectsOf, isRandom, onChoose, items: [], cards: new Map(), current: null });
    frame.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(frame);
    list.addEventListener("click", (event) => {
      const card = event.target.closest(".card");
      if (card) this.onChoose(card.dataset.id);
    });
  }

  setItems(items) {
    this.items = items;
    this.draw();
  }

  // Shows which image is the current one, and scrolls to it if it is out of view.
  setCurrent(id) {
    this.current = id;
    const index = this.items.findIndex((item) => item.id === id);
    if (index >= 0) this.#scrollTo(index);
    this.draw();
  }

  // Draws cards anew whose items have changed; all of them without an id.
  refresh(id = null) {
    for (const [key, card] of this.cards) if (id === null || key === id) card.drawn = null;
    this.draw();
  }

  #layout() {
    const style = getComputedStyle(this.frame);
    const [width, height] = ["--card-width", "--card-height"].map((name) => parseFloat(style.getPropertyValue(name)));
    const isRow = this.frame.clientHeight < 2 * height; // a strip below the image on a phone
    const columns = isRow ? 1 : Math.max(1, Math.floor(this.frame.clientWidth / width));
    const side = isRow ? width : height;
    return { width, height, isRow, columns, side, lines: Math.ceil(this.items.length / columns) };
  }

  #scrollTo(index) {
    const { isRow, columns, side } = this.#layout();
    const start = Math.floor(index / columns) * side;
    const [from, view] = isRow ? [this.frame.scrollLeft, this.frame.clientWidth] : [this.frame.scrollTop, this.frame.clientHeight];
    if (start >= from && start + side <= from + view) return;
    const target = start - side; // one line before it, and the next images after it
    this.frame.scrollTo(isRow ? { left: target } : { top: target });
  }

  draw() {
    const { width, height, isRow, columns, side, lines } = this.#layout();
    this.list.style[isRow ? "width" : "height"] = `${lines * side}px`;
    this.list.style[isRow ? "height" : "width"] = "";
    const [from, view] = isRow ? [this.frame.scrollLeft, this.frame.clientWidth] : [this.frame.scrollTop, this.frame.clientHeight];
    const first = Math.max(0, Math.floor(from / side) - AROUND) * columns;
    const last = Math.min(this.items.length, (Math.ceil((from + view) / side) + AROUND) * columns);
    const left = new Set(this.cards.keys());
    for (let index = first; index < last; index++) {
      const item = this.items[index];
      left.delete(item.id);
      const card = this.#card(item);
      const [x, y] = isRow ? [index * width, 0] : [(index % columns) * width, Math.floor(index / columns) * height];
      card.element.style.transform = `translate(${x}px, ${y}px)`;
      card.element.setAttribute("aria-current", String(item.id === this.current));
    }
    for (const id of left) {
      this.cards.get(id).element.remove();
      this.cards.delete(id);
    }
  }

  #card(item) {
    let card = this.cards.get(item.id);
    if (!card) {
      card = newCard(item);
      this.cards.set(item.id, card);
      this.list.append(card.element);
    }
    if (card.drawn !== item) this.#fill(card, item);
    return card;
  }

  async #fill(card, item) {
    const turn = {}; // the last one counts, as boxes may take their time
    Object.assign(card, { drawn: item, turn });
    card.element.dataset.status = item.status;
    card.value.textContent = this.isRandom(item) ? "random" : item.uncertainty === null ? "" : item.uncertainty.toFixed(2);
    const objects = await this.objectsOf(item);
    if (card.turn !== turn) return;
    card.what.textContent = item.status === "empty" ? "nothing" : [...new Set(objects.map(({ label }) => label))].join(", ");
    card.boxes.replaceChildren();
    for (const { box } of objects) place(make("rect", { class: "box" }, card.boxes), box);
  }
}

function newCard(item) {
  const element = document.createElement("li");
  element.className = "card";
  element.dataset.id = item.id;
  element.title = item.name;
  const svg = make("svg", { viewBox: `0 0 ${item.width} ${item.height}`, "aria-hidden": "true" });
  const size = { width: item.width, height: item.height, preserveAspectRatio: "none" };
  make("image", { href: `v1/images/${item.id}/small`, ...size }, svg);
  const boxes = make("g", {}, svg);
  const line = document.createElement("div");
  line.className = "line";
  const [dot, what, value] = ["dot", "what", "value"].map((name) => {
    const part = Object.assign(document.createElement("span"), { className: name });
    line.append(part);
    return part;
  });
  element.append(svg, line);
  return { element, boxes, what, value, dot, drawn: null };
}
