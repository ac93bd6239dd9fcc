// Light, dark, or as the system has it; the style sheet knows the first two.

const THEMES = ["system", "light", "dark"];
const dark = matchMedia("(prefers-color-scheme: dark)");

function lastTheme() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}

/** Makes a button the switch of the theme; `changed` is called after each change. */
export function themeSwitch(label, changed = () => {}) {
  let current = "system";
  const paint = (shown) => {
    document.documentElement.dataset.theme = shown;
    changed();
  };
  const ofSystem = () => (dark.matches ? "dark" : "light");
  const theme = (chosen) => {
    current = chosen;
    const next = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
    label.textContent = `Theme: ${chosen}`;
    label.onclick = () => theme(next);
    label.title = `Change to ${next}`;
    try {
      localStorage.setItem("theme", chosen);
    } catch {
      // A browser may forbid it: the theme then lasts as long as the page.
    }
    paint(chosen === "system" ? ofSystem() : chosen);
  };
  const last = lastTheme();
  theme(THEMES.includes(last) ? last : "system");
  dark.addEventListener("change", () => theme(current));
  // Paper is light.
  addEventListener("beforeprint", () => paint("light"));
  addEventListener("afterprint", () => theme(current));
}
