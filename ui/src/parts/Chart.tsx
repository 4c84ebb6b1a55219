// Curves over time. What a canvas shows nobody can read aloud, so the same numbers stand in a table beside it.
import { Box, Table, useComputedColorScheme, VisuallyHidden } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import uPlot from "uplot";

export interface Curve {
  label: string;
  values: readonly (number | null)[];
  /** Dashed: what it is compared with. */
  dashed?: boolean;
  /** Filled down to the axis. */
  filled?: boolean;
}

interface Props {
  label: string;
  /** ISO times. */
  times: readonly string[];
  curves: readonly Curve[];
  format: (value: number | null | undefined) => string;
  height?: number;
  /** Called with a stretch of time that was drawn with the mouse. */
  onZoom?: (start: Date, end: Date) => void;
}

const LIGHT = ["#0b7285", "#d9480f", "#5f3dc4", "#2b8a3e", "#c2255c", "#e67700", "#364fc7", "#495057"];
const DARK = ["#66cfde", "#ff922b", "#b197fc", "#69db7c", "#f783ac", "#ffd43b", "#91a7ff", "#ced4da"];

// From which step between ticks on, what a tick says, and what it adds where a new year, month or day begins.
const TICKS: uPlot.Axis.Values = [
  [365 * 86_400, "{YYYY}", null, null, null, null, null, null, 1],
  [28 * 86_400, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86_400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];

export function colours(dark: boolean): readonly string[] {
  return dark ? DARK : LIGHT;
}

export function Chart({ label, times, curves, format, height = 200, onZoom }: Props) {
  const { ref, width } = useElementSize();
  const place = useRef<HTMLDivElement>(null);
  const dark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";

  useEffect(() => {
    if (!place.current || width === 0) {
      return;
    }
    const palette = colours(dark);
    const axis = {
      stroke: dark ? "#b8bec4" : "#495057",
      grid: { stroke: dark ? "#2e3236" : "#e9ecef", width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    const plot = new uPlot(
      {
        width,
        height,
        cursor: { drag: { x: Boolean(onZoom), y: false, setScale: false } },
        legend: { live: true },
        scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
        axes: [
          { ...axis, values: TICKS },
          { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => format(tick)) },
        ],
        series: [
          {
            value: (_, at) =>
              at == null
                ? ""
                : new Date(at * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }),
          },
          ...curves.map(({ label, dashed, filled }, place) => ({
            label,
            stroke: palette[place % palette.length],
            width: 1.5,
            ...(dashed ? { dash: [4, 4] } : {}),
            ...(filled ? { fill: `${palette[place % palette.length]}22` } : {}),
            points: { size: 5 },
            value: (_: uPlot, value: number | null) => format(value),
          })),
        ],
        hooks: {
          setSelect: [
            (plot) => {
              if (onZoom && plot.select.width > 4) {
                const [start, end] = [plot.select.left, plot.select.left + plot.select.width];
                onZoom(new Date(plot.posToVal(start, "x") * 1000), new Date(plot.posToVal(end, "x") * 1000));
              }
            },
          ],
        },
      },
      [times.map((time) => new Date(time).getTime() / 1000), ...curves.map(({ values }) => [...values])],
      place.current,
    );
    return () => plot.destroy();
  }, [width, height, dark, times, curves, format, onZoom]);

  return (
    <Box ref={ref} w="100%" mih={height}>
      <div ref={place} aria-hidden />
      <VisuallyHidden>
        <Table>
          <caption>{label}</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {curves.map((curve) => (
                <th key={curve.label} scope="col">
                  {curve.label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {times.map((time, row) => (
              <tr key={time}>
                <th scope="row">{time}</th>
                {curves.map((curve) => (
                  <td key={curve.label}>{format(curve.values[row])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </Table>
      </VisuallyHidden>
    </Box>
  );
}
