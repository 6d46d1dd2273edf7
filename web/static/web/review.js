// Keyboard shortcuts of the review desk. Everything they do has a button, a link or a field on the page.
"use strict";

(() => {
  const typing = (node) => node.matches("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");
  const at = (selector) => document.querySelector(selector);
  const press = (key) => {
    const target = at(`[data-key="${key}"]`);
    if (target) target.click();
    return Boolean(target);
  };
  const focus = (target) => {
    if (!target) return false;
    target.focus();
    target.scrollIntoView({ block: "nearest" });
    return true;
  };

  // A decision that somebody has begun to write is lost with the page: no key leaves it, and the browser asks first.
  const decision = document.getElementById("decide");
  let sending = false;
  const words = (field) => (field.matches("textarea") || field.value !== field.defaultValue) && field.value.trim();
  const written = () =>
    Boolean(decision) && !sending && [...decision.querySelectorAll("textarea, input[type=text]")].some(words);
  const say = (text) => {
    const box = document.createElement("div");
    box.className = "alert";
    box.dataset.tone = "warn";
    const p = document.createElement("p");
    p.textContent = text;
    box.append(p);
    document.getElementById("messages")?.replaceChildren(box);
    box.scrollIntoView({ block: "nearest" });
  };
  const leave = (key) => {
    const target = at(`[data-key="${key}"]`);
    if (!target) return false;
    const carries = Boolean(target.form) && decision?.contains(target.form); // it sends what is written along
    if (carries || !written()) return press(key);
    say("You have begun to write a decision. This key would lose it: use the button on the page if you mean it.");
    return true;
  };
  decision?.addEventListener("submit", () => { sending = true; });
  window.addEventListener("pageshow", () => { sending = false; });
  window.addEventListener("beforeunload", (event) => {
    if (written()) event.preventDefault();
  });

  // Single keys can be switched off (WCAG 2.1.4), on this device.
  const OFF = "assay.keys.off";
  const keysOff = () => {
    try {
      return localStorage.getItem(OFF) === "yes";
    } catch {
      return false; // storage is closed to this page: nothing is remembered
    }
  };
  const keysBox = at("[data-keys]");
  if (keysBox) {
    keysBox.checked = !keysOff();
    keysBox.addEventListener("change", () => {
      try {
        if (keysBox.checked) localStorage.removeItem(OFF);
        else localStorage.setItem(OFF, "yes");
      } catch {
        say("This browser keeps nothing for this page, so the choice lasts until you leave it.");
      }
    });
  }
  const listening = () => (keysBox ? keysBox.checked : !keysOff());

  // The list of shortcuts: opened and closed where the focus was.
  const help = document.getElementById("shortcuts");
  const opener = at("[data-shortcuts]");
  const toggleHelp = () => {
    if (!help || !opener) return false;
    help.hidden = !help.hidden;
    opener.setAttribute("aria-expanded", String(!help.hidden));
    (help.hidden ? opener : help).focus();
    return true;
  };
  if (opener) {
    opener.hidden = false;
    opener.addEventListener("click", toggleHelp);
  }

  // j and k walk the links of the list; Enter then opens one as it opens any link.
  const rows = [...document.querySelectorAll("[data-row]")];
  const walk = (by) => {
    const here = rows.indexOf(document.activeElement);
    const next = here < 0 ? (by > 0 ? 0 : rows.length - 1) : here + by;
    return focus(rows[Math.min(Math.max(next, 0), rows.length - 1)]);
  };
  const choose = (nth) => {
    const option = document.querySelectorAll("input[name=outcome][type=radio]")[nth - 1];
    if (!option) return false;
    option.checked = true;
    option.dispatchEvent(new Event("change", { bubbles: true }));
    return focus(option);
  };
  const actions = {
    j: () => walk(1),
    k: () => walk(-1),
    "/": () => focus(at('[data-key="/"]')),
    n: () => leave("n"),
    t: () => leave("t"),
    u: () => leave("u") || focus(at('[data-key="u-first"]')),
    d: () => focus(at('[data-key="d"]')),
    r: () => focus(at("input[name=rule_ids]")),
    e: () => focus(at("textarea[name=explanation]")),
    p: () => press("p"),
    "?": toggleHelp,
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && help && !help.hidden) toggleHelp();
    if (!listening() || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const action = /^[1-8]$/.test(event.key) ? () => choose(Number(event.key)) : actions[event.key];
    if (action && action()) event.preventDefault();
  });

  // Enter in a field with a button of its own presses that one, although the field belongs to the composer's form.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !event.target.matches("[data-enter] input")) return;
    event.preventDefault();
    event.target.closest("[data-enter]").querySelector("button").click();
  });

  // Sound is a step of its own: until it is taken, the player stays mute.
  for (const player of document.querySelectorAll("video[data-muted]")) {
    player.addEventListener("volumechange", () => {
      if (!player.muted) player.muted = true;
    });
  }
})();
