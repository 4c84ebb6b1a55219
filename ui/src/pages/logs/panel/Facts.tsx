// Names and values, of which those that are not known are left out.
import type { ReactNode } from "react";
import { Copy } from "../../../parts/Copy";
import styles from "./panel.module.css";

export interface Fact {
  name: string;
  value: ReactNode;
  /** Shown with a button that copies it. */
  copy?: string;
}

export function Facts({ facts }: { facts: readonly Fact[] }) {
  const known = facts.filter(({ value }) => value !== null && value !== undefined && value !== "" && value !== false);
  return (
    <dl className={styles.facts}>
      {known.map(({ name, value, copy }) => (
        <FactLine key={name} name={name} value={value} copy={copy} />
      ))}
    </dl>
  );
}

function FactLine({ name, value, copy }: Fact) {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <span>{value}</span>
        {copy !== undefined && <Copy value={copy} label={`Copy: ${name}`} />}
      </dd>
    </>
  );
}
