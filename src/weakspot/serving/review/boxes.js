// The boxes of an image at the threshold of the slider: cut from its heatmaps by the functions of regions.js and
// threshold.js, which the report uses too.
/* global cutItem, heatmapReader */

const KEPT = 300; // decoded heatmaps

let reader = null;
let count = 0;

function heatmapOf(address) {
  if (!reader || count++ > KEPT) [reader, count] = [heatmapReader((key) => key), 0];
  return reader(address);
}

// The heatmaps are others: learning has changed them.
export function forgetHeatmaps() {
  reader = null;
}

export function hasHeatmaps({ heatmaps }) {
  return heatmaps.length > 0 && heatmaps.every(Boolean);
}

// The boxes of an item: those of its decision, or the predicted ones, cut anew if a threshold is given.
export async function objectsAt(item, threshold) {
  if (threshold === null || item.status !== "untouched" || !hasHeatmaps(item)) return item.objects;
  const found = item.heatmaps.map(async ({ label, cut, boxes }, number) => {
    const heatmap = await heatmapOf(`v1/images/${item.id}/heatmaps/${number}`);
    const result = cutItem({ w: item.width, h: item.height, b: boxes.length ? boxes : undefined, c: cut }, heatmap, threshold);
    return result.boxes.map((box) => ({ label, box: box.map((side) => Math.round(100 * side) / 100) }));
  });
  return (await Promise.all(found)).flat();
}
