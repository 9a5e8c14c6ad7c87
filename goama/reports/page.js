"use strict";
(() => {
  const store = document.getElementById("sounds");
  const sounds = store ? JSON.parse(store.textContent) : {};
  const audio = new Audio();
  let current = null;

  function show(player) {
    const share = audio.duration ? audio.currentTime / audio.duration : 0;
    player.style.setProperty("--played", share);
    player.querySelector("input").value = Math.round(1000 * share);
    player.classList.toggle("playing", player === current && !audio.paused);
    const button = player.querySelector("button");
    button.setAttribute("aria-label", button.getAttribute("aria-label").replace(/^\w+/, audio.paused ? "Play" : "Pause"));
  }

  function take(player) {
    if (player === current) return;
    audio.pause();
    if (current) show(current);
    current = player;
    audio.src = "data:audio/mpeg;base64," + sounds[player.dataset.sound];
  }

  function follow() {
    if (!current) return;
    show(current);
    if (!audio.paused) requestAnimationFrame(follow);
  }

  for (const event of ["play", "pause", "ended", "seeked"]) audio.addEventListener(event, follow);

  for (const player of document.querySelectorAll(".player")) {
    player.querySelector("button").addEventListener("click", () => {
      take(player);
      if (audio.paused) audio.play(); else audio.pause();
    });
    player.querySelector("input").addEventListener("input", (event) => {
      const share = event.target.value / 1000;
      take(player);
      const seek = () => { audio.currentTime = share * audio.duration; };
      if (audio.readyState) seek(); else audio.addEventListener("loadedmetadata", seek, { once: true });
    });
  }

  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent);
      } catch {
        getSelection().selectAllChildren(source);
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  for (const time of document.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString();
  }

  for (const fresh of document.querySelectorAll("[data-reload]")) {
    setInterval(() => { if (audio.paused) location.reload(); }, 1000 * fresh.dataset.reload);
  }

  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) target.closest("details")?.setAttribute("open", "");
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
