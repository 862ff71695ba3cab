// Shows Markdown as elements. While a text grows, blocks that are complete are not touched again.

import { h, iconButton } from "./dom.js";
import { parseBlocks } from "./markdown_blocks.js";

const SAFE = /^(?:https?:\/\/|mailto:)/i;
const ADDRESS = /https?:\/\/[^\s<>"'`]+[^\s<>"'`.,:;!?)\]}*_~]/g;
const HEADING = /^h([1-6])$/;

export class MarkdownView {
  // The text of the complete blocks, and how many elements they have.
  #complete = "";
  #count = 0;
  // The nodes of the other blocks, as shown.
  #shown = [];

  constructor(element) {
    this.element = element;
  }

  /** How many elements at the beginning are complete and do not change any more. */
  get complete() {
    return this.#count;
  }

  show(text) {
    if (!text.startsWith(this.#complete)) this.#clear();
    const lines = text.slice(this.#complete.length).split("\n");
    const blocks = parseBlocks(lines);
    const nodes = blocks.flatMap(({ node }) => decorated(node));
    patch(this.element, this.#shown, nodes, this.#count);
    this.#shown = nodes;
    // The last line may be incomplete and become another block; the last block may go on.
    const following = blocks.findLastIndex(({ start }) => start < lines.length - 1);
    if (following > 0) this.#keep(lines, blocks[following].start, following);
  }

  #keep(lines, end, count) {
    this.#complete += lines.slice(0, end).map((line) => `${line}\n`).join("");
    this.#count += count;
    this.#shown = this.#shown.slice(count);
  }

  #clear() {
    this.element.replaceChildren();
    [this.#complete, this.#count, this.#shown] = ["", 0, []];
  }
}

/** As this page shows a node: safe links only, no pictures from elsewhere, headings below those of the page. */
function decorated(node, insideLink = false) {
  if (typeof node === "string") return insideLink ? [node] : linked(node);
  const { t, a = {}, c } = node;
  if (t === "img") return link(a.src, [a.alt || a.src], a.title);
  if (t === "code") return [node];
  const children = c.flatMap((child) => decorated(child, insideLink || t === "a"));
  if (t === "a") return link(a.href, children, a.title);
  const heading = HEADING.exec(t);
  if (heading) return [{ t: `h${Math.min(6, Number(heading[1]) + 2)}`, a, c: children }];
  if (t === "table") return [{ t: "div", a: { class: "table", tabindex: "0", role: "group", "aria-label": "Table" }, c: [{ t, a, c: children }] }];
  return [{ t, a, c: children }];
}

function link(href, children, title) {
  if (!SAFE.test(href)) return children;
  const a = { href, rel: "noopener noreferrer nofollow", target: "_blank", ...(title ? { title } : {}) };
  return [{ t: "a", a, c: children }];
}

/** Text with its addresses as links. */
function linked(text) {
  const nodes = [];
  let end = 0;
  for (const { 0: address, index } of text.matchAll(ADDRESS)) {
    if (index > end) nodes.push(text.slice(end, index));
    nodes.push(...link(address, [address]));
    end = index + address.length;
  }
  return end ? [...nodes, ...(end < text.length ? [text.slice(end)] : [])] : [text];
}

/** Changes the children of an element from `olds` to `nodes`, touching only what differs. `offset` children stand before. */
function patch(element, olds, nodes, offset = 0) {
  nodes.forEach((node, index) => {
    const child = element.childNodes[offset + index];
    const old = olds[index];
    if (child === undefined) element.append(created(node));
    else if (!isSameKind(old, node)) child.replaceWith(created(node));
    else if (typeof node === "string") extend(child, node);
    else patch(inner(child), old.c, node.c);
  });
  while (element.childNodes.length > offset + nodes.length) element.lastChild.remove();
}

function isSameKind(old, node) {
  if (typeof old === "string" || typeof node === "string") return typeof old === typeof node;
  return old.t === node.t && JSON.stringify(old.a ?? {}) === JSON.stringify(node.a ?? {}) && languageOf(old) === languageOf(node);
}

function extend(textNode, text) {
  if (text === textNode.data) return;
  if (text.startsWith(textNode.data)) textNode.appendData(text.slice(textNode.data.length));
  else textNode.data = text;
}

/** The element that holds the children: of a block of code, the <pre> in it. */
const inner = (element) => (element.classList.contains("code-block") ? element.querySelector("pre") : element);

const languageOf = ({ t, c }) => (t === "pre" ? (c[0].a?.class ?? "") : "");

function created(node) {
  if (typeof node === "string") return document.createTextNode(node);
  const element = h(node.t, node.a, node.c.map(created));
  if (["p", "li", "h3", "h4", "h5", "h6", "td", "th", "blockquote"].includes(node.t)) element.dir = "auto";
  if (node.t !== "pre") return element;
  element.tabIndex = 0;
  const copy = iconButton("copy", "Copy code", () => copyText(element.textContent, copy));
  const language = languageOf(node).replace("language-", "");
  return h("div", { class: "code-block", dir: "ltr" }, h("div", { class: "code-head" }, h("span", {}, language), copy), element);
}

/** Copies, and says so on the button. */
export async function copyText(text, control) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without a secure context there is no clipboard but by a selection.
    const area = h("textarea", { class: "unseen", value: text });
    // Beside the control: under an open dialog nothing can be selected.
    control.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    control.focus();
  }
  const label = control.getAttribute("aria-label");
  control.setAttribute("aria-label", "Copied");
  control.classList.add("done");
  setTimeout(() => {
    control.setAttribute("aria-label", label);
    control.classList.remove("done");
  }, 1_500);
}
