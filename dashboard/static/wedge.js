// A tag reader that types like a keyboard: its line becomes the goat's id, wherever the cursor is, and presses nothing.
"use strict";

// Nobody types ten characters so fast; a reader's keys are less than 50 ms apart.
const FAST_MS = 50;
const PAUSE_MS = 500;
const SHORTEST = 10;

const goatField = document.querySelector("#press [name=goat_id]");
let line = null;

function begin(event) {
  const place = event.target;
  return { text: "", startedAt: event.timeStamp, lastAt: event.timeStamp, place, before: place.value };
}

const isFast = ({ text, startedAt, lastAt }) => lastAt - startedAt < FAST_MS * text.length;

function take(event) {
  event.preventDefault();
  if (line.before !== undefined) line.place.value = line.before;
  goatField.value = line.text.trim();
  say(`Read ${goatField.value}.`);
}

function listen(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (!line || event.repeat || event.timeStamp - line.lastAt > PAUSE_MS) line = begin(event);
  line.lastAt = event.timeStamp;
  if (event.key === "Enter") {
    if (line.text.length >= SHORTEST && isFast(line)) take(event);
    line = null;
  } else if (event.key.length === 1) {
    line.text += event.key;
    // A space within a line would press a button that has the focus.
    if (event.key === " " && line.text.length > 1 && event.target.tagName === "BUTTON") event.preventDefault();
  }
}

document.addEventListener("keydown", listen);
