/* The verify page and the form that registers by fingerprint: the browser computes a file's SHA-256 first, so that a
   file this office knows need not be sent at all. Every word is in the page; this only shows and hides.

   form[data-verify]: data-worker (sha256.js), data-register (API address that a fingerprint is appended to),
   data-page (address of the report on a known fingerprint). Its steps are elements [data-step=NAME], one at a time:
   start, hashing, asking, known, unknown, unasked, unreadable, too-large.
   form[data-fingerprint]: data-worker; [data-into=sha256|size|media_type] are filled; steps: start, hashing,
   done, unreadable. */
(() => {
  "use strict";

  let chosen = null; // the last file tested: what was sent is compared with what is registered, in the browser

  const show = (form, step) => {
    form.dataset.state = step;
    for (const one of form.querySelectorAll("[data-step]")) {
      one.hidden = !one.dataset.step.split(" ").includes(step);
    }
    form.querySelector(`[data-step~="${step}"] [data-first]`)?.focus();
  };

  const fingerprint = (form, file) => new Promise((resolve, reject) => {
    const bar = form.querySelector('[data-step~="hashing"] progress');
    const worker = new Worker(form.dataset.worker);
    worker.onmessage = ({ data }) => {
      if (data.done !== undefined) {
        if (bar) bar.value = Math.round(data.done * 100);
        return;
      }
      worker.terminate();
      if (data.sha256) resolve(data.sha256);
      else reject(new Error(data.error));
    };
    worker.onerror = () => { worker.terminate(); reject(new Error("worker")); };
    worker.postMessage({ file });
  });

  // --- Look up before sending ------------------------------------------------------------------------------------

  const asked = (form) => {
    const date = form.elements.as_of?.value;
    return date ? `?as_of=${encodeURIComponent(date)}` : "";
  };

  const look = async (form, sha256) => {
    const answer = await fetch(form.dataset.register + sha256, { headers: { Accept: "application/json" } });
    if (answer.ok) return "known";
    return answer.status === 404 ? "unknown" : "unasked";
  };

  const unknown = (form, file) => {
    const limit = Number(form.dataset.limit || 0);
    return limit && file.size > limit ? "too-large" : "unknown";
  };

  const verify = async (form) => {
    const file = form.elements.file.files[0];
    if (!file) return;
    chosen = file;
    show(form, "hashing");
    let step = "unreadable";
    try {
      const sha256 = await fingerprint(form, file);
      for (const place of form.querySelectorAll("[data-sha256]")) place.textContent = sha256;
      if (chosen !== file) return; // another one was chosen meanwhile
      show(form, "asking");
      // A credential that lies beside the file says what the register alone cannot: it has to be read.
      const beside = form.elements.manifest?.files?.length;
      step = beside ? "unknown" : await look(form, sha256).catch(() => "unasked");
      if (step === "known") {
        show(form, step);
        location.assign(`${form.dataset.page}${sha256}/${asked(form)}`);
        return;
      }
    } catch {
      show(form, step);
      return;
    }
    show(form, step === "unknown" ? unknown(form, file) : step);
  };

  // --- Register without sending ----------------------------------------------------------------------------------

  const fill = async (form) => {
    const file = form.querySelector('input[type="file"]').files[0];
    if (!file) return;
    show(form, "hashing");
    const into = (name, value) => {
      const field = form.querySelector(`[data-into="${name}"]`);
      if (field) field.value = value;
    };
    try {
      into("sha256", await fingerprint(form, file));
      into("size", file.size);
      into("media_type", file.type || "application/octet-stream");
      show(form, "done");
    } catch {
      show(form, "unreadable");
    }
  };

  document.addEventListener("assay:chosen", (event) => {
    const form = event.target.closest("form");
    if (form?.matches("[data-verify]")) verify(form);
    if (form?.matches("[data-fingerprint]")) fill(form);
  });
  // Before assay.js sends the form: only a person who was asked, and agreed, sends the file.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches?.("form[data-verify]") || event.submitter?.matches("[data-agree]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    verify(form);
  }, { capture: true });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-print]")) window.print();
    const again = event.target.closest?.("[data-again]");
    if (!again) return;
    const form = again.closest("form");
    form.reset();
    const name = form.querySelector("[data-chosen]");
    if (name) name.textContent = "";
    show(form, "start");
    form.querySelector('input[type="file"]').focus();
  });

  // --- Compare with the registered work --------------------------------------------------------------------------

  const slide = (range) => {
    const frame = range.closest("[data-compare]").querySelector(".frame");
    frame.style.setProperty("--at", `${range.value}%`);
    range.setAttribute("aria-valuetext", range.dataset.words.replace("{n}", range.value));
  };
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("[data-compare] input[type=range]")) slide(event.target);
  });

  const compare = (figure) => {
    if (!chosen || !chosen.type.startsWith("image/")) return;
    const yours = figure.querySelector("[data-yours]");
    const range = figure.querySelector("input[type=range]");
    yours.addEventListener("load", () => {
      for (const one of figure.querySelectorAll("[data-with-yours]")) one.hidden = false;
      figure.dataset.ready = "";
      slide(range);
    }, { once: true });
    yours.src = URL.createObjectURL(chosen);
  };

  const ready = (root) => {
    for (const one of root.querySelectorAll("[data-scripted]")) one.hidden = false;
    for (const one of root.querySelectorAll("[data-unscripted]")) one.hidden = true;
    for (const form of root.querySelectorAll("form[data-verify], form[data-fingerprint]")) show(form, "start");
    root.querySelectorAll("[data-compare]").forEach(compare);
  };
  document.addEventListener("assay:page", (event) => ready(event.target));
  window.addEventListener("pageshow", (event) => { if (event.persisted) ready(document); });
  ready(document);
  // A file that was chosen before this script came.
  document.querySelectorAll("form[data-verify]").forEach(verify);
  document.querySelectorAll("form[data-fingerprint]").forEach(fill);
})();
