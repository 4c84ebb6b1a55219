// The pages, in the order of the navigation. Each is a folder of `pages/`, loaded when it is first opened.
import {
  IconActivity,
  IconAdjustments,
  IconArrowsSplit2,
  IconBell,
  IconBrain,
  IconChartBar,
  IconCoin,
  IconGauge,
  IconHierarchy2,
  IconKey,
  IconListSearch,
  IconMessage2Code,
  IconPlugConnected,
  IconRocket,
  IconStack2,
  IconUsers,
} from "@tabler/icons-react";
import type { ComponentType } from "react";

export interface PageEntry {
  path: string;
  label: string;
  about: string;
  icon: ComponentType<{ size?: number; stroke?: number }>;
  group: "Start" | "Observe" | "Route" | "Account";
  load: () => Promise<{ default: ComponentType }>;
}

export const PAGES: readonly PageEntry[] = [
  {
    path: "/start",
    label: "Get started",
    about: "From a key to the first call",
    icon: IconRocket,
    group: "Start",
    load: () => import("../pages/start"),
  },
  {
    path: "/playground",
    label: "Playground",
    about: "Try any model, or two side by side",
    icon: IconMessage2Code,
    group: "Start",
    load: () => import("../pages/playground"),
  },
  {
    path: "/dashboard",
    label: "Dashboard",
    about: "Requests, cost, latency, errors",
    icon: IconChartBar,
    group: "Observe",
    load: () => import("../pages/dashboard"),
  },
  {
    path: "/logs",
    label: "Logs",
    about: "Every call, with what was said and what it cost",
    icon: IconListSearch,
    group: "Observe",
    load: () => import("../pages/logs"),
  },
  {
    path: "/traces",
    label: "Traces and threads",
    about: "Calls that belong together",
    icon: IconHierarchy2,
    group: "Observe",
    load: () => import("../pages/traces"),
  },
  {
    path: "/customers",
    label: "Customers",
    about: "What each of your users costs",
    icon: IconUsers,
    group: "Observe",
    load: () => import("../pages/customers"),
  },
  {
    path: "/keys",
    label: "API keys",
    about: "Who may call, and what",
    icon: IconKey,
    group: "Route",
    load: () => import("../pages/keys"),
  },
  {
    path: "/providers",
    label: "Providers",
    about: "Your credentials, their weights and their health",
    icon: IconPlugConnected,
    group: "Route",
    load: () => import("../pages/providers"),
  },
  {
    path: "/models",
    label: "Models",
    about: "Catalogue, prices, snippets",
    icon: IconBrain,
    group: "Route",
    load: () => import("../pages/models"),
  },
  {
    path: "/routing",
    label: "Load balancing and fallback",
    about: "Where calls go, and where next",
    icon: IconArrowsSplit2,
    group: "Route",
    load: () => import("../pages/routing"),
  },
  {
    path: "/limits",
    label: "Limits",
    about: "Budgets and rates, warned or blocked",
    icon: IconGauge,
    group: "Route",
    load: () => import("../pages/limits"),
  },
  {
    path: "/caches",
    label: "Caches",
    about: "Answers that are given again",
    icon: IconStack2,
    group: "Route",
    load: () => import("../pages/caches"),
  },
  {
    path: "/credits",
    label: "Credits",
    about: "Balance and ledger",
    icon: IconCoin,
    group: "Account",
    load: () => import("../pages/credits"),
  },
  {
    path: "/alerts",
    label: "Alerts and webhooks",
    about: "Who is told of what",
    icon: IconBell,
    group: "Account",
    load: () => import("../pages/alerts"),
  },
  {
    path: "/settings",
    label: "Settings",
    about: "Team, retention, privacy, prices",
    icon: IconAdjustments,
    group: "Account",
    load: () => import("../pages/settings"),
  },
  {
    path: "/system",
    label: "System",
    about: "Workers, clerk, journal, versions",
    icon: IconActivity,
    group: "Account",
    load: () => import("../pages/system"),
  },
];

export const GROUPS = ["Start", "Observe", "Route", "Account"] as const;
