// Items are parsed at once, their thumbnails in blocks; cards are created as the reader scrolls to them.
(() => {
  const data = document.getElementById("items");
  const cards = document.getElementById("cards");
  if (!data || !cards) return;

  const items = JSON.parse(data.textContent);
  const sources = [...document.querySelectorAll("script.block")];
  const parsed = [];
  const size = sources.length ? JSON.parse(sources[0].textContent).length : 1;
  const page = 60;
  const byId = (id) => document.getElementById(id);
  const words = items.map((item) => `${item.n}\n${item.l}`.toLowerCase());
  let shown = [];
  let drawn = 0;

  function thumbnails(index) {
    const block = Math.floor(index / size);
    parsed[block] ||= JSON.parse(sources[block].textContent);
    const [image, overlay, mask] = parsed[block][index % size];
    return [typeof image === "number" ? thumbnails(image)[0] : image, overlay, mask];
  }

  function make(name, kind, text) {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function layer(uri, kind, alt) {
    const element = make("img", kind);
    element.decoding = "async";
    element.alt = alt;
    element.src = uri;
    return element;
  }

  function outlines(item, boxes, kind) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${item.w} ${item.h}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("class", `boxes-${kind}`);
    svg.setAttribute("aria-hidden", "true");
    for (const [x1, y1, x2, y2] of boxes || []) {
      for (const line of ["under", kind]) {
        const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        const sides = { x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0), class: line };
        for (const [key, value] of Object.entries(sides)) rect.setAttribute(key, value);
        svg.append(rect);
      }
    }
    return svg;
  }

  function stack(index) {
    const item = items[index];
    const [image, overlay, mask] = thumbnails(index);
    const layers = make("span", `stack ${item.w >= item.h ? "flat" : "upright"}`);
    layers.style.aspectRatio = `${item.w} / ${item.h}`;
    if (image) {
      layers.append(layer(image, "image", `${item.l}: ${item.n}`));
    } else {
      const absent = make("span", "absent");
      absent.append(make("span", "", "image missing"));
      layers.append(absent);
    }
    if (overlay) layers.append(layer(overlay, item.k ? "plot" : "heat", ""));
    if (mask) layers.append(layer(mask, "mask", ""));
    layers.append(outlines(item, item.t, "true"), outlines(item, item.b, "predicted"));
    return layers;
  }

  const number = (value) => value.toFixed(2);
  const measures = [["o", "IoU"], ["u", "uncertainty"], ["s", "score"]];

  // The measure by which cards are sorted, otherwise the first one that the item has.
  function cardMeasure(item) {
    const available = measures.filter(([key]) => item[key] !== undefined);
    return available.find(([key]) => key === byId("sort").value[0]) || available[0] || [];
  }

  function card(index) {
    const item = items[index];
    const entry = make("li");
    const button = make("button", "card");
    button.type = "button";
    button.dataset.index = index;
    const tile = make("span", "tile");
    tile.append(stack(index));
    button.append(tile, caption(item));
    entry.append(button);
    entry.dataset.index = index;
    slider.watch(entry);
    return entry;
  }

  // With an IoU at another threshold, that one is shown.
  function caption(item, iou) {
    const text = make("span", "caption");
    const trueClass = item.f?.["true class"];
    const [key, measure] = iou === undefined ? cardMeasure(item) : ["o", `IoU, was ${number(item.o)}`];
    const value = iou ?? item[key];
    const lines = [make("span", "line"), make("span", "line")];
    lines[0].append(make("span", "label", trueClass ? `${item.l}, not ${trueClass}` : item.l));
    if (key) lines[0].append(make("span", key === "o" && value < 0.5 ? "value wrong" : "value", number(value)));
    lines[1].append(make("span", "file", item.n.split("/").pop()));
    if (key) lines[1].append(make("span", "measure", measure));
    text.append(...lines);
    return text;
  }

  // Shows an item in an element as cut at another threshold, or as it is stored (null).
  function redraw(element, index, cut) {
    const item = items[index];
    const uri = thumbnails(index)[2];
    const mask = cut ? maskCanvas(cut.regions) : uri && layer(uri, "mask", "");
    element.querySelector(".mask")?.remove();
    if (mask) element.querySelector(".boxes-true").before(mask);
    element.querySelector(".boxes-predicted").replaceWith(outlines(item, cut ? cut.boxes : item.b, "predicted"));
    element.querySelector(".caption")?.replaceWith(caption(item, cut?.iou));
    if (detail.contains(element)) showFacts(item, cut);
  }

  function more() {
    const next = shown.slice(drawn, drawn + page);
    drawn += next.length;
    cards.append(...next.map(card));
  }

  const end = byId("end");
  const watch = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting) || drawn >= shown.length) return;
    more();
    watch.unobserve(end);
    watch.observe(end); // fires again, as the end may still be in view
  }, { rootMargin: "1200px" });
  watch.observe(end);

  function ranges() {
    return [...document.querySelectorAll(".range")].map((range) => {
      const [from, to] = [...range.querySelectorAll("input")].map((input) => input.valueAsNumber);
      return [range.dataset.key, from, to];
    }).filter(([, from, to]) => !Number.isNaN(from) || !Number.isNaN(to));
  }

  function within(item, [key, from, to]) {
    const value = item[key];
    return value !== undefined && !(value < from) && !(value > to);
  }

  function order(indices) {
    const [key, up] = [byId("sort").value[0], byId("sort").value[1] === "+" ? 1 : -1];
    if (key === "n") return indices.sort((a, b) => (items[a].n < items[b].n ? -1 : items[a].n > items[b].n ? 1 : a - b));
    const value = (index) => (items[index][key] === undefined ? Infinity : up * items[index][key]);
    return indices.sort((a, b) => (value(a) === value(b) ? a - b : value(a) - value(b)));
  }

  function update() {
    const terms = byId("search").value.trim().toLowerCase().split(/\s+/);
    const label = byId("class").value;
    const limits = ranges();
    shown = order([...items.keys()].filter((index) =>
      (!label || items[index].l === label)
      && terms.every((term) => words[index].includes(term))
      && limits.every((limit) => within(items[index], limit))));
    drawn = 0;
    cards.replaceChildren();
    slider.restart();
    more();
    if (!shown.length) cards.append(make("li", "none", "No images match these filters."));
    byId("count").textContent = shown.length === items.length
      ? `${items.length.toLocaleString("en")} shown` : `${shown.length.toLocaleString("en")} of ${items.length.toLocaleString("en")} shown`;
  }

  const slider = startThreshold(items, { uriOf: (index) => thumbnails(index)[1], shown: () => shown, redraw });

  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  let timer = 0;
  byId("tools").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(update, 60);
  });

  // Each layer has a button above the gallery and one in the detail view.
  const layers = [...document.querySelectorAll("[data-layer]")];

  function show(name, on) {
    document.body.toggleAttribute(`data-${name}`, on);
    for (const button of layers) if (button.dataset.layer === name) button.setAttribute("aria-pressed", on);
  }

  for (const button of layers) {
    const pressed = () => button.getAttribute("aria-pressed") === "true";
    button.addEventListener("click", () => show(button.dataset.layer, !pressed()));
    show(button.dataset.layer, pressed() && !button.disabled);
  }

  const detail = byId("detail");
  let current = 0;

  function facts(item, cut) {
    const known = { ...item, b: cut?.boxes ?? item.b, o: cut?.iou ?? item.o };
    const values = measures.filter(([key]) => known[key] !== undefined).map(([key, name]) => [name, number(known[key])]);
    const rows = (name, boxes) => (boxes || []).map((box) => [name, box.map(Math.round).join(" ")]);
    return [
      ["file", item.n], ["class", item.l], ...(cut ? [["threshold", number(cut.threshold)]] : []), ...values, ["size", `${item.w} × ${item.h}`],
      ...rows("box", known.b), ...rows("ground truth", item.t),
      ...Object.entries(item.f || {}).map(([name, value]) => [name === "size" ? "object" : name, value]),
    ];
  }

  function showFacts(item, cut) {
    byId("detail-facts").replaceChildren(...facts(item, cut).map(([name, value]) => {
      const row = make("div");
      row.append(make("dt", "", name), make("dd", "", value));
      return row;
    }));
  }

  function open(position) {
    current = (position + shown.length) % shown.length;
    const item = items[shown[current]];
    byId("detail-title").textContent = item.l;
    byId("detail-position").textContent = `${(current + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`;
    const layers = stack(shown[current]);
    byId("detail-tile").replaceChildren(layers);
    showFacts(item);
    slider.draw(layers, shown[current]);
    byId("detail-notes").replaceChildren(...[...(item.x || []), ...(item.p ? [item.p] : [])].map((note) => make("p", "note", note)));
    if (!detail.open) detail.showModal();
  }

  function close() {
    detail.close();
  }

  cards.addEventListener("click", (event) => {
    const button = event.target.closest(".card");
    if (button) open(shown.indexOf(Number(button.dataset.index)));
  });
  byId("previous").addEventListener("click", () => open(current - 1));
  byId("next").addEventListener("click", () => open(current + 1));
  byId("close").addEventListener("click", close);
  detail.addEventListener("click", (event) => event.target === detail && close());
  detail.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    open(current + steps[event.key]);
  });
  detail.addEventListener("close", () => {
    while (drawn <= current && drawn < shown.length) more();
    cards.children[current]?.querySelector("button")?.focus();
  });

  update();
})();
