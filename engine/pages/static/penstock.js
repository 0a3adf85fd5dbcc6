// What makes the pages quicker. Every page works without it.
"use strict";
document.documentElement.classList.add("script");

const announce = (text) => {
  const place = document.getElementById("announce");
  if (place) {
    place.textContent = "";
    setTimeout(() => { place.textContent = text; }, 50);
  }
};

// Times in the reader's own time zone.
const localTimes = (root) => {
  const form = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[data-moment]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) {
      time.title = time.textContent;
      time.textContent = form.format(moment);
    }
  }
};

const copyText = async (text, button) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  const before = button.textContent;
  button.textContent = "Copied";
  announce("Copied");
  setTimeout(() => { button.textContent = before; }, 1600);
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-all]");
  if (!button) return;
  const all = button.dataset.copyAll;
  const text = all
    ? [...document.querySelectorAll(`${all} tbody td > code.hash`)].map((code) => code.textContent).join("\n")
    : button.dataset.copy;
  copyText(text, button);
});

// A question that needs a second thought.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// The calculator: the answer comes into the page, and nothing into the history.
const ask = document.querySelector("form[data-ask]");
if (ask) {
  const ids = ask.elements.ids;
  const file = ask.elements.file;
  ids.addEventListener("keydown", (event) => {
    const single = !ids.value.trim().includes("\n");
    if (event.key === "Enter" && !event.isComposing && !event.shiftKey && (single || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      ask.requestSubmit();
    }
  });
  ask.addEventListener("submit", async (event) => {
    if (!window.fetch || !window.DOMParser) return;
    event.preventDefault();
    const result = document.getElementById("result");
    const sent = new FormData(ask);
    result.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(ask.action, { method: "POST", body: sent, cache: "no-store", redirect: "manual" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("result");
      if (answer.type === "opaqueredirect" || !fresh) {
        location.assign(ask.getAttribute("action")); // signed out meanwhile
        return;
      }
      result.replaceChildren(...fresh.childNodes);
      localTimes(result);
      file.value = "";
      result.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
      if (ids.value && !ids.value.trim().includes("\n")) ids.select();
    } catch {
      const note = document.createElement("p");
      note.className = "note bad";
      note.setAttribute("role", "alert");
      note.textContent = "No answer came. Is the network there? Nothing was looked up.";
      result.replaceChildren(note);
    } finally {
      result.removeAttribute("aria-busy");
    }
  });
  // A page that comes back from the browser's memory must not show the last patient.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      ask.reset();
      ids.value = "";
      document.getElementById("result").replaceChildren();
    }
  });
}

// Lists that fill up while one looks at them.
for (const region of document.querySelectorAll("[data-live]")) {
  const seconds = Number(region.dataset.live);
  const again = async () => {
    if (!document.hidden && !region.contains(document.activeElement)) {
      try {
        const answer = await fetch(location.href, { cache: "no-store", redirect: "manual" });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById(region.id);
        if (fresh) {
          region.replaceChildren(...fresh.childNodes);
          localTimes(region);
        }
      } catch {
        // The next turn tries again; what is shown stays.
      }
    }
    setTimeout(again, seconds * 1000);
  };
  setTimeout(again, seconds * 1000);
}

localTimes(document);
