// The editor of one image: boxes over it that a mouse, a pen or a finger moves, resizes and draws.
// Boxes are [x1, y1, x2, y2] in pixels of the image; the coordinates of the SVG are these pixels.

const SVG = "http://www.w3.org/2000/svg";
const SIDES = { nw: [0, 1], n: [1], ne: [2, 1], e: [2], se: [2, 3], s: [3], sw: [0, 3], w: [0] };
const LEAST = 4; // pixels of the screen: less is a click, not a drag

export function make(name, attributes = {}, parent = null) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

export function place(rect, [x1, y1, x2, y2]) {
  for (const [key, value] of Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 })) rect.setAttribute(key, value);
}

export class Editor {
  // onChange(objects) is called after each change by a person; onSelect(index) when another box is selected;
  // onMissing(address) when an image cannot be loaded.
  constructor(svg, { onChange, onSelect, onMissing, newLabel }) {
    Object.assign(this, { svg, onChange, onSelect, onMissing, newLabel, objects: [], selected: -1, drag: null, size: [1, 1] });
    this.image = make("image", {}, svg);
    this.layer = make("g", {}, svg);
    svg.addEventListener("pointerdown", (event) => this.#press(event));
    svg.addEventListener("pointermove", (event) => this.#move(event));
    svg.addEventListener("pointerup", (event) => this.#release(event));
    svg.addEventListener("pointercancel", () => this.cancel());
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  // Shows an image; its boxes are copied.
  show(address, [width, height], objects) {
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.size = [width, height];
    if (this.image.getAttribute("href") !== address) this.load(address);
    this.set(objects);
    this.select(objects.length ? 0 : -1);
  }

  // Loads an image of the present size, as a new element, so that boxes are never drawn over the previous image.
  load(address) {
    const [width, height] = this.size;
    const image = make("image", { href: address, width, height, preserveAspectRatio: "none" });
    image.addEventListener("error", () => {
      this.isMissing = true;
      this.onMissing(address);
    });
    this.isMissing = false;
    this.image.replaceWith(image);
    this.image = image;
  }

  // Shows other boxes of the same image, and keeps the selection if it can.
  set(objects) {
    this.drag = null;
    this.objects = objects.map(({ label, box }) => ({ label, box: [...box] }));
    this.select(Math.min(this.selected, objects.length - 1));
  }

  select(index) {
    this.selected = index;
    this.draw();
    this.onSelect(index);
  }

  setDrawing(isDrawing) {
    this.isDrawing = isDrawing;
    this.svg.classList.toggle("drawing", isDrawing);
  }

  relabel(label) {
    if (this.selected < 0 || this.objects[this.selected].label === label) return;
    this.objects[this.selected].label = label;
    this.#changed();
  }

  remove() {
    if (this.selected < 0) return;
    this.objects.splice(this.selected, 1);
    this.selected = Math.min(this.selected, this.objects.length - 1);
    this.#changed();
  }

  // Ends a drag and puts the box back; false if there was none.
  cancel() {
    if (!this.drag) return false;
    this.set(this.drag.before);
    return true;
  }

  #changed() {
    this.select(this.selected);
    this.onChange(this.objects.map(({ label, box }) => ({ label, box: [...box] })));
  }

  // Pixels of the image in a pixel of the screen.
  get #scale() {
    const matrix = this.svg.getScreenCTM();
    return matrix && matrix.a > 0 ? 1 / matrix.a : 1;
  }

  #at(event) {
    const matrix = this.svg.getScreenCTM();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    return [x, y];
  }

  #press(event) {
    if (event.button !== 0 || !event.isPrimary || this.drag) return;
    const index = Number(event.target.dataset?.index ?? -1);
    const sides = SIDES[event.target.dataset?.sides];
    const before = this.objects.map(({ label, box }) => ({ label, box: [...box] }));
    const start = this.#at(event);
    this.svg.setPointerCapture(event.pointerId);
    event.preventDefault();
    if (sides || (index >= 0 && !this.isDrawing)) {
      this.drag = { kind: sides ? "resize" : "move", sides, index, start, before, pointer: event.pointerId };
      if (index !== this.selected) this.select(index);
    } else {
      this.drag = { kind: "draw", index: -1, start: this.#inside(start), before, pointer: event.pointerId };
    }
  }

  #move(event) {
    const drag = this.drag;
    if (!drag || event.pointerId !== drag.pointer) return;
    const at = this.#at(event);
    const far = Math.hypot(at[0] - drag.start[0], at[1] - drag.start[1]) >= LEAST * this.#scale;
    if (!drag.begun && !far) return;
    drag.begun = true;
    if (drag.kind === "draw" && drag.index < 0) {
      drag.index = this.objects.push({ label: this.newLabel(), box: [] }) - 1;
      this.selected = drag.index;
    }
    this.objects[drag.index].box = this.#dragged(drag, at);
    this.draw();
  }

