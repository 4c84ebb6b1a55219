// Why there is an attempt, and why at this deployment, in words. The terms are those of a log's attempts.
import { percent } from "./words";

interface Drawn {
  step: string | null;
  reason: string | null;
  share: number | null;
  condition: string | null;
}

const STEPS: Record<string, string> = {
  first: "The first",
  rotation: "Another deployment of the model",
  fallback: "The next model",
  retry: "The same again",
  hedge: "A hedge, beside the one before",
};
const REASONS: Record<string, string> = {
  only: "the only deployment",
  weight: "drawn by weight",
  affinity: "where its conversation is",
  latency: "the faster one",
  load: "the less busy one",
  price: "the cheapest",
  probe: "to probe whether it works again",
  home: "where what is stored lives",
};

export function whyWords({ step, reason, share, condition }: Drawn): string {
  const because = [
    reason && (REASONS[reason] ?? reason),
    share !== null && reason !== "only" && `${percent(share, 0)} of the weights`,
    condition === "cooling" && "though it was cooling",
  ].filter(Boolean);
  return `${step ? (STEPS[step] ?? step) : "As it was asked for"}${because.length ? `: ${because.join(", ")}` : ""}`;
}
