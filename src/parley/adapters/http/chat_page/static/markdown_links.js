// Where links of Markdown lead, and entities.

const ENTITIES = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", trade: "™", hellip: "…", mdash: "—",
  ndash: "–", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", laquo: "«", raquo: "»", times: "×", deg: "°", euro: "€",
  larr: "←", rarr: "→", uarr: "↑", darr: "↓", middot: "·", bull: "•", para: "¶", sect: "§", plusmn: "±", frac12: "½",
};
export const ENTITY = /^&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]*));/;
const TITLE = /^[ \t]*\n?[ \t]*(?:"((?:[^"\\]|\\[^])*)"|'((?:[^'\\]|\\[^])*)'|\(((?:[^()\\]|\\[^])*)\))/;

/** What stands in parentheses behind a link's text; null if it is no link. */
export function destination(text, at) {
  if (text[at] !== "(") return null;
  const rest = text.slice(at + 1, at + 4_000);
  const lead = /^[ \t]*\n?[ \t]*/.exec(rest)[0].length;
  const target = bracketed(rest.slice(lead)) ?? bare(rest.slice(lead));
  if (!target) return null;
  let end = lead + target.length;
  const title = /^[ \t\n]/.test(rest.slice(end)) ? TITLE.exec(rest.slice(end)) : null;
  if (title) end += title[0].length;
  end += /^[ \t]*\n?[ \t]*/.exec(rest.slice(end))[0].length;
  if (rest[end] !== ")") return null;
  const words = title ? (title[1] ?? title[2] ?? title[3]) : null;
  return { href: decoded(target.href), title: words === null ? null : decoded(words), end: at + 1 + end + 1 };
}

function bracketed(rest) {
  const found = /^<((?:[^<>\n\\]|\\.)*)>/.exec(rest);
  return found && { href: found[1], length: found[0].length };
}

function bare(rest) {
  if (rest[0] === "<") return null;
  let depth = 0;
  let at = 0;
  for (; at < rest.length && !/[\s\x00-\x1f]/.test(rest[at]); at += 1) {
    if (rest[at] === "\\" && at + 1 < rest.length && /[!-/:-@[-`{-~]/.test(rest[at + 1])) at += 1;
    else if (rest[at] === "(") depth += 1;
    else if (rest[at] === ")" && --depth < 0) break;
  }
  return depth > 0 ? null : { href: rest.slice(0, at), length: at };
}

function decoded(text) {
  return text
    .replace(/\\([!-/:-@[-`{-~])|&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]*);/g, (all, escaped) =>
      escaped ?? entity(ENTITY.exec(all)) ?? all);
}

export function entity([, decimal, hexadecimal, name]) {
  if (name) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : null;
  const code = decimal ? Number(decimal) : Number.parseInt(hexadecimal, 16);
  const isCharacter = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return isCharacter ? String.fromCodePoint(code) : "\ufffd";
}
