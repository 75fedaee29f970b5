// The threshold of the gallery: boxes and masks are cut anew from the heatmaps in the page, visible cards first.

const SMALL_SIDE = 160; // of a heatmap that has been reduced
const MASK_COLOR = 0x00e5a08c; // red, green, blue, opacity

// Decodes the heatmap of an item, once.
function heatmapReader(uriOf) {
  const decoded = new Map();
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  async function decode(index) {
    const image = new Image();
    image.src = uriOf(index);
    await image.decode();
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    Object.assign(context.canvas, { width, height });
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return { values: Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]), width, height, peak: 255 };
  }

  return (index) => {
    if (!decoded.has(index)) decoded.set(index, decode(index));
    return decoded.get(index);
  };
}

// An item at a threshold: its boxes in pixels of the image, the IoU of the first one if it is known, and the regions.
function cutItem(item, heatmap, threshold) {
  const image = { width: item.w, height: item.h };
  const precise = heatmap.width > SMALL_SIDE || heatmap.height > SMALL_SIDE ? heatmap : enlarge(heatmap);
  const [, minArea, minActivation] = item.c;
  const box = item.b && pixelBox(item.b[0], image, precise);
  const regions = cutHeatmap(precise, threshold, { minArea, minActivation, box });
  const boxes = item.b ? regions.boxes.map((found) => scaleBox(found, precise, image)) : [];
  return { threshold, boxes, iou: newIou(item, boxes), regions };
}

// The largest IoU of the first box with the ground truth; undefined if there is none. A wrong class stays wrong.
function newIou(item, boxes) {
  if (item.o === undefined || !item.t) return undefined;
  if (item.f?.["true class"] || !boxes.length) return 0;
  return Math.max(...item.t.map((truth) => boxIou(boxes[0], truth)));
}

function maskCanvas({ labels, isKept, width, height }) {
  const context = Object.assign(document.createElement("canvas"), { className: "mask", width, height }).getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new DataView(image.data.buffer);
  for (let i = 0; i < labels.length; i++) if (isKept[labels[i]]) pixels.setUint32(4 * i, MASK_COLOR);
  context.putImageData(image, 0, 0);
  return context.canvas;
}

// Counts of some items: those with a known IoU, the right ones, the boxes, and the wide ones.
function countBoxes(results) {
  const total = { judged: 0, right: 0, boxes: 0, wide: 0 };
  for (const { item, boxes, iou } of results) {
    total.judged += iou !== undefined;
    total.right += iou >= 0.5;
    total.boxes += boxes.length;
    total.wide += boxes.filter((box) => isWide(box, { width: item.w, height: item.h })).length;
  }
  return total;
}

// Runs a task for each value, at most some milliseconds at a time; false once it is not current any more.
async function inChunks(values, task, isCurrent = () => true) {
  let started = performance.now();
  for (const value of values) {
    await task(value);
    if (performance.now() - started > 16) {
      await new Promise((resume) => setTimeout(resume));
      started = performance.now();
    }
    if (!isCurrent()) return false;
  }
  return true;
}

// Starts the slider. uriOf returns the heatmap of an item, shown the items of the gallery; redraw shows an item in an
// element at a threshold, or as it is stored (null).
function startThreshold(items, { uriOf, shown, redraw }) {
  const byId = (id) => document.getElementById(id);
  const range = byId("threshold");
  if (!range) return { watch() {}, draw() {}, restart() {} };

  const heatmapOf = heatmapReader(uriOf);
  const stored = byId("threshold-value").textContent;
  const position = range.value;
  const visible = new Map();
  const drawn = new WeakMap();
  let threshold = null;
  let turn = 0;
  let isRunning = false;
  let results = new Map();

  async function resultOf(index, wanted) {
    const cut = cutItem(items[index], await heatmapOf(index), wanted);
    if (wanted === threshold) results.set(index, { boxes: cut.boxes, iou: cut.iou });
    return cut;
  }

  async function draw(element, index) {
    const wanted = threshold;
    if (!items[index].c || (drawn.get(element) ?? null) === wanted) return;
    drawn.set(element, wanted);
    const cut = wanted === null ? null : await resultOf(index, wanted);
    if (wanted === threshold) redraw(element, index, cut);
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) visible.set(target, Number(target.dataset.index));
      else visible.delete(target);
    }
    refresh();
  }, { rootMargin: "200px" });

  // Draws the visible cards, then counts all; begins anew if the threshold or the gallery has changed meanwhile.
  async function refresh() {
    turn += 1;
    if (isRunning) return;
    isRunning = true;
    let current;
    do {
      current = turn;
      await inChunks([...visible], ([element, index]) => draw(element, index));
    } while (turn !== current || !(await count(() => turn === current)));
    isRunning = false;
  }

  async function count(isCurrent) {
    const indices = shown().filter((index) => items[index].c);
    const before = indices.map((index) => ({ item: items[index], boxes: items[index].b || [], iou: items[index].t && items[index].o }));
    if (threshold !== null) {
      const missing = indices.filter((index) => !results.has(index));
      if (!(await inChunks(missing, (index) => resultOf(index, threshold), isCurrent))) return false;
    }
    const after = threshold === null ? before : indices.map((index) => ({ item: items[index], ...results.get(index) }));
    tell(countBoxes(after), countBoxes(before));
    return true;
  }

  function tell(after, before) {
    const right = after.judged ? [`${after.right} of ${after.judged} right`] : [];
    const wide = after.boxes ? [`${after.wide} of ${after.boxes} boxes wide`] : [];
    const change = threshold === null ? "" : ` (${range.dataset.stored}: ${[
      ...(before.judged ? [`${before.right} right`] : []), ...(before.boxes ? [`${before.wide} wide`] : [])].join(", ")})`;
    const text = [...right, ...wide].join(", ");
    byId("threshold-count").textContent = text && text + change;
  }

  function choose(value) {
    threshold = value;
    results = new Map();
    const text = value === null ? stored : value.toFixed(2);
    if (value === null) range.value = position;
    range.setAttribute("aria-valuetext", text);
    byId("threshold-value").textContent = text;
    byId("threshold-option").textContent = value === null ? "" : `--threshold ${text}`;
    byId("threshold-keep").hidden = byId("threshold-reset").disabled = value === null;
    refresh();
  }

  range.addEventListener("input", () => choose(range.valueAsNumber));
  byId("threshold-reset").addEventListener("click", () => {
    choose(null);
    range.focus(); // the button is disabled now
  });
  choose(null);
  return {
    watch: (element) => watcher.observe(element),
    draw,
    restart() {
      watcher.disconnect();
      visible.clear();
      refresh();
    },
  };
}

// Copies the text before a button, or selects it where that is not allowed.
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const source = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    } catch {
      getSelection().selectAllChildren(source);
    }
  });
}
