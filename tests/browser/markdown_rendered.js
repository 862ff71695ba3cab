// Texts as HTML, from the tree of the page's parser.
async ([address, texts]) => {
  const { parseBlocks } = await import(address);
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
  const encoded = (name, value) => (name === "href" || name === "src" ? encodeURI(value).replaceAll("%25", "%") : value);
  const html = (node) => {
    if (typeof node === "string") return escaped(node);
    const attributes = Object.entries(node.a ?? {}).map(([name, value]) => ` ${name}="${escaped(encoded(name, value))}"`).join("");
    if (["br", "hr", "img"].includes(node.t)) return `<${node.t}${attributes} />`;
    return `<${node.t}${attributes}>${node.c.map(html).join("")}</${node.t}>`;
  };
  return texts.map((text) => parseBlocks(text.replace(/\n$/, "").split("\n")).map(({ node }) => html(node)).join("\n"));
}
