// Texts shown character by character: the end, and whether a complete block was touched.
async ([address, texts]) => {
  const { MarkdownView } = await import(address);
  return texts.map((text) => {
    const [grown, whole] = [document.createElement("div"), document.createElement("div")];
    const view = new MarkdownView(grown);
    const touched = [];
    let complete = [];
    for (let end = 1; end <= text.length; end += 1) {
      const before = complete.map((block) => [block, block.outerHTML]);
      view.show(text.slice(0, end));
      complete = [...grown.children].slice(0, view.complete);
      before.forEach(([block, html], index) => {
        if (block !== grown.children[index] || block.outerHTML !== html) touched.push(end);
      });
    }
    new MarkdownView(whole).show(text);
    return { grown: grown.innerHTML, whole: whole.innerHTML, touched, complete: complete.length };
  });
}
