// Words as the search compares them; and on a page that a search led to, the hit is marked and brought into view.
(function () {
  "use strict";
  const CHINESE = /[\u3400-\u9fff]/;
  const WORD = /[\u3400-\u9fff]+|[\p{L}\p{N}]+(?:[._]\p{N}+)*/gu;

  // Small letters without accents; one ending for -ise and -ize; no plural.
  function stem(word) {
    let w = word.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
    if (CHINESE.test(w) || w.length < 4) return w;
    w = w.replace(/i[sz](?:e|es|ed|ing|ation|ations|er|ers)$/, "iz").replace(/our(?=s?$|ed$)/, "or");
    w = w.replace(/reparameter/, "reparametr");
    return w.replace(/ies$/, "y").replace(/([^su])s$/, "$1").replace(/(?<=[xs]|ch|sh)es$/, "");
  }
  // [word, where it starts, where it ends] of a text.
  function split(text) {
    return Array.from(text.matchAll(WORD), (m) => [stem(m[0]), m.index, m.index + m[0].length]);
  }
  const stems = (text) => split(text).map((word) => word[0]);
  // Whether two words are one: a Chinese name may stand in the middle of a text, which has no spaces.
  function same(wanted, word) {
    if (wanted === word) return true;
    if (CHINESE.test(wanted)) return word.includes(wanted);
    return wanted.length > 3 && word.startsWith(wanted);
  }

  // Where these phrases (lists of stems) stand in a text: [start, end].
  function hits(text, phrases) {
    const all = split(text), found = [];
    for (let i = 0; i < all.length; i++) {
      const phrase = phrases.find((p) => p.every((w, k) => all[i + k] && same(w, all[i + k][0])));
      if (!phrase) continue;
      found.push([all[i][1], all[i + phrase.length - 1][2]]);
      i += phrase.length - 1;
    }
    return found;
  }
  window.gcFind = { stems, same, hits };

  const asked = new URLSearchParams(location.search).get("find");
  if (!asked) return;
  const phrases = asked.split("|").map(stems).filter((p) => p.length).sort((a, b) => b.length - a.length);
  const BLOCKS = "p, li, dd, dt, td, figcaption, caption, summary, pre, h1, h2, h3, h4, div.math";

  // The part of the section that has the most of the phrases, without the sections in it.
  function best(section) {
    let found = null, most = 0;
    for (const block of section.querySelectorAll(BLOCKS)) {
      if (section.tagName === "SECTION" && block.closest("section") !== section) continue;
      if (block.querySelector("p, li, td")) continue; // its parts come on their own
      const text = block.textContent, bold = block.querySelector("strong");
      const kinds = phrases.filter((p) => hits(text, [p]).length).length;
      const score = kinds && kinds * 2 + (bold && hits(bold.textContent, phrases).length ? 1 : 0);
      if (score > most) [found, most] = [block, score];
    }
    return found;
  }
  function mark(block) {
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT), texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts) {
      if (text.parentElement.closest("mjx-container, .headerlink")) continue;
      for (const [from, to] of hits(text.data, phrases).reverse()) {
        const range = document.createRange(), box = document.createElement("mark");
        box.className = "gc-hit";
        range.setStart(text, from);
        range.setEnd(text, to);
        range.surroundContents(box);
      }
    }
  }
  async function arrive() {
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise; // formulas move what is below them
    const anchor = decodeURIComponent(location.hash.slice(1));
    const place = (anchor && document.getElementById(anchor)) || document.querySelector("article");
    if (!place) return;
    const block = place.closest(".gc-numbered") || best(place) || place;
    for (let e = block; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    mark(block);
    const first = block.querySelector(".gc-hit") || block;
    first.scrollIntoView({ block: "center", behavior: "instant" });
    // The keyboard goes on from here, and a screen reader reads from here.
    block.tabIndex = -1;
    block.classList.add("gc-found");
    block.focus({ preventScroll: true });
  }
  window.addEventListener("load", arrive);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("mark.gc-hit").forEach((box) => box.replaceWith(...box.childNodes));
    document.querySelectorAll(".gc-found").forEach((block) => block.classList.remove("gc-found"));
  });
})();
