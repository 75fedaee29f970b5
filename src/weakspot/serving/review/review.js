// The review page: keys, buttons, the slider, the learning process, and what changes on the server.

import { forgetHeatmaps, hasHeatmaps } from "./boxes.js";
import { Desk, byId } from "./desk.js";
import { ask } from "./saving.js";

const POLL = { idle: 2500, busy: 600 }; // milliseconds

const desk = new Desk();
let version = -1;
let rounds = null;

// Buttons and keys.

const ACTIONS = {
  accept: () => desk.accept(),
  nothing: () => desk.nothing(),
  previous: () => desk.step(-1),
  next: () => desk.step(1),
  delete: () => desk.editor.remove(),
  draw: () => desk.setDrawing(!desk.editor.isDrawing),
  undo: () => desk.undo(),
  redo: () => desk.redo(),
  "asks-nothing": () => desk.nothing(),
  "asks-undo": () => desk.undo(),
  learn,
};
const KEYS = {
  Enter: "accept", a: "accept", n: "nothing", ArrowLeft: "previous", ArrowRight: "next", Delete: "delete", Backspace: "delete", d: "draw",
};

for (const [id, act] of Object.entries(ACTIONS)) {
  byId(id).addEventListener("click", (event) => {
    if (event.detail) byId(id).blur(); // so that Enter accepts, and does not press the button again
    if (desk.current) act();
  });
}

document.addEventListener("keydown", (event) => {
  if (!desk.current || event.altKey || event.target.closest("input, select")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (key === "z" || key === "y") act(event, key === "y" || event.shiftKey ? "redo" : "undo");
  } else if (key === "Escape") {
    if (!desk.editor.cancel()) desk.editor.select(-1);
  } else if (/^[1-9]$/.test(key)) {
    desk.relabel(desk.classes[Number(key) - 1]);
  } else if (KEYS[key] && !(key === "Enter" && event.target.closest("button"))) {
    act(event, KEYS[key]);
  }
});

// A key that is held repeats, which is meant for steps only.
function act(event, name) {
  event.preventDefault();
  if (!event.repeat || name === "previous" || name === "next") ACTIONS[name]();
}

byId("label").addEventListener("change", () => {
  desk.relabel(byId("label").value);
  byId("label").blur();
});
byId("filter").addEventListener("change", () => {
  desk.arrange();
  byId("filter").blur();
});

// The threshold of untouched boxes; null for that of each image.

let usual = 0.5;

function chooseThreshold(value) {
  if (value === null) byId("threshold").value = usual;
  byId("threshold-value").textContent = value === null ? "" : value.toFixed(2);
  byId("threshold-reset").disabled = value === null;
  desk.setThreshold(value);
}

let frame = 0;
byId("threshold").addEventListener("input", () => {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => chooseThreshold(byId("threshold").valueAsNumber));
});
byId("threshold").addEventListener("pointerup", () => byId("threshold").blur());
byId("threshold-reset").addEventListener("click", () => chooseThreshold(null));
byId("threshold-reset").disabled = true;

// Shows the slider where heatmaps were saved, at the threshold that most images have.
function prepareSlider(images) {
  const cuts = images.filter(hasHeatmaps).map(({ heatmaps }) => heatmaps[0].cut[0]).sort((a, b) => a - b);
  byId("threshold-field").hidden = !cuts.length;
  if (cuts.length) usual = cuts[cuts.length >> 1];
  if (desk.threshold === null) byId("threshold").value = usual;
}

// Learning.

let starts = 0; // of the learning process, by this page

async function learn() {
  try {
    await desk.saving.last;
    const learning = await ask("v1/learn", { method: "POST", body: {} });
    starts += 1;
    showLearning(learning);
  } catch (error) {
    tellLearning(error.message, true);
  }
}

function tellLearning(text, isWrong = false) {
  byId("learn-says").textContent = text;
  byId("learn-says").classList.toggle("wrong", isWrong);
}

function showLearning({ available, phase, done, total, rounds: now, problem, note }) {
  byId("learning").hidden = !available;
  const isBusy = phase === "learning" || phase === "localizing";
  const wasBusy = byId("learn").dataset.busy === "true";
  byId("learn").dataset.busy = String(isBusy);
  byId("learn").disabled = isBusy || !desk.touched;
  if (phase === "learning") tellLearning("Learning ...");
  else if (phase === "localizing") tellLearning(`Localizing: ${done} of ${total}`);
  else if (phase === "failed") tellLearning(problem, true);
  else if (wasBusy && now <= rounds) tellLearning("Learning was interrupted: press Learn again.", true);
  if (rounds !== null && now > rounds) finishRound(note);
  rounds = now;
  return isBusy;
}

// The boxes that the model now finds are shown as such, not at the threshold of the slider.
function finishRound(note) {
  forgetHeatmaps();
  desk.offers.restart();
  const change = desk.redrawn === 1 ? "of 1 untouched image have" : `of ${desk.redrawn} untouched images have`;
  tellLearning(`${desk.redrawn ? `The boxes ${change} changed.` : "No box has changed."} ${note}`.trim());
  desk.redrawn = 0;
  chooseThreshold(null);
}

// How many images are right, as far as it is known.

let isReached = false;

function showStanding({ text, reached }) {
  byId("standing").textContent = byId("standing").title = text;
  byId("standing").classList.toggle("reached", reached);
  if (reached && !isReached) desk.say("The goal is reached: you can stop here, or go on.");
  isReached ||= reached;
}

// What changes on the server.

async function poll() {
  let isBusy = false;
  try {
    const [since, before] = [version, starts];
    const review = await ask(`v1/review?since=${since}`);
    if (review.version < since) version = -1; // the server was started again
    else {
      version = review.version;
      desk.setClasses(review.classes);
      desk.receive(review, { areAll: since < 0 });
      showStanding(review.standing);
      byId("note").textContent = byId("note").title = review.note;
      byId("note").hidden = !review.note;
      if (review.images.length) prepareSlider([...desk.items.values()]);
      isBusy = before !== starts || showLearning(review.learning); // what was asked before the start is of no use
    }
  } catch {
    // Decisions say that the server does not answer; without any there is nothing to lose.
  }
  setTimeout(poll, isBusy ? POLL.busy : POLL.idle);
}

poll();
