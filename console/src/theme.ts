import { makeStore } from "./store";

export type Theme = "system" | "light" | "dark";
export const THEMES: Theme[] = ["system", "light", "dark"];
const NAME = "skylift-theme";

function kept(): Theme {
  try {
    const found = localStorage.getItem(NAME) as Theme;
    return THEMES.includes(found) ? found : "system";
  } catch {
    return "system"; // storage is switched off
  }
}

export const theme = makeStore<Theme>(kept());

function apply(value: Theme): void {
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
  try {
    localStorage.setItem(NAME, value);
  } catch {
    // it holds until the page is closed
  }
}

theme.watch(apply);
apply(theme.get());
