// Asks for the next live picture when the last one is there. Without this file the page loads itself anew.
"use strict";

const BETWEEN_MS = 350;
const WITHOUT_MS = 1500;
const NO_PICTURE = "No picture: is the station running, and this camera plugged in?";

let number = 0;

function next(picture, wait) {
  setTimeout(() => {
    if (document.hidden) return next(picture, WITHOUT_MS);
    number += 1;
    picture.src = `${picture.dataset.address}?${number}`;
  }, wait);
}

function say(picture, words) {
  const place = document.getElementById(`live-${picture.dataset.live}`);
  if (place.textContent !== words) place.textContent = words;
}

for (const picture of document.querySelectorAll("img[data-live]")) {
  picture.dataset.address = picture.getAttribute("src");
  picture.addEventListener("load", () => {
    say(picture, "");
    next(picture, BETWEEN_MS);
  });
  picture.addEventListener("error", () => {
    say(picture, NO_PICTURE);
    next(picture, WITHOUT_MS);
  });
  // The first one may have come, or failed, before anybody listened.
  next(picture, picture.complete ? 0 : WITHOUT_MS);
}
