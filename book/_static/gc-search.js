// The search page: what is typed is looked for in every section of the book, and each result leads to the hit.
// The data (gc-search-data.js, written by book/_ext/search.py) are loaded here and nowhere else.
(function () {
  "use strict";
  const { stems, same, hits } = window.gcFind;
  const SHOWN = 30, FEW = 5, AROUND = 90; // results; characters of an excerpt on each side of the first hit
  const IDLE = new Set(stems("a an and are as at by can do does for from how i if in is it its my of on or our the to we what when where which why with"));
  const KINDS = { section: 1, exercise: 0.95, equation: 0.5, figure: 0.6, term: 1.3, item: 0.7, api: 0.35, work: 0.6 };
  const NAMES = {
    exercise: "exercise", equation: "equation", figure: "figure", term: "glossary", item: "errata",
    api: "package", work: "bibliography",
  };
  const NUMBER = /^(?:(equations?|eqs?|formula|exercises?|ex|figures?|fig|errat\w+|item)\.?\s*)?\(?((?:\d{1,2}|A)\.\d{1,2}|00\d[-‐‑–]\d{1,2})\)?$/i;
  const FIRST = { equation: 3, exercise: 2, figure: 1 }; // where several things have the number that was typed
  const CHAPTER = /^chapter\s*(\d)$/i;
  const form = document.querySelector("form.gc-search"), field = form.querySelector("input");
  const status = document.querySelector(".gc-search-status"), list = document.querySelector(".gc-results");
  const root = new URL("../", document.currentScript.src);
  let places, synonyms, often;

  function prepare({ pages, places: rows, same: groups }) {
    places = rows.map(([page, anchor, kind, title, where, number, names, text, code]) => ({
      page: pages[page], anchor, kind, title, where, number, names, text, code,
      weight: (KINDS[kind] || 1) * (pages[page].startsWith("chapters/") ? 1 : kind === "section" ? 0.5 : 1),
      titleStems: stems(title),
      nameStems: names.map(stems),
      textStems: stems(text),
      codeStems: code.split(" ").map((word) => word.toLowerCase()),
    }));
    for (const place of places) {
      place.words = new Set([...place.titleStems, ...place.nameStems.flat(), ...place.textStems, ...place.codeStems]);
    }
    synonyms = groups.map((group) => group.map(stems));
    often = new Map();
    for (const place of places) for (const word of place.words) often.set(word, (often.get(word) || 0) + 1);
  }

  // Whether a phrase starts at a place in a list of words.
  const startsAt = (all, i, phrase) => phrase.every((word, k) => i + k < all.length && same(word, all[i + k]));
  function count(all, phrase) {
    let found = 0;
    for (let i = 0; i + phrase.length <= all.length; i++) if (startsAt(all, i, phrase)) found += 1;
    return found;
  }
  const equal = (all, phrase) => all.length === phrase.length && startsAt(all, 0, phrase);

  // What was typed as a list of ideas, each a list of phrases that say it: as typed first.
  function ideas(text) {
    const typed = stems(text), found = [];
    const telling = typed.filter((word) => !IDLE.has(word)), all = telling.length ? telling : typed;
    for (let i = 0; i < all.length; ) {
      // the longest phrase from here that has other names
      let length = 0;
      for (const group of synonyms) {
        for (const phrase of group) {
          if (phrase.length > length && phrase.every((word, k) => word === all[i + k])) length = phrase.length;
        }
      }
      const own = all.slice(i, i + (length || 1));
      const others = synonyms.filter((group) => group.some((phrase) => phrase.join(" ") === own.join(" "))).flat();
      const phrases = new Map([own, ...others].map((phrase) => [phrase.join(" "), phrase]));
      found.push([...phrases.values()]);
      i += own.length;
    }
    return found;
  }

  // How much a place is about one phrase.
  function about(place, phrase) {
    let score = 0;
    if (count(place.titleStems, phrase)) score += equal(place.titleStems, phrase) ? 12 : 7;
    const names = place.nameStems.filter((name) => count(name, phrase));
    if (names.length) score += names.some((name) => equal(name, phrase)) ? 7 : 4;
    const times = count(place.textStems, phrase);
    if (times) score += 1.5 + Math.log2(1 + times);
    else if (phrase.length > 1 && phrase.every((word) => place.textStems.some((one) => same(word, one)))) score += 0.5;
    if (!score && place.codeStems.length && count(place.codeStems, phrase)) score = 0.7;
    return score;
  }
  function rare(idea) {
    const places_ = Math.max(1, ...idea.map((phrase) => Math.min(...phrase.map((word) => often.get(word) || 1))));
    return Math.log2(2 + places.length / places_);
  }

  function search(text) {
    const number = text.trim().match(NUMBER), chapter = text.trim().match(CHAPTER);
    if (number) {
      const key = number[2].replace(/[‐‑–]/g, "-").toUpperCase();
      const rank = (place) => (number[1] && isKind(number[1], place.kind) ? 10 : 0) + (FIRST[place.kind] || 0);
      const all = places.filter((place) => place.number === key).sort((a, b) => rank(b) - rank(a));
      if (all.length) return all.map((place) => ({ place, phrases: [] }));
    }
    if (chapter) {
      const all = places.filter((place) => place.title.startsWith(`${chapter[1]}. `));
      if (all.length) return all.map((place) => ({ place, phrases: [] }));
    }
    const wanted = ideas(text);
    if (!wanted.length) return [];
    const weights = wanted.map(rare), found = [];
    for (const place of places) {
      let score = 0, met = 0;
      const phrases = [];
      wanted.forEach((idea, i) => {
        let most = 0;
        idea.forEach((phrase, k) => {
          const here = about(place, phrase);
          if (here) phrases.push(phrase);
          most = Math.max(most, here * (k ? 0.95 : 1));
        });
        if (most) met += 1;
        score += most * weights[i];
      });
      // Words that stand beside each other say more than the same words apart.
      const whole = wanted.flatMap((idea) => idea[0]);
      if (wanted.length > 1 && met === wanted.length) {
        if (count(place.titleStems, whole)) score *= 2;
        else if (count(place.textStems, whole)) score *= 1.4;
      }
      // Functions come first for those who type a function's name.
      if (place.kind === "api" && /[a-z][_.][a-z]|[a-z][A-Z]/.test(text)) score *= 6;
      if (met) found.push({ place, phrases, met, score: score * place.weight });
    }
    // Places that have all of the words; where these are few, those that have some of them come after.
    const all = found.filter((one) => one.met === wanted.length), some = found.filter((one) => one.met < wanted.length);
    const best = (one, other) => other.score - one.score;
    return all.length < FEW ? [...all.sort(best), ...some.sort(best)] : all.sort(best);
  }
  const isKind = (word, kind) => {
    const start = word.toLowerCase().slice(0, 2);
    return { eq: "equation", fo: "equation", ex: "exercise", fi: "figure" }[start] === kind;
  };

  // A word of the book that differs by one or two letters from one that is not in it.
  function meant(text) {
    const words = stems(text);
    const other = words.map((word) => {
      if (often.has(word) || word.length < 4) return word;
      let best = word, least = word.length < 7 ? 2 : 3;
      for (const [one, times] of often) {
        if (Math.abs(one.length - word.length) > 2 || times < 2) continue;
        const far = distance(word, one);
        if (far < least) [best, least] = [one, far];
      }
      return best;
    });
    return other.some((word, i) => word !== words[i]) ? other.join(" ") : "";
  }
  function distance(a, b) {
    let row = Array.from({ length: b.length + 1 }, (_, i) => i);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) {
        next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] !== b[j - 1]));
      }
      row = next;
    }
    return row[b.length];
  }

  // ---- what is seen --------------------------------------------------------------------------------

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }
  function excerpt(place, phrases) {
    const source = place.text;
    const first = (hits(source, phrases)[0] || [0])[0];
    let from = Math.max(0, first - AROUND), to = Math.min(source.length, first + 2 * AROUND);
    if (from) from = source.indexOf(" ", from) + 1 || from;
    if (to < source.length) to = source.lastIndexOf(" ", to) > from ? source.lastIndexOf(" ", to) : to;
    const text = source.slice(from, to), line = element("p");
    let at = 0;
    if (from) line.append("… ");
    for (const [start, end] of hits(text, phrases)) {
      line.append(text.slice(at, start), element("mark", "gc-hit", text.slice(start, end)));
      at = end;
    }
    line.append(text.slice(at), to < source.length ? " …" : "");
    return line;
  }
  function result({ place, phrases }) {
    const item = element("li"), link = element("a", "", place.title);
    const url = new URL(place.page, root);
    const words = [...new Set(phrases.map((phrase) => phrase.join(" ")))].join("|");
    // An anchor of its own needs no search in its page; a section may be long.
    if (words) url.searchParams.set("find", words);
    url.hash = place.anchor;
    link.href = url.href;
    const where = [NAMES[place.kind], place.where].filter(Boolean).join(" · ");
    item.append(link, element("span", "gc-where", where), excerpt(place, phrases));
    return item;
  }
  let last;
  function show() {
    const text = field.value.trim();
    if (text === last || !places) return;
    last = text;
    history.replaceState(null, "", text ? `?q=${encodeURIComponent(text)}` : location.pathname);
    let found = text ? search(text) : [], other = "";
    if (text && !found.length && (other = meant(text))) found = search(other);
    list.replaceChildren(...found.slice(0, SHOWN).map(result));
    const number = found.length === 1 ? "1 place" : `${found.length} places`;
    const some = found.length > SHOWN ? ` The best ${SHOWN} are shown.` : "";
    if (!text) status.textContent = "";
    else if (!found.length) status.textContent = `Nothing was found for “${text}”.`;
    else if (other) status.textContent = `Nothing was found for “${text}”; for “${other}”: ${number}.${some}`;
    else status.textContent = `${number}.${some}`;
    document.title = document.title.replace(/^(?:.*: )?Search/, text ? `${text}: Search` : "Search");
  }

  let timer;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, 150);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
  // Arrow keys move from the field to the results and through them.
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    const stops = [field, ...list.querySelectorAll("a")], at = stops.indexOf(document.activeElement);
    if (at < 0 || !stops[at + step]) return;
    event.preventDefault();
    stops[at + step].focus();
  });

  field.value = new URLSearchParams(location.search).get("q") || "";
  field.focus();
  status.textContent = "The search is being loaded.";
  const script = document.createElement("script");
  script.src = new URL("gc-search-data.js", document.currentScript.src).href;
  script.onload = () => {
    prepare(window.gcSearchData);
    status.textContent = "";
    show();
    document.documentElement.dataset.gcSearch = "ready";
  };
  script.onerror = () => { status.textContent = "The search could not be loaded."; };
  document.head.append(script);
})();
