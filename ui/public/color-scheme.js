// Before anything is painted: the colours that were chosen, or else those of the system.
{
  const chosen = localStorage.getItem("gantry-color-scheme");
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
}
