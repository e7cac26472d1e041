"use strict";
// The button that chooses light or dark.

function listenToTheme(curves) {
  const isDark = matchMedia("(prefers-color-scheme: dark)");
  const button = byId("theme");
  let theme = isDark.matches ? "dark" : "light";
  const show = (name) => {
    theme = name;
    root.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
    curves?.redraw();
  };
  isDark.addEventListener("change", () => show(isDark.matches ? "dark" : "light"));
  button.addEventListener("click", () => show(theme === "dark" ? "light" : "dark"));
  show(theme);
}
