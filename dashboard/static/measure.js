// Presses without a reload, and follows what the station does. Without this file the form and the pages still work.
"use strict";

const BUSY_MS = 700;
const IDLE_MS = 3000;
const NO_CONNECTION = "No connection to the station.";

const script = document.currentScript.dataset;
const form = document.getElementById("press");
const part = (id) => document.getElementById(id);
const shown = () => part("result").dataset;
const unfinished = () => ["queued", "processing"].includes(shown().status);

let requestId = null;
let sending = false;
let timer = 0;

async function ask(url, options = {}) {
  const answer = await fetch(url, options);
  const isJson = answer.headers.get("Content-Type").startsWith("application/json");
  const body = isJson ? await answer.json() : await answer.text();
  if (!answer.ok) {
    throw Object.assign(new Error("refused"), { words: isJson ? `${body.error}: ${body.hint}` : answer.statusText });
  }
  return body;
}

async function swap(id, url) {
  const page = new DOMParser().parseFromString(await ask(url), "text/html");
  part(id).replaceWith(page.getElementById(id));
}

async function refresh(id) {
  if (part(id)) await swap(id, part(id).dataset.fragment);
}

async function show(captureId) {
  await swap("result", `/captures/${captureId}/fragment`);
  say(shown().words);
  await refresh("recent");
}

function say(words, tone = "") {
  if (!form) return;
  part("state").textContent = words;
  part("state").className = tone;
}

// With no station there is nobody to wait for: the button stays free.
function setButton() {
  if (form) form.querySelector("button").disabled = sending || (unfinished() && part("station").dataset.alive === "yes");
}

// The newest capture, or until it is done the one that is shown.
async function current() {
  if (script.follow === "newest" && !unfinished()) return (await ask(`${script.captures}?limit=1`)).captures[0];
  return ask(`/api/v1/results/${shown().capture}`);
}

function keyOf(now) {
  const label = [now.goat_id, now.weight_kg, now.goat_note, now.corrections.length].map((one) => one ?? "").join("|");
  return [now.capture_id, now.status, now.revision, now.sync ?? "", label].join();
}

async function look() {
  const now = await current();
  const known = shown();
  if (now && keyOf(now) !== [known.capture, known.status, known.revision, known.sync, known.label].join()) await show(now.capture_id);
  await refresh("station");
  showTag();
}

// What the reader saw stands where the goat is typed, as a hint: only the station decides whose tag it is.
function showTag() {
  if (!form) return;
  const tag = part("station").dataset.tag;
  form.elements.goat_id.placeholder = tag;
  part("read").textContent = tag ? "read just now" : "(may stay empty)";
}

async function follow() {
  try {
    await look();
    part("lost").hidden = true;
    // The page shows by now whether a press whose answer got lost has counted.
    if (!sending) requestId = null;
  } catch (error) {
    part("lost").textContent = error.words ?? NO_CONNECTION;
    part("lost").hidden = false;
  }
  setButton();
  if (script.follow === "newest" || unfinished()) followSoon();
  else location.reload();
}

function followSoon() {
  clearTimeout(timer);
  timer = setTimeout(follow, unfinished() ? BUSY_MS : IDLE_MS);
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send() {
  requestId ??= newId();
  const { goat_id: goat, weight, weight_unit: unit } = form.elements;
  const said = {};
  if (goat.value.trim()) said.goat_id = goat.value;
  if (weight.value.trim()) said[`weight_${unit.value}`] = weight.value;
  const answer = await ask(form.dataset.api, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": requestId },
    body: JSON.stringify(said),
  });
  requestId = null;
  goat.value = weight.value = "";
  return answer.capture_id;
}

async function press(event) {
  event.preventDefault();
  if (sending) return;
  sending = true;
  setButton();
  say("Sending …");
  try {
    const captureId = await send();
    await show(captureId).catch(() => say("Queued …"));
  } catch (error) {
    // Refused: the next press is another one. No answer: it may have counted, so the next is the same one again.
    if (error.words) requestId = null;
    say(error.words ?? `${NO_CONNECTION} Press again.`, "again");
  }
  sending = false;
  setButton();
  followSoon();
}

if (form) form.addEventListener("submit", press);
follow();
