// The rules being edited: a draft beside those that hold, until it is saved or discarded.
//
// Law: a draft knows the version that it was made from, so that nobody's change is overwritten unseen. It outlives a look
// at another page, in the tab's own storage, and no longer.
import { useSessionStorage } from "@mantine/hooks";
import { api, refresh, type Shapes } from "../../api/client";
import { useSession } from "../../api/session";
import { type Rules, tidy } from "./rules";

interface Stored {
  version: number;
  document: Rules;
}

export interface Draft {
  rules: Rules;
  /** What was changed, by the member of the document; nothing where there is no draft. */
  changed: (keyof Rules)[];
  /** The version that the draft was made from. */
  version: number;
  /** Whether another version holds by now than the one it was made from. */
  outdated: boolean;
  change: (part: Partial<Rules>) => void;
  discard: () => void;
  /** Write the draft over a version. Raises a Refusal. */
  save: (note: string, version: number) => Promise<void>;
}

export function useDraft(live: Shapes["RulesItem"]): Draft {
  const organization = useSession()?.organization?.id ?? "";
  const [stored, store, forget] = useSessionStorage<Stored | null>({
    key: `gantry-routing-draft-${organization}`,
    defaultValue: null,
    getInitialValueInEffect: false,
  });
  const before = live.document as Rules;
  const rules = stored?.document ?? before;
  const changed = differing(before, rules);
  const version = changed.length > 0 && stored ? stored.version : live.version;
  return {
    rules,
    changed,
    version,
    outdated: version !== live.version,
    change: (part) => {
      const document = tidy({ ...rules, ...part });
      store(version === live.version && differing(before, document).length === 0 ? null : { version, document });
    },
    discard: forget,
    save: async (note, over) => {
      await api.PUT("/api/routing", { body: { document: rules as Record<string, unknown>, version: over, note } });
      await refresh("/api/routing", "/api/load-balance-groups");
      forget();
    },
  };
}

export function differing(one: Rules, other: Rules): (keyof Rules)[] {
  const names = ["groups", "fallback_models", "retries", "models", "cache"] as const;
  return names.filter((name) => sorted(one[name]) !== sorted(other[name]));
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    inner && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
