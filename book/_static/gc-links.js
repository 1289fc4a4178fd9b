// What a link in the text leads to, shown beside it: under the mouse, or when the keyboard is on it.
// The texts are in gc-previews.js (written by book/_ext/links.py), which is loaded when the first one is wanted.
(function () {
  "use strict";
  const LINKS = "a.gc-link, .gc-number a, a[href*='#eq-']";
  const DELAY = 250; // ms: the mouse only passes over most links
  const here = document.currentScript.src;
  const root = new URL("../", here);
  let card, owner, timer, loaded;

  function previews() {
    loaded = loaded || new Promise(function (resolve) {
      const script = document.createElement("script");
      script.src = new URL("gc-previews.js", here).href;
      script.onload = () => resolve(window.gcPreviews || {});
      script.onerror = () => resolve({});
      document.head.append(script);
    });
    return loaded;
  }

  function place() {
    const link = owner.getClientRects()[0] || owner.getBoundingClientRect();
    const wide = document.documentElement.clientWidth, gap = 8;
    const left = Math.max(gap, Math.min(link.left, wide - card.offsetWidth - gap));
    const below = link.bottom + gap / 2;
    const fits = below + card.offsetHeight < window.innerHeight || link.top < card.offsetHeight;
    card.style.left = left + window.scrollX + "px";
    card.style.top = (fits ? below : link.top - card.offsetHeight - gap / 2) + window.scrollY + "px";
  }

  async function show(link) {
    const target = new URL(link.href);
    if (!target.href.startsWith(root.href)) return;
    const page = target.href.slice(root.href.length).replace(/[?#].*/, "");
    const all = await previews(), text = all[page + target.hash] || (target.hash === "" && all[page]);
    if (!text || owner !== link) return;
    if (!card) {
      card = document.createElement("div");
      card.id = "gc-preview";
      card.setAttribute("role", "tooltip");
      card.addEventListener("pointerenter", () => clearTimeout(timer));
      card.addEventListener("pointerleave", later);
      document.body.append(card);
    }
    const parts = document.createElement("template"); // nothing in it is loaded yet
    parts.innerHTML = text; // written by the book's own build
    parts.content.querySelectorAll("a[href]").forEach(function (a) {
      a.href = new URL(a.getAttribute("href"), root.href + page).href;
      a.tabIndex = -1; // the keyboard goes on in the text
    });
    parts.content.querySelectorAll("img").forEach(function (image) {
      image.src = new URL(image.getAttribute("src"), root.href + page).href;
    });
    card.replaceChildren(parts.content);
    card.hidden = false;
    link.setAttribute("aria-describedby", card.id);
    place();
    if (card.querySelector(".math") && window.MathJax && MathJax.typesetPromise) {
      await MathJax.typesetPromise([card]);
      if (owner === link) place();
    }
  }

  function hide() {
    clearTimeout(timer);
    if (owner) owner.removeAttribute("aria-describedby");
    owner = undefined;
    if (card) card.hidden = true;
  }
  function later() {
    clearTimeout(timer);
    timer = setTimeout(hide, DELAY);
  }
  function start(link, delay) {
    clearTimeout(timer);
    if (owner === link) return;
    timer = setTimeout(function () {
      hide();
      owner = link;
      show(link);
    }, delay);
  }

  document.addEventListener("pointerover", function (event) {
    const link = event.target.closest && event.target.closest(LINKS);
    if (link && event.pointerType !== "touch" && !link.closest("#gc-preview")) start(link, DELAY);
  });
  document.addEventListener("pointerout", function (event) {
    const link = event.target.closest && event.target.closest(LINKS);
    if (link && !link.closest("#gc-preview") && link !== document.activeElement) later();
  });
  document.addEventListener("focusin", function (event) {
    if (event.target.matches(LINKS) && event.target.matches(":focus-visible")) start(event.target, 0);
    else hide();
  });
  document.addEventListener("focusout", later);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
