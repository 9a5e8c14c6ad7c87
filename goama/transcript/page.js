const sound = document.querySelector("audio");
if (sound) {
  document.querySelector("main").addEventListener("click", (event) => {
    const place = event.target.closest("[data-start]");
    if (!place) return;
    sound.currentTime = Number(place.dataset.start);
    sound.play();
  });
}
