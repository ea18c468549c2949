// Keeps the names of icons from being read aloud, and counts down to the end of the 24-hour window;
// without it the page says the time that was left when it was made.
(function () {
  "use strict";
  function show(place) {
    var left = Math.max(0, Math.floor((new Date(place.dataset.countdown) - Date.now()) / 1000));
    var hours = Math.floor(left / 3600), minutes = Math.floor((left % 3600) / 60), seconds = left % 60;
    place.textContent = hours + " h " + minutes + " min " + seconds + " s";
  }
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll(".material-symbols-outlined").forEach(function (icon) { icon.setAttribute("aria-hidden", "true"); });
    var places = document.querySelectorAll("[data-countdown]");
    if (!places.length) return;
    setInterval(function () { places.forEach(show); }, 1000);
    places.forEach(show);
  });
})();
