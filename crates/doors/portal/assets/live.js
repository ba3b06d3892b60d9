// Keeps [data-live] up to date: the server sends the fragment as it should look, rows are told apart by data-key.
// Only what differs is touched, so that a selection, a focus or a click in the rest survives.

const root = document.querySelector("[data-live]");

function patch(now, next) {
  const keyed = (element) =>
    new Map([...element.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  const old = keyed(now);
  if (old.size === 0 || keyed(next).size === 0) {
    if (now.innerHTML !== next.innerHTML) now.replaceWith(next);
    return;
  }
  let at = now.firstElementChild;
  for (const wanted of [...next.children]) {
    const have = old.get(wanted.dataset.key);
    old.delete(wanted.dataset.key);
    if (!have) {
      wanted.classList.add("fresh");
      now.insertBefore(wanted, at);
    } else if (have.isEqualNode(wanted) || plain(have).isEqualNode(wanted)) {
      if (have === at) at = at.nextElementSibling;
      else now.insertBefore(have, at);
    } else {
      if (have === at) at = at.nextElementSibling;
      wanted.classList.add("changed");
      have.remove();
      now.insertBefore(wanted, at);
    }
  }
  old.forEach((gone) => gone.remove());
}

// A row as the server wrote it, without our marks.
function plain(row) {
  const copy = row.cloneNode(true);
  copy.classList.remove("fresh", "changed");
  if (!copy.classList.length) copy.removeAttribute("class");
  return copy;
}

function swap(html) {
  const next = document.createElement("template");
  next.innerHTML = html;
  const parts = [".head", "tbody", ".lately ol"];
  const same = parts.every(
    (part) => !root.querySelector(part) === !next.content.querySelector(part),
  );
  if (!same) {
    root.replaceChildren(next.content);
    return;
  }
  for (const part of parts) {
    const now = root.querySelector(part);
    if (now) patch(now, next.content.querySelector(part));
  }
}

if (root) {
  const source = new EventSource(root.dataset.live);
  source.onmessage = (message) => swap(message.data);
  source.onopen = () => document.body.classList.remove("away");
  source.onerror = () => document.body.classList.add("away");
  addEventListener("pagehide", () => source.close());
}
