// Addresses. Public ones are for who is not signed in; all others need a session, and say where to return to.
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
  useNavigate,
  useSearch,
} from "@tanstack/react-router";
import { useCallback } from "react";
import { queries } from "../api/client";
import { sessionQuery } from "../api/session";
import { Failed } from "../parts/Failed";
import { Missing } from "./Missing";
import { PAGES } from "./pages";
import { Shell } from "./Shell";

export type Search = Record<string, unknown>;

const rootRoute = createRootRoute({
  component: Outlet,
  validateSearch: (search: Search): Search => search,
  errorComponent: ({ error, reset }) => <Failed error={error} retry={reset} />,
  notFoundComponent: Missing,
});

const PUBLIC = [
  { path: "/sign-in", load: () => import("../pages/sign-in") },
  { path: "/claim", load: () => import("../pages/claim") },
  { path: "/sign-up", load: () => import("../pages/sign-up") },
  { path: "/invitation", load: () => import("../pages/invitation") },
  { path: "/reset", load: () => import("../pages/reset") },
] as const;

const publicRoutes = PUBLIC.map(({ path, load }) =>
  createRoute({ getParentRoute: () => rootRoute, path, component: lazyRouteComponent(load) }),
);

const signedInRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "signed-in",
  component: Shell,
  beforeLoad: async ({ location }) => {
    const session = await queries.ensureQueryData(sessionQuery);
    if (session.state === "unclaimed") {
      throw redirect({ to: "/claim" });
    }
    if (session.state === "signed_out") {
      throw redirect({ to: "/sign-in", search: location.pathname === "/" ? {} : { to: location.href } });
    }
  },
});

const homeRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/start" });
  },
});

const pageRoutes = PAGES.map(({ path, load }) =>
  createRoute({ getParentRoute: () => signedInRoute, path, component: lazyRouteComponent(load) }),
);

export const router = createRouter({
  routeTree: rootRoute.addChildren([...publicRoutes, signedInRoute.addChildren([homeRoute, ...pageRoutes])]),
  basepath: "/ui",
  defaultPreload: "intent",
  scrollRestoration: true,
});

/** What a page shows is in its address, so that it can be shared and returned to: read it, and change part of it.
 *  `null` and `undefined` take a member away. */
export function useAddress(): [Search, (part: Search, replace?: boolean) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const change = useCallback(
    (part: Search, replace = false) => {
      navigate({
        to: ".",
        replace,
        search: ((before: Search) =>
          Object.fromEntries(Object.entries({ ...before, ...part }).filter(([, value]) => value != null))) as never,
      });
    },
    [navigate],
  );
  return [search, change];
}
