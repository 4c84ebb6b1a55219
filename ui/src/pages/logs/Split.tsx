// A list, and beside it what is open of it, with a border between them that can be moved; on a phone it
// lies above all of the page.
import { useLocalStorage } from "@mantine/hooks";
import { type ReactNode, useRef } from "react";
import styles from "./logs.module.css";

interface Props {
  children: ReactNode;
  panel: ReactNode | false;
  full: boolean;
}

const LEAST = 360;
const STEP = 40;

export function Split({ children, panel, full }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useLocalStorage<number>({
    key: "gantry-log-panel",
    defaultValue: 620,
    getInitialValueInEffect: false,
  });

  function resize(wanted: number) {
    const whole = place.current?.clientWidth ?? 1200;
    setWidth(Math.round(Math.max(LEAST, Math.min(whole - 240, wanted))));
  }

  function drag(event: React.PointerEvent<HTMLDivElement>) {
    if (event.currentTarget.hasPointerCapture(event.pointerId) && place.current) {
      resize(place.current.getBoundingClientRect().right - event.clientX);
    }
  }

  // The same elements wide and narrow: what is under way in them goes on when a window is made narrow.
  return (
    <div className={styles.split} ref={place}>
      <div className={styles.under} inert={full && Boolean(panel)}>
        {children}
      </div>
      {panel && !full && (
        // biome-ignore lint/a11y/useSemanticElements: a rule cannot be moved
        <div
          className={styles.handle}
          role="separator"
          aria-orientation="vertical"
          aria-label="Width of the log"
          aria-valuenow={width}
          aria-valuemin={LEAST}
          tabIndex={0}
          onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
          onPointerMove={drag}
          onKeyDown={(event) => {
            const step = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
            if (step) {
              event.preventDefault();
              resize(width + step);
            }
          }}
        />
      )}
      {panel && (
        <aside className={full ? styles.above : styles.panel} style={full ? undefined : { width }} aria-label="Log">
          {panel}
        </aside>
      )}
    </div>
  );
}
