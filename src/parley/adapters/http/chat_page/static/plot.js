// Bars of days, drawn as SVG, and their sum in words.

import { h, svg } from "./dom.js";
import { day, number } from "./words.js";

const HEIGHT = 60;
const STEP = 10;

/** `days` are {day, value}, the oldest first. `title` says what is counted. */
export function plot(title, days) {
  const most = Math.max(0, ...days.map(({ value }) => value));
  const total = days.reduce((sum, { value }) => sum + value, 0);
  const bars = days.map(({ day: date, value }, index) => {
    const height = value ? Math.max(2, (value / most) * HEIGHT) : 1;
    return svg("rect", { x: index * STEP + 1, y: HEIGHT - height, width: STEP - 2, height, rx: 1 }, svg("title", {}, `${day(date)}: ${number(value)}`));
  });
  const sums = `${number(total)}, at most ${number(most)} a day`;
  // As wide as there is room.
  const drawn = svg("svg", { viewBox: `0 0 ${days.length * STEP} ${HEIGHT}`, preserveAspectRatio: "none", class: "plot", role: "img",
    "aria-label": `${title} of the last ${days.length} days: ${sums}` }, ...bars);
  return h("figure", {}, h("figcaption", {}, `${title}: ${sums}`), drawn);
}