  #release(event) {
    const drag = this.drag;
    if (!drag || event.pointerId !== drag.pointer) return;
    this.drag = null;
    if (!drag.begun) {
      if (drag.kind === "draw") this.select(-1);
      return;
    }
    const [x1, y1, x2, y2] = this.objects[drag.index].box;
    if (x2 - x1 < 1 || y2 - y1 < 1) {
      this.set(drag.before);
      return;
    }
    this.objects[drag.index].box = [x1, y1, x2, y2].map((side) => Math.round(100 * side) / 100);
    this.#changed();
  }

  #inside([x, y]) {
    return [Math.min(Math.max(x, 0), this.size[0]), Math.min(Math.max(y, 0), this.size[1])];
  }

  #dragged({ kind, sides, index, start, before }, at) {
    if (kind === "draw") return ordered([...start, ...this.#inside(at)]);
    const box = before[index].box;
    const [dx, dy] = [at[0] - start[0], at[1] - start[1]];
    if (kind === "move") {
      const x = Math.min(Math.max(dx, -box[0]), this.size[0] - box[2]);
      const y = Math.min(Math.max(dy, -box[1]), this.size[1] - box[3]);
      return [box[0] + x, box[1] + y, box[2] + x, box[3] + y];
    }
    const moved = box.map((side, i) => (sides.includes(i) ? side + (i % 2 ? dy : dx) : side));
    return ordered([...this.#inside(moved.slice(0, 2)), ...this.#inside(moved.slice(2))]);
  }

  draw() {
    const scale = this.#scale;
    this.layer.replaceChildren();
    const order = this.objects.map((_, index) => index).filter((index) => index !== this.selected);
    if (this.selected >= 0) order.push(this.selected); // on top
    for (const index of order) this.#drawBox(index, scale);
  }

  #drawBox(index, scale) {
    const { label, box } = this.objects[index];
    const group = make("g", index === this.selected ? { class: "chosen" } : {}, this.layer);
    place(make("rect", { class: "halo" }, group), box);
    place(make("rect", { class: "box", "data-index": index }, group), box);
    const size = 14 * scale;
    const y = box[1] > 1.5 * size ? box[1] - 0.4 * size : box[1] + 1.2 * size;
    const tag = make("text", { class: "tag", x: box[0] + 3 * scale, y, "font-size": size, "stroke-width": 3 * scale }, group);
    tag.textContent = label;
    if (index === this.selected) for (const sides of Object.keys(SIDES)) this.#drawHandle(group, index, sides, box, scale);
  }

  // A handle is easy to hit: larger than the knob that is seen, on touch screens above all.
  #drawHandle(group, index, sides, box, scale) {
    const isCorner = sides.length === 2;
    const reach = (matchMedia("(pointer: coarse)").matches ? 36 : 18) * scale;
    const knob = (isCorner ? 10 : 8) * scale;
    const [x1, y1, x2, y2] = box;
    const x = sides.includes("w") ? x1 : sides.includes("e") ? x2 : (x1 + x2) / 2;
    const y = sides.includes("n") ? y1 : sides.includes("s") ? y2 : (y1 + y2) / 2;
    const wide = Math.max(x2 - x1 - reach, knob);
    const high = Math.max(y2 - y1 - reach, knob);
    const [width, height] = isCorner ? [reach, reach] : "ns".includes(sides) ? [wide, reach] : [reach, high];
    const hit = make("rect", { class: `handle ${sides}`, "data-index": index, "data-sides": sides }, group);
    place(hit, [x - width / 2, y - height / 2, x + width / 2, y + height / 2]);
    place(make("rect", { class: "knob" }, group), [x - knob / 2, y - knob / 2, x + knob / 2, y + knob / 2]);
  }
}

function ordered([x1, y1, x2, y2]) {
  return [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
}
