/* What pages gain from JavaScript. Every page works without: this adds a drop zone, upload progress, copy buttons,
   local times and a word when a request fails. No inline handlers, no eval, no style attributes in markup (strict CSP). */
(() => {
  "use strict";

  const say = (text, tone = "bad") => {
    const box = document.createElement("div");
    box.className = "alert";
    box.dataset.tone = tone;
    const p = document.createElement("p");
    p.textContent = text;
    box.append(p);
    document.getElementById("messages")?.replaceChildren(box);
  };

  // <time datetime data-local>: the reader's own zone, the office's zone in the title.
  const localise = (root) => {
    for (const time of root.querySelectorAll("time[data-local]:not([title])")) {
      const when = new Date(time.dateTime);
      if (Number.isNaN(when.getTime())) continue;
      const rest = time.textContent.match(/ \((?:in )?[^()]*\)$/)?.[0] ?? "";
      time.title = time.textContent.trim();
      time.textContent = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
        year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
      }).format(when) + rest;
    }
  };

  // <button data-copy="id" hidden>: copies the element's text.
  const copying = (root) => {
    for (const button of root.querySelectorAll("button[data-copy][hidden]")) {
      if (navigator.clipboard) button.hidden = false;
    }
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (!button) return;
    const words = button.textContent;
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      button.textContent = button.dataset.copied || "Copied";
    } catch {
      button.textContent = "Select and copy by hand";
    }
    setTimeout(() => { button.textContent = words; }, 2000);
  });

  // [data-drop]: a label around a file input becomes a drop zone that shows the chosen file.
  const dropping = (root) => {
    for (const zone of root.querySelectorAll("[data-drop]:not([data-ready])")) {
      const input = zone.querySelector('input[type="file"]');
      const chosen = zone.querySelector("[data-chosen]");
      zone.dataset.ready = "";
      let depth = 0;
      const show = () => {
        const file = input.files[0];
        if (chosen) chosen.textContent = file ? `${file.name} · ${size(file.size)}` : "";
        if (file) input.dispatchEvent(new CustomEvent("assay:chosen", { bubbles: true }));
      };
      zone.addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; zone.dataset.over = ""; });
      zone.addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) delete zone.dataset.over; });
      zone.addEventListener("dragover", (event) => event.preventDefault());
      zone.addEventListener("drop", (event) => {
        event.preventDefault();
        depth = 0;
        delete zone.dataset.over;
        if (!event.dataTransfer.files.length) return;
        const one = new DataTransfer();
        one.items.add(event.dataTransfer.files[0]);
        input.files = one.files;
        show();
      });
      input.addEventListener("change", show);
    }
  };

  const size = (bytes) => {
    const units = ["bytes", "kB", "MB", "GB"];
    let n = bytes, i = 0;
    while (n >= 1000 && i < units.length - 1) { n /= 1000; i += 1; }
    return `${i && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
  };

  // form[data-upload]: sends a file with a progress bar; the answer replaces the page, as without JavaScript.
  const send = (form) => {
    const bar = form.querySelector("progress.sending") || form.querySelector("progress");
    const note = form.querySelector("[data-note]");
    const input = form.querySelector('input[type="file"]');
    const limit = Number(form.dataset.limit || 0);
    const file = input?.files[0];
    if (file && limit && file.size > limit) {
      say(`${file.name} has ${size(file.size)}; this office accepts at most ${size(limit)}.`);
      document.getElementById("messages").scrollIntoView({ block: "center" });
      return;
    }
    const buttons = [...form.querySelectorAll("button")];
    const busy = (on) => {
      buttons.forEach((button) => { button.disabled = on; });
      form.setAttribute("aria-busy", String(on));
      if (bar) bar.hidden = !on;
    };
    const xhr = new XMLHttpRequest();
    xhr.open("POST", form.action);
    xhr.setRequestHeader("Accept", "text/html");
    xhr.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable || !bar) return;
      const percent = Math.floor((event.loaded / event.total) * 100);
      bar.value = percent;
      const sending = form.dataset.sending || "Sending, {n} %", sent = form.dataset.sent || "Sent. Testing the piece …";
      if (note) note.textContent = percent < 100 ? sending.replace("{n}", percent) : sent;
    });
    xhr.addEventListener("load", () => {
      const target = new URL(xhr.responseURL || form.action, location.href);
      if (xhr.status < 400 && target.pathname !== new URL(form.action).pathname) {
        location.assign(target);
        return;
      }
      // The answer to the form itself: a report, or the form again with its errors.
      const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
      const main = page.querySelector("main");
      if (!main) { busy(false); say("The office answered with something unreadable. Please try again."); return; }
      document.title = page.title;
      document.querySelector("main").replaceWith(document.adoptNode(main));
      const fresh = document.querySelector("main");
      ready(fresh);
      window.htmx?.process(fresh);
      fresh.dispatchEvent(new CustomEvent("assay:page", { bubbles: true }));
      window.scrollTo({ top: 0 });
      (fresh.querySelector(".error-summary") || fresh).focus({ preventScroll: true });
    });
    xhr.addEventListener("error", () => {
      busy(false);
      say("The connection was lost. Your file is still chosen: send it again when you are online.");
    });
    busy(true);
    xhr.send(new FormData(form));
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches?.("form[data-upload]")) return;
    event.preventDefault();
    send(form);
  });

  // input[data-opacity="id"]: the heat map's strength.
  document.addEventListener("input", (event) => {
    const range = event.target;
    if (!range.matches?.("input[data-opacity]")) return;
    const heat = document.getElementById(range.dataset.opacity);
    if (heat) heat.style.opacity = String(Number(range.value) / 100);
  });

  // One open menu at a time; Escape and a click elsewhere close it.
  const close = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
  };
  document.addEventListener("click", (event) => close(event.target.closest?.("details.menu")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.menu[open]");
    close(null);
    open?.querySelector("summary").focus();
  });

  // htmx: an ended session leads to the login page, not into a corner of this one.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const url = event.detail.xhr.responseURL || "";
    if (new URL(url, location.href).pathname.startsWith("/account/login")) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status >= 500) say("Something broke on our side. The error was recorded; try again in a minute.");
  });
  document.addEventListener("htmx:sendError", () => say("No connection to the office. This page tries again."));

  const ready = (root) => { localise(root); copying(root); dropping(root); };
  document.addEventListener("htmx:load", (event) => ready(event.detail.elt));
  ready(document);
  document.querySelector(".error-summary")?.focus();
})();
