"use strict";
// The button that chooses light or dark. What is drawn in the colours of the theme is drawn anew.

function listenToTheme(drawings) {
  const isDark = matchMedia("(prefers-color-scheme: dark)");
  const button = byId("theme");
  let theme = isDark.matches ? "dark" : "light";
  const show = (name) => {
    theme = name;
    root.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
    drawings.forEach((drawing) => drawing.redraw());
  };
  isDark.addEventListener("change", () => show(isDark.matches ? "dark" : "light"));
  button.addEventListener("click", () => show(theme === "dark" ? "light" : "dark"));
  show(theme);
}
