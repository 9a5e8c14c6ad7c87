"use strict";
(() => {
  const store = document.getElementById("sounds");
  let sounds = null;  // parsed when the first is played: a page may hold 40 MB
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
    sounds ??= JSON.parse(store.textContent);
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

  const list = document.querySelector(".entries");
  const tools = document.querySelector("form.tools[role=search]");
  if (list && tools) {
    const fold = (text) => text.normalize("NFC").toLowerCase();
    const entries = [...list.children].map((element) => ({
      element,
      ...element.dataset,
      text: fold([...element.querySelectorAll(".id, .where, .unseen span")].map((part) => part.textContent).join("\n")),
    }));
    const { find, sort, show } = tools.elements;
    const update = () => {
      const wanted = fold(find.value.trim());
      const [key, upwards] = sort.value.split("-");
      const sign = upwards || key === "place" ? 1 : -1;
      const order = key === "speaker"
        ? (a, b) => a.speaker.localeCompare(b.speaker) || a.place - b.place
        : (a, b) => sign * (a[key] - b[key]) || a.place - b.place;
      const found = wanted.includes("→") && wanted.length > 1
        ? (entry) => fold(entry.tokens).includes("\t" + wanted + "\t")
        : (entry) => entry.text.includes(wanted);
      let shown = 0;
      entries.sort(order);
      for (const entry of entries) {
        entry.element.hidden = !(found(entry) && (!show.value || entry.kinds.split(" ").includes(show.value)));
        shown += !entry.element.hidden;
      }
      list.append(...entries.map((entry) => entry.element));
      tools.querySelector("output").textContent = shown === entries.length
        ? `${shown} clips` : `${shown} of ${entries.length} clips`;
      list.nextElementSibling.hidden = shown > 0;
    };
    tools.hidden = false;
    tools.addEventListener("input", update);
    tools.addEventListener("submit", (event) => event.preventDefault());
    for (const link of document.querySelectorAll("[data-find]")) {
      link.addEventListener("click", () => {
        find.value = link.dataset.find;
        show.value = "";
        update();
      });
    }
    update();  // a browser may have kept what was typed before
  }

  const saving = document.querySelector(".saving");
  if (saving) {
    const form = saving.querySelector("form");
    const { speed, place, listening } = form.elements;
    const works = JSON.parse(saving.dataset.works);  // seconds, characters, wrong words, keystrokes
    const seconds = works.reduce((sum, work) => sum + work[0], 0);
    const hours = (minutes) => {
      const whole = Math.round(minutes);
      return whole < 60 ? `${whole} min` : `${Math.floor(whole / 60)} h` + (whole % 60 ? ` ${whole % 60} min` : "");
    };
    const answer = saving.querySelector(".answer");
    const interval = saving.querySelector(".saved");
    const standard = answer.textContent;
    const standardPlace = Number(place.dataset.exact), standardKey = Number(speed.dataset.exact);
    const update = () => {
      const own = [speed, place, listening].some((input) => input.value !== input.defaultValue);
      const key = speed.value === speed.defaultValue ? standardKey : 60 / Math.max(1, speed.value);
      const find = place.value === place.defaultValue ? standardPlace : Number(place.value);
      const heard = 60 * listening.value;
      const minutes_of = (cost) => heard + 60 * works.reduce((sum, work) => sum + cost(...work), 0) / seconds;
      const typing = minutes_of((_, characters) => key * characters);
      const correcting = minutes_of((_, characters, places, keys) =>
        Math.min(find * places + key * keys, find + key * characters));
      for (const [name, minutes] of Object.entries({ typing, correcting })) {
        saving.querySelector(`[data-minutes=${name}]`).textContent = hours(minutes);
        saving.querySelector(`[data-bar=${name}]`).style.width = 100 * minutes / Math.max(typing, correcting, 1) + "%";
      }
      interval.hidden = own;
      answer.textContent = !own ? standard
        : (typing - correcting >= 0.05 * typing ? "With your figures, correcting should save time: "
          : correcting > typing ? "With your figures, typing should still be quicker: correcting takes "
            : "With your figures, correcting hardly saves time yet: ")
          + `${hours(correcting)} against ${hours(typing)} for an hour of speech.`;
    };
    form.hidden = false;
    form.addEventListener("input", update);
    form.addEventListener("reset", () => setTimeout(update));
    form.addEventListener("submit", (event) => event.preventDefault());
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
