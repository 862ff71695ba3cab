// Inlines of Markdown: CommonMark without HTML and reference links, and GitHub's strikethrough.

import { ENTITY, destination, entity } from "./markdown_links.js";

const PUNCTUATION = /[\p{P}\p{S}]/u;
const WHITE_SPACE = /\s/u;
const AUTOLINK = /^<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*)>/;
const MAIL = /^<([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)>/;

export function parseInlines(text) {
  return new Scanner(text).tree();
}

class Scanner {
  #text;
  #at = 0;
  // What was read: text, whole nodes, delimiter runs, and where links begin and end.
  #tokens = [];
  #delimiters = [];
  #brackets = [];
  #unclosedTicks = new Set();

  constructor(text) {
    this.#text = text;
  }

  tree() {
    while (this.#at < this.#text.length) this.#step();
    this.#emphasize(0);
    return built(this.#tokens);
  }

  #step() {
    const rest = this.#text.slice(this.#at, this.#at + 1);
    const read = { "\\": this.#escape, "`": this.#code, "<": this.#autolink, "&": this.#entity, "!": this.#image,
      "[": this.#bracket, "]": this.#link, "*": this.#run, _: this.#run, "~": this.#run, "\n": this.#lineEnd }[rest];
    if (read) read.call(this);
    else this.#plain();
  }

  #plain() {
    let end = this.#at;
    while (end < this.#text.length && !"\\`<&![]*_~\n".includes(this.#text[end])) end += 1;
    this.#take(end - this.#at);
  }

  /** So many characters, as text. */
  #take(count, text = this.#text.slice(this.#at, this.#at + count)) {
    this.#tokens.push({ text });
    this.#at += count;
  }

  #node(node, count) {
    this.#tokens.push({ node });
    this.#at += count;
  }

  #escape() {
    const next = this.#text[this.#at + 1];
    if (next === "\n") this.#node({ t: "br", c: [] }, 2);
    else if (next && /[!-/:-@[-`{-~]/.test(next)) this.#take(2, next);
    else this.#take(1);
  }

  #lineEnd() {
    const last = this.#tokens.at(-1);
    const isBreak = last?.text !== undefined && / {2,}$/.test(last.text);
    if (last?.text !== undefined) last.text = last.text.replace(/ +$/, "");
    if (isBreak) this.#tokens.push({ node: { t: "br", c: [] } });
    const spaces = /^\n */.exec(this.#text.slice(this.#at, this.#at + 1_000))[0].length;
    this.#take(spaces, "\n");
  }

  #code() {
    const ticks = /^`+/.exec(this.#text.slice(this.#at))[0];
    const start = this.#at + ticks.length;
    const end = this.#unclosedTicks.has(ticks.length) ? -1 : this.#closingTicks(start, ticks.length);
    if (end < 0) {
      this.#unclosedTicks.add(ticks.length);
      this.#take(ticks.length);
      return;
    }
    let text = this.#text.slice(start, end).replaceAll("\n", " ");
    if (/^ .* $/s.test(text) && text.trim()) text = text.slice(1, -1);
    this.#node({ t: "code", c: [text] }, end + ticks.length - this.#at);
  }

  #closingTicks(from, length) {
    for (let at = this.#text.indexOf("`", from); at >= 0; at = this.#text.indexOf("`", at)) {
      let end = at;
      while (this.#text[end] === "`") end += 1;
      if (end - at === length) return at;
      at = end;
    }
    return -1;
  }

  #autolink() {
    const rest = this.#text.slice(this.#at, this.#at + 2_000);
    const found = AUTOLINK.exec(rest) ?? MAIL.exec(rest);
    if (!found) this.#take(1);
    else this.#node({ t: "a", a: { href: found[1].includes(":") && AUTOLINK.test(rest) ? found[1] : `mailto:${found[1]}` }, c: [found[1]] }, found[0].length);
  }

  #entity() {
    const found = ENTITY.exec(this.#text.slice(this.#at, this.#at + 40));
    const character = found && entity(found);
    if (character) this.#take(found[0].length, character);
    else this.#take(1);
  }

  #image() {
    if (this.#text[this.#at + 1] === "[") this.#open("img", 2);
    else this.#take(1);
  }

  #bracket() {
    this.#open("a", 1);
  }

  #open(tag, length) {
    this.#take(length);
    this.#brackets.push({ tag, token: this.#tokens.at(-1), delimiters: this.#delimiters.length, active: true });
  }

  #link() {
    const bracket = this.#brackets.pop();
    const target = bracket?.active ? destination(this.#text, this.#at + 1) : null;
    if (!target) {
      this.#take(1);
      return;
    }
    this.#emphasize(bracket.delimiters);
    const { href, title, end } = target;
    bracket.token.text = undefined;
    bracket.token.open = { t: bracket.tag, a: { href, ...(title === null ? {} : { title }) }, c: [] };
    this.#tokens.push({ close: true });
    this.#at = end;
    // Links do not contain links.
    if (bracket.tag === "a") for (const each of this.#brackets) if (each.tag === "a") each.active = false;
  }

  #run() {
    const character = this.#text[this.#at];
    let end = this.#at;
    while (this.#text[end] === character) end += 1;
    const count = end - this.#at;
    if (character === "~" && count !== 2) {
      this.#take(count);
      return;
    }
    const before = previous(this.#text, this.#at);
    const after = String.fromCodePoint(this.#text.codePointAt(end) ?? 10);
    const left = flanks(before, after);
    const right = flanks(after, before);
    const opens = character === "_" ? left && (!right || PUNCTUATION.test(before)) : left;
    const closes = character === "_" ? right && (!left || PUNCTUATION.test(after)) : right;
    const run = { character, count, whole: count, opens, closes, begun: [], ended: [] };
    this.#tokens.push({ run });
    this.#delimiters.push(run);
    this.#at = end;
  }

  /** Matches delimiter runs from `bottom` on (CommonMark, «An algorithm for parsing nested emphasis and links»). */
  #emphasize(bottom) {
    const runs = this.#delimiters;
    const floors = new Map();
    for (let at = bottom; at < runs.length; at += 1) {
      const closer = runs[at];
      while (closer.closes && closer.count > 0) {
        const key = `${closer.character}${closer.opens}${closer.whole % 3}`;
        const floor = floors.get(key) ?? bottom;
        const opener = openerOf(runs, at, floor);
        if (opener < 0) {
          floors.set(key, at);
          break;
        }
        match(runs[opener], closer);
        // What stands between is text.
        runs.splice(opener + 1, at - opener - 1);
        at = opener + 1;
        for (const [each, low] of floors) floors.set(each, Math.min(low, at));
        if (runs[opener].count === 0) {
          runs.splice(opener, 1);
          at -= 1;
        }
      }
    }
    runs.length = bottom;
  }
}

function openerOf(runs, at, floor) {
  const closer = runs[at];
  for (let index = at - 1; index >= floor; index -= 1) {
    const run = runs[index];
    if (run.character !== closer.character || !run.opens || run.count === 0) continue;
    // The rule of three.
    const odd = (run.closes || closer.opens) && (run.whole + closer.whole) % 3 === 0 && (run.whole % 3 || closer.whole % 3);
    if (!odd || run.character === "~") return index;
  }
  return -1;
}

function match(opener, closer) {
  const two = opener.count >= 2 && closer.count >= 2;
  const width = two ? 2 : 1;
  const tag = opener.character === "~" ? "del" : two ? "strong" : "em";
  opener.begun.unshift(tag);
  closer.ended.push(tag);
  opener.count -= width;
  closer.count -= width;
}

/** The character before, with both halves of a pair. */
function previous(text, at) {
  if (at === 0) return "\n";
  const low = text.charCodeAt(at - 1);
  return low >= 0xdc00 && low <= 0xdfff && at > 1 ? text.slice(at - 2, at) : text[at - 1];
}

const flanks = (before, after) =>
  !WHITE_SPACE.test(after) && (!PUNCTUATION.test(after) || WHITE_SPACE.test(before) || PUNCTUATION.test(before));

/** The tree of a sequence of tokens. */
function built(tokens) {
  const root = [];
  const stack = [{ c: root }];
  const add = (child) => {
    const children = stack.at(-1).c;
    if (typeof child === "string" && typeof children.at(-1) === "string") children.push(children.pop() + child);
    else if (child !== "") children.push(child);
  };
  const begin = (node) => {
    add(node);
    stack.push(node);
  };
  for (const { text, node, run, open, close } of tokens) {
    if (text !== undefined) add(text);
    else if (node) add(node);
    else if (open) begin(open);
    else if (close) finish(stack.pop());
    else {
      run.ended.forEach(() => stack.pop());
      add(run.character.repeat(run.count));
      run.begun.forEach((t) => begin({ t, c: [] }));
    }
  }
  return root;
}

function finish(node) {
  if (node.t !== "img") return;
  const { href, ...rest } = node.a;
  node.a = { src: href, alt: textOf(node.c), ...rest };
  node.c = [];
}

/** The text of nodes without their marks. */
export function textOf(nodes) {
  return nodes.map((node) => (typeof node === "string" ? node : node.t === "img" ? node.a.alt : textOf(node.c))).join("");
}
