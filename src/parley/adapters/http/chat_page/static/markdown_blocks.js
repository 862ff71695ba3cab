// Blocks of Markdown: CommonMark without HTML blocks and link reference definitions, and GitHub's tables.
//
// A node is text, or {t: tag, a: attributes, c: children}. No DOM is used here.

import { parseInlines } from "./markdown_inlines.js";

const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-+*]|\d{1,9}[.)])(?=[ \t]|$)/;
const TABLE_RULE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const BLANK = /^[ \t]*$/;
const TAB = 4;
// Containers within containers; what is deeper is text.
const DEEPEST = 20;

/** The blocks of lines as [{node, start, end}], where `start` and `end` are numbers of lines. */
export function parseBlocks(lines, depth = 0) {
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (BLANK.test(lines[at])) {
      at += 1;
      continue;
    }
    const { node, end } = blockAt(lines, at, depth);
    blocks.push({ node, start: at, end });
    at = end;
  }
  return blocks;
}

function blockAt(lines, at, depth) {
  const line = lines[at];
  if (indentOf(line) >= TAB) return indentedCode(lines, at);
  const fence = FENCE.exec(line);
  if (fence) return fencedCode(lines, at, fence);
  const heading = HEADING.exec(line);
  if (heading) return { node: { t: `h${heading[1].length}`, c: parseInlines(trimmed(heading[2] ?? "").replace(/^#+$/, "")) }, end: at + 1 };
  if (RULE.test(line)) return { node: { t: "hr", c: [] }, end: at + 1 };
  if (depth < DEEPEST && QUOTE.test(line)) return quote(lines, at, depth);
  if (depth < DEEPEST && ITEM.test(line)) return list(lines, at, depth);
  return table(lines, at) ?? paragraph(lines, at);
}

function indentedCode(lines, at) {
  let end = at + 1;
  for (let next = end; next < lines.length && (BLANK.test(lines[next]) || indentOf(lines[next]) >= TAB); next += 1) {
    if (!BLANK.test(lines[next])) end = next + 1;
  }
  return { node: code(lines.slice(at, end).map((line) => strip(line, TAB)), ""), end };
}

function fencedCode(lines, at, [opening, marks, info]) {
  const indent = indentOf(opening);
  let end = at + 1;
  while (end < lines.length && !closes(lines[end], marks)) end += 1;
  const inside = lines.slice(at + 1, end).map((line) => strip(line, Math.min(indent, indentOf(line))));
  const language = unescaped(trimmed(info).split(/\s/)[0]);
  return { node: code(inside, language), end: Math.min(end + 1, lines.length) };
}

function closes(line, marks) {
  const closing = /^ {0,3}(`{3,}|~{3,})[ \t]*$/.exec(line);
  return closing !== null && closing[1][0] === marks[0] && closing[1].length >= marks.length;
}

function code(lines, language) {
  const text = lines.length ? `${lines.join("\n")}\n` : "";
  return { t: "pre", c: [{ t: "code", a: language ? { class: `language-${language}` } : {}, c: text ? [text] : [] }] };
}

function quote(lines, at, depth) {
  const inside = new Inside();
  let end = at;
  for (; end < lines.length; end += 1) {
    if (indentOf(lines[end]) < TAB && QUOTE.test(lines[end])) inside.add(afterQuote(lines[end]));
    else if (inside.goesOn(lines[end])) inside.addLazily(lines[end]);
    else break;
  }
  return { node: { t: "blockquote", c: nodes(parseBlocks(inside.lines, depth + 1)) }, end };
}

/** The line after the mark; of a tab behind it, one column belongs to the mark. */
function afterQuote(line) {
  const rest = line.replace(/^ {0,3}>/, "");
  return rest.startsWith("\t") ? strip(` ${rest}`, 2) : rest.replace(/^ /, "");
}

function list(lines, at, depth) {
  const first = marker(lines[at]);
  const items = [];
  let end = at;
  let next = at;
  let loose = false;
  while (next < lines.length) {
    const found = indentOf(lines[next]) < TAB && !RULE.test(lines[next]) ? marker(lines[next]) : null;
    if (found?.kind !== first.kind) break;
    loose ||= next > end;
    const item = itemAt(lines, next, found);
    const blocks = parseBlocks(item.lines, depth + 1);
    loose ||= blocks.some((block, index) => index > 0 && block.start > blocks[index - 1].end);
    items.push(blocks);
    end = item.end;
    next = end;
    while (next < lines.length && BLANK.test(lines[next])) next += 1;
  }
  const ordered = first.number !== null;
  const a = ordered && first.number !== 1 ? { start: String(first.number) } : {};
  return { node: { t: ordered ? "ol" : "ul", a, c: items.map((blocks) => ({ t: "li", c: itemNodes(blocks, loose) })) }, end };
}

function marker(line) {
  const found = ITEM.exec(line);
  if (!found) return null;
  const [all, , mark] = found;
  const rest = line.slice(all.length);
  const spaces = indentOf(rest, all.length);
  const isBlank = BLANK.test(rest);
  const width = all.length + (isBlank || spaces > TAB ? 1 : spaces);
  const number = mark.length > 1 ? Number(mark.slice(0, -1)) : null;
  return { kind: mark.at(-1), number, width, isBlank, content: isBlank ? "" : strip(line.replace(mark, " ".repeat(mark.length)), width) };
}

function itemAt(lines, at, { content, width, isBlank }) {
  const inside = new Inside();
  inside.add(content);
  let end = at + 1;
  // An item can begin with one blank line at most.
  if (isBlank && BLANK.test(lines[end] ?? "")) return { lines: [], end };
  for (let next = end; next < lines.length; next += 1) {
    const line = lines[next];
    if (BLANK.test(line)) {
      inside.add("");
      continue;
    }
    if (indentOf(line) >= width) inside.add(strip(line, width));
    else if (inside.goesOn(line)) inside.addLazily(line);
    else break;
    end = next + 1;
  }
  return { lines: inside.lines.slice(0, end - at), end };
}

function itemNodes(blocks, loose) {
  return blocks.flatMap(({ node }) => (loose || node.t !== "p" ? [node] : node.c));
}

/** The lines of a container, and whether a paragraph in it can go on without the container's mark. */
class Inside {
  lines = [];
  #fence = null;
  #paragraph = false;

  add(line) {
    this.lines.push(line);
    const text = withoutMarks(line);
    const fence = FENCE.exec(text);
    if (this.#fence) {
      if (closes(text, this.#fence)) this.#fence = null;
      this.#paragraph = false;
    } else if (fence) {
      this.#fence = fence[1];
      this.#paragraph = false;
    } else {
      const isCode = !this.#paragraph && indentOf(text) >= TAB;
      this.#paragraph = !BLANK.test(text) && !isCode && !HEADING.test(text) && !RULE.test(text);
    }
  }

  goesOn(line) {
    return this.#paragraph && !BLANK.test(line) && (indentOf(line) >= TAB || !(interrupts(line) || ITEM.test(line)));
  }

  addLazily(line) {
    const text = line.trimStart();
    // Inside the container the line would begin a block or underline a heading, which it does not outside.
    this.lines.push(/^(?:=+[ \t]*$|[-+*#>])/.test(text) ? `\\${text}` : text);
  }
}

function withoutMarks(line) {
  let text = line;
  for (let depth = 0; depth < DEEPEST; depth += 1) {
    const inner = indentOf(text) >= TAB || RULE.test(text) ? text : text.replace(QUOTE, "").replace(ITEM, "");
    if (inner === text) return text;
    text = inner === "" ? inner : inner.replace(/^ /, "");
  }
  return text;
}

/** Whether a line ends a paragraph by beginning another block. */
function interrupts(line) {
  if (FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line)) return true;
  const item = marker(line);
  return item !== null && !item.isBlank && (item.number === null || item.number === 1);
}

function paragraph(lines, at) {
  let end = at + 1;
  for (; end < lines.length && !BLANK.test(lines[end]); end += 1) {
    if (indentOf(lines[end]) >= TAB) continue;
    const underline = UNDERLINE.exec(lines[end]);
    if (underline) return { node: { t: underline[1][0] === "=" ? "h1" : "h2", c: inlines(lines, at, end) }, end: end + 1 };
    if (interrupts(lines[end])) break;
  }
  return { node: { t: "p", c: inlines(lines, at, end) }, end };
}

function inlines(lines, at, end) {
  return parseInlines(trimmed(lines.slice(at, end).map((line) => line.replace(/^[ \t]+/, "")).join("\n")));
}

function table(lines, at) {
  if (!lines[at].includes("|") || !TABLE_RULE.test(lines[at + 1] ?? "") || !lines[at + 1].includes("-")) return null;
  const head = cells(lines[at]);
  const rule = cells(lines[at + 1]);
  if (head.length !== rule.length) return null;
  const aligned = rule.map((mark) => ({ "::": "center", ":-": "start", "-:": "end" })[mark.at(0) + mark.at(-1)]);
  let end = at + 2;
  while (end < lines.length && !BLANK.test(lines[end]) && !interrupts(lines[end])) end += 1;
  const row = (line, tag) => {
    const found = cells(line);
    return { t: "tr", c: head.map((_, index) => ({ t: tag, a: aligned[index] ? { class: aligned[index] } : {}, c: parseInlines(found[index] ?? "") })) };
  };
  const rows = lines.slice(at + 2, end).map((line) => row(line, "td"));
  return { node: { t: "table", c: [{ t: "thead", c: [row(lines[at], "th")] }, ...(rows.length ? [{ t: "tbody", c: rows }] : [])] }, end };
}

function cells(line) {
  const row = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return row.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

const nodes = (blocks) => blocks.map(({ node }) => node);

const trimmed = (text) => text.replace(/^[ \t\n]+|[ \t\n]+$/g, "");

const unescaped = (text) => text.replace(/\\([!-/:-@[-`{-~])/g, "$1");

/** The column of the first character that is no blank. `column` is where the text begins. */
function indentOf(text, column = 0) {
  let at = column;
  for (const character of text) {
    if (character === " ") at += 1;
    else if (character === "\t") at += TAB - (at % TAB);
    else break;
  }
  return at - column;
}

/** Without so many columns of blanks at the start. */
function strip(text, columns) {
  let column = 0;
  let at = 0;
  while (column < columns && (text[at] === " " || text[at] === "\t")) {
    column += text[at] === " " ? 1 : TAB - (column % TAB);
    at += 1;
  }
  return " ".repeat(Math.max(0, column - columns)) + text.slice(at);
}
