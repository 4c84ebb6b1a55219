// How a call ended: a sign and a word, with its status where it failed; never by colour alone. Plain elements: a list has
// many of them.
import {
  IconAlertTriangleFilled,
  IconArrowDownLeft,
  IconBolt,
  IconCircleCheck,
  IconCircleX,
  IconPlugConnectedX,
} from "@tabler/icons-react";
import styles from "./logs.module.css";
import type { Line } from "./useLogs";

type Sign = typeof IconBolt;

const GOOD = "light-dark(var(--mantine-color-teal-9), var(--mantine-color-teal-4))";
const BAD = "var(--mantine-color-error)";
const CALM = "var(--mantine-color-dimmed)";
const WARM = "light-dark(#b4400a, var(--mantine-color-orange-4))";

const WORDS: Record<string, [label: string, colour: string, sign: Sign, about: string]> = {
  success: ["OK", GOOD, IconCircleCheck, "It was answered"],
  logged: ["Logged", CALM, IconArrowDownLeft, "It was posted here, not called through here"],
  refused: ["Refused", WARM, IconCircleX, "By the gateway: scope, model list, limit, or a request that cannot be"],
  upstream_error: ["Error", BAD, IconAlertTriangleFilled, "The provider answered with an error"],
  upstream_unreachable: ["Unreached", BAD, IconPlugConnectedX, "No connection to the provider, or no answer on it"],
  upstream_broke: ["Broke off", BAD, IconAlertTriangleFilled, "The answer stopped before its end"],
  timeout: ["Timed out", BAD, IconAlertTriangleFilled, "A deadline passed"],
  client_gone: ["Client left", CALM, IconPlugConnectedX, "The client hung up"],
  cancelled: ["Cancelled", CALM, IconCircleX, "Another attempt was faster"],
  gateway_error: ["Gateway", BAD, IconAlertTriangleFilled, "A fault of the gateway"],
  gateway_crashed: ["Crashed", BAD, IconAlertTriangleFilled, "The worker ended before the call did"],
};

type Ended = Pick<Line, "outcome" | "status_code" | "failed" | "cache_hit">;

export function Outcome({ log }: { log: Ended }) {
  const [word, usual, usually, about] = WORDS[log.outcome] ?? [log.outcome, CALM, IconCircleX, log.outcome];
  const failed = log.failed && (log.outcome === "logged" || log.outcome === "success");
  const colour = failed ? BAD : usual;
  const Sign = failed ? IconAlertTriangleFilled : log.cache_hit ? IconBolt : usually;
  const label = `${log.status_code >= 400 ? `${log.status_code} ` : ""}${log.cache_hit ? "Cached" : word}`;
  return (
    <span
      className={styles.outcome}
      style={{ color: colour }}
      title={`${log.cache_hit ? "From the response cache" : about} (${log.status_code})`}
    >
      <Sign size={14} aria-hidden />
      <span>{label}</span>
    </span>
  );
}
