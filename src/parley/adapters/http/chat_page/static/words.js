// What the page says: times, problems and ends of replies.

const TIME = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const time = (text) => TIME.format(new Date(text));
export const day = (text) => DAY.format(new Date(text));
export const moment = (text) => MOMENT.format(new Date(text));

export const number = (value) => new Intl.NumberFormat().format(value);

/** «1 message», «2 messages». */
export const counted = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

export function price({ amount, currency, interval, interval_count: count }) {
  if (amount === null) return "by use";
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency: currency.toUpperCase() });
  const { maximumFractionDigits } = format.resolvedOptions();
  const every = count > 1 ? `every ${count} ${interval}s` : `a ${interval}`;
  return `${format.format(amount / 10 ** maximumFractionDigits)} ${every}`;
}

/** A problem in words. */
export function words(problem) {
  if (problem.code === "rate_limited" && problem.retryAfter) return `Too many requests. Try again in ${wait(problem.retryAfter)}.`;
  return problem.message;
}

function wait(seconds) {
  if (seconds < 90) return `${seconds} seconds`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} minutes` : `${Math.round(seconds / 3_600)} hours`;
}

/** How a reply ended, if there is something to say about it. */
export function ending({ status, finish_reason: reason, error }) {
  if (status === "failed") return error?.detail ?? "The reply failed.";
  if (status === "stopped") return "Stopped.";
  if (reason === "length") return "The answer reached the model's limit of length and is cut off.";
  if (reason === "content_filter") return "The model's provider filtered this answer.";
  return "";
}
