// Bars of the days, drawn as SVG.

import { svg } from "./dom.js";
import { day, number } from "./words.js";

const HEIGHT = 60;
const STEP = 10;

/** `history` is the API's: today first. */
export function usagePlot(history) {
  const days = history.toReversed();
  const most = Math.max(1, ...days.map(({ used }) => used));
  const total = days.reduce((sum, { used }) => sum + used, 0);
  const bars = days.map(({ day: date, used }, index) => {
    const height = used ? Math.max(2, (used / most) * HEIGHT) : 1;
    return svg("rect", { x: index * STEP + 1, y: HEIGHT - height, width: STEP - 2, height, rx: 1 }, svg("title", {}, `${day(date)}: ${number(used)}`));
  });
  return svg("svg", { viewBox: `0 0 ${days.length * STEP} ${HEIGHT}`, class: "plot", role: "img",
    "aria-label": `Messages of the last ${days.length} days: ${number(total)}, at most ${number(most)} a day` }, ...bars);
}
