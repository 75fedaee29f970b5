"use strict";
// Regions of a heatmap at a threshold, with their boxes and mask: pure functions, the same as weakspot.ops.
// A heatmap is {values, width, height, peak}, rows one after the other; a box is [x1, y1, x2, y2], right and bottom excluded.

// Twice the size by bilinear interpolation, align_corners=False; values are multiplied by 16, so they stay integers.
function enlarge({ values, width, height, peak }) {
  const larger = new Uint16Array(4 * values.length);
  let i = 0;
  for (let row = 0; row < 2 * height; row++) {
    const [near, far] = sources(row, height).map((y) => y * width);
    for (let column = 0; column < width; column++) {
      const left = Math.max(column - 1, 0);
      const right = Math.min(column + 1, width - 1);
      const here = 3 * (3 * values[near + column] + values[far + column]);
      larger[i++] = here + 3 * values[near + left] + values[far + left];
      larger[i++] = here + 3 * values[near + right] + values[far + right];
    }
  }
  return { values: larger, width: 2 * width, height: 2 * height, peak: 16 * peak };
}

// The two rows between which a row of twice the size lies, the nearer one first.
function sources(row, height) {
  const near = row >> 1;
  return [near, row % 2 ? Math.min(near + 1, height - 1) : Math.max(near - 1, 0)];
}

function maximum(values) {
  let highest = 0;
  for (let i = 0; i < values.length; i++) if (values[i] > highest) highest = values[i];
  return highest;
}

// The 8-connected regions of the pixels at or above a level and above 0, in raster order of their first pixels.
// Labels are 0 for the background; sum is that of the values in a region, inside that of its values within a box.
function findRegions({ values, width, height }, level, box) {
  const labels = new Int32Array(values.length);
  const stack = new Int32Array(values.length);
  const regions = [];
  let pending = 0;
  const enter = (pixel, label) => {
    labels[pixel] = label;
    stack[pending++] = pixel;
  };
  const isNew = (pixel) => values[pixel] >= level && values[pixel] > 0 && !labels[pixel];
  for (let start = 0; start < values.length; start++) {
    if (!isNew(start)) continue;
    const region = { label: regions.length + 1, area: 0, sum: 0, inside: 0, box: [width, height, 0, 0] };
    regions.push(region);
    enter(start, region.label);
    while (pending) {
      const pixel = stack[--pending];
      const y = Math.floor(pixel / width);
      const x = pixel - y * width;
      addPixel(region, x, y, values[pixel], box);
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const neighbor = row * width + column;
          if (isNew(neighbor)) enter(neighbor, region.label);
        }
      }
    }
  }
  return { labels, regions };
}

function addPixel(region, x, y, value, box) {
  region.area += 1;
  region.sum += value;
  if (box && x >= box[0] && y >= box[1] && x < box[2] && y < box[3]) region.inside += value;
  const bounds = region.box;
  if (x < bounds[0]) bounds[0] = x;
  if (y < bounds[1]) bounds[1] = y;
  if (x >= bounds[2]) bounds[2] = x + 1;
  if (y >= bounds[3]) bounds[3] = y + 1;
}

// The default region, that with the highest sum inside the box, else the largest one; then the others of at least the
// minimum area, a fraction of the heatmap's. All of them have at least the minimum mean, a fraction of the peak.
function keepRegions(regions, { minArea, minActivation, size, peak }) {
  const sorted = [...regions].sort((a, b) => b.inside - a.inside || b.area - a.area || a.label - b.label);
  return sorted.filter((region, i) =>
    (i === 0 || region.area >= minArea * size) && region.sum >= minActivation * region.area * peak);
}

// Boxes at a fraction of the peak, and for each label whether its region is in the mask. Without a value above 0, the
// box and the mask are the whole heatmap.
function cutHeatmap(heatmap, threshold, { minArea = 1, minActivation = 0, box = null } = {}) {
  const { values, width, height, peak } = heatmap;
  const { labels, regions } = findRegions(heatmap, Math.min(threshold * peak, maximum(values)), box);
  if (!regions.length && minActivation <= 0) return { boxes: [[0, 0, width, height]], labels, isKept: [true], width, height };
  const kept = keepRegions(regions, { minArea, minActivation, size: values.length, peak });
  const isKept = new Array(regions.length + 1).fill(false);
  for (const { label } of kept) isKept[label] = true;
  return { boxes: kept.map((region) => region.box), labels, isKept, width, height };
}

// A box in another size of the same image.
function scaleBox(box, from, to) {
  return box.map((side, i) => (i % 2 ? (side * to.height) / from.height : (side * to.width) / from.width));
}

// The pixels of a heatmap in which a box of the image lies, at least one.
function pixelBox(box, image, heatmap) {
  const [x1, y1, x2, y2] = scaleBox(box, image, heatmap).map(Math.round);
  return [Math.min(x1, heatmap.width - 1), Math.min(y1, heatmap.height - 1), Math.max(x2, x1 + 1), Math.max(y2, y1 + 1)];
}

function boxArea([x1, y1, x2, y2]) {
  return Math.max(x2 - x1, 0) * Math.max(y2 - y1, 0);
}

function boxIou(a, b) {
  const shared = boxArea([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  const union = boxArea(a) + boxArea(b) - shared;
  return union > 0 ? shared / union : 0;
}

// Whether a box covers 90 % of the image or touches three of its sides, to a pixel.
function isWide(box, { width, height }) {
  const touching = (box[0] < 1) + (box[1] < 1) + (box[2] > width - 1) + (box[3] > height - 1);
  return touching >= 3 || boxArea(box) >= 0.9 * width * height;
}
