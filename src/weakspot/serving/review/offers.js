// Which image comes next: as the server offers them, typical ones, then by uncertainty, and every third one at random.

export class Offers {
  constructor() {
    Object.assign(this, { list: [], places: new Map(), shown: new Set(), skipped: new Set() });
  }

  // Takes over what the server offers next, {id, random} of each image, and the ids of those that come next and are not drawn.
  receive(list, ids) {
    this.list = list;
    this.places = new Map(ids.map((id, place) => [id, place]));
  }

  // The boxes are others: nothing was shown or skipped yet.
  restart() {
    this.shown.clear();
    this.skipped.clear();
  }

  // Whether an image is a random check. Those that are still to come are not marked: a person could choose among them.
  isRandom(item) {
    return item.random || (item.status === "untouched" && this.shown.has(item.id));
  }

  // Remembers that a person went on without a decision on an image.
  skip(item) {
    if (item.status === "untouched") this.skipped.add(item.id);
  }

  // The next image to decide on: one that was skipped comes after the others, and before another random check.
  next(items, current) {
    const left = this.list.filter(({ id }) => id !== current && items.get(id)?.status === "untouched");
    const random = left.find((offer) => offer.random);
    const offer = left.find(({ id, random: isRandom }) => !this.skipped.has(id) && (!isRandom || id === random.id)) ?? left[0];
    if (offer?.random) this.shown.add(offer.id);
    return offer && items.get(offer.id);
  }

  // All images: those that were decided on, the random check, and the others as they come next.
  sorted(items) {
    const { places, shown } = this;
    const group = ({ id, status }) => (status !== "untouched" ? 0 : shown.has(id) ? 1 : places.has(id) ? 2 : 3);
    return [...items].sort((a, b) => group(a) - group(b) || a.number - b.number
      || (places.get(a.id) ?? 0) - (places.get(b.id) ?? 0) || (b.uncertainty ?? -1) - (a.uncertainty ?? -1) || (a.name < b.name ? -1 : 1));
  }
}
