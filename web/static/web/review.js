// Keyboard shortcuts of the review desk. Everything they do has a button or link on the page.
"use strict";

(() => {
  const typing = (node) => node.matches("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");
  const press = (key) => {
    const target = document.querySelector(`[data-key="${key}"]`);
    if (target) target.click();
    return Boolean(target);
  };
  const focus = (selector) => {
    const target = document.querySelector(selector);
    if (target) target.focus();
    return Boolean(target);
  };
  const help = document.getElementById("shortcuts");
  const opener = document.querySelector("[data-shortcuts]");
  const toggleHelp = () => {
    if (!help) return false;
    help.hidden = !help.hidden;
    if (!help.hidden) help.focus();
    return true;
  };
  const choose = (nth) => {
    const option = document.querySelectorAll("input[name=outcome][type=radio]")[nth - 1];
    if (!option) return false;
    option.checked = true;
    option.focus();
    return true;
  };
  const actions = {
    a: () => press("a"),
    n: () => press("n"),
    u: () => press("u") || focus("input[name=reason]"),
    e: () => focus("textarea[name=explanation]"),
    "?": toggleHelp,
  };

  if (opener) {
    opener.hidden = false;
    opener.addEventListener("click", toggleHelp);
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const action = /^[1-4]$/.test(event.key) ? () => choose(Number(event.key)) : actions[event.key];
    if (action && action()) event.preventDefault();
  });
})();
