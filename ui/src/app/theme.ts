// Colours, shapes and spacing. Law: text is readable on its ground (WCAG AA), in light and dark.
import {
  type CSSVariablesResolver,
  createTheme,
  localStorageColorSchemeManager,
  type MantineColorsTuple,
} from "@mantine/core";

export const nonce = document.querySelector('meta[name="csp-nonce"]')?.getAttribute("content") ?? "";

const gantry: MantineColorsTuple = [
  "#e3f8fb",
  "#c5eef4",
  "#99e0ea",
  "#66cfde",
  "#3bbccf",
  "#1aa4ba",
  "#0f8aa0",
  "#0b7285",
  "#095c6c",
  "#064452",
];

export const theme = createTheme({
  primaryColor: "gantry",
  primaryShade: { light: 7, dark: 7 },
  colors: { gantry },
  autoContrast: true,
  luminanceThreshold: 0.35,
  defaultRadius: "md",
  cursorType: "pointer",
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  headings: { fontWeight: "650" },
  components: {
    Tooltip: { defaultProps: { withArrow: true, openDelay: 300 } },
    Modal: { defaultProps: { centered: true } },
    // Else a browser takes the head of a dialog for a second banner of the page.
    ModalHeader: { defaultProps: { role: "presentation" } },
    DrawerHeader: { defaultProps: { role: "presentation" } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray" } },
    Notification: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
    Table: { defaultProps: { verticalSpacing: "xs", highlightOnHover: true } },
  },
});

// Mantine's own dimmed grey is too pale for small text.
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#495057",
    "--mantine-color-placeholder": "#5c636a",
    "--mantine-color-error": "#c92a2a",
    // The text of light badges and alerts on their own tint.
    "--mantine-color-teal-light-color": "#066649",
    "--mantine-color-green-light-color": "#226b2c",
    "--mantine-color-orange-light-color": "#993300",
    "--mantine-color-yellow-light-color": "#7a4a00",
    "--mantine-color-anchor": "#0b7285",
    "--gantry-surface": "#f8fafb",
    "--gantry-line": "#dee2e6",
  },
  dark: {
    "--mantine-color-dimmed": "#b8bec4",
    "--mantine-color-placeholder": "#a6acb2",
    "--mantine-color-error": "#ff8787",
    "--mantine-color-anchor": "#66cfde",
    "--gantry-surface": "#1b1d20",
    "--gantry-line": "#3b3f44",
  },
});

export const colorScheme = localStorageColorSchemeManager({ key: "gantry-color-scheme" });
