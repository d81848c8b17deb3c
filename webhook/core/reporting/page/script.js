"use strict";
// Narrows the list of workloads, keeps the choice in the fragment of the address, and shows verdicts where they are
// asked for. Everything it knows it reads off the document; it never turns a text into markup.
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  document.documentElement.classList.add("scripted");

  const heading = document.getElementById("workloads-heading");
  const list = document.getElementById("rows");
  const shown = document.getElementById("shown");
  const number = (count) => count.toLocaleString("en");

  const searched = (namespace, node) =>
    [namespace, ...Array.from(node.querySelectorAll(".name, .image"), (part) => part.textContent)].join(" ");

  const groups = Array.from(list.querySelectorAll("section.namespace"), (section) => {
    const namespace = section.dataset.namespace;
    const rows = Array.from(section.querySelectorAll("details.row"), (node) => ({
      node,
      result: node.dataset.result,
      codes: (node.dataset.codes || "").split(" "),
      change: node.dataset.change || "",
      drift: "drift" in node.dataset,
      verdicts: Array.from(node.querySelectorAll("[data-verdict]"), (use) => use.dataset.verdict),
      text: searched(namespace, node).toLowerCase(),
    }));
    return { section, namespace, rows, visible: section.querySelector("h3").appendChild(document.createElement("span")) };
  });
  const total = groups.reduce((sum, group) => sum + group.rows.length, 0);
  const verdicts = Array.from(document.querySelectorAll("article.verdict"));

  const chosen = () => new FormData(form);

  const matcher = (choice) => {
    const words = choice.get("q").toLowerCase().split(/\s+/).filter(Boolean);
    const results = choice.getAll("result");
    const code = choice.get("code");
    const change = choice.get("change");
    const drift = choice.has("drift");
    return (row) =>
      (!results.length || results.includes(row.result)) &&
      (!code || row.codes.includes(code)) &&
      (!change || row.change === change) &&
      (!drift || row.drift) &&
      words.every((word) => row.text.includes(word));
  };

  const apply = () => {
    const choice = chosen();
    const namespace = choice.get("namespace");
    const matches = matcher(choice);
    const needed = new Set();
    let sum = 0;
    for (const group of groups) {
      const searching = !namespace || namespace === group.namespace;
      let count = 0;
      for (const row of group.rows) {
        const match = searching && matches(row);
        if (row.node.hidden === match) row.node.hidden = !match;
        if (!match) continue;
        count += 1;
        for (const verdict of row.verdicts) needed.add(verdict);
      }
      sum += count;
      group.section.hidden = count === 0;
      group.visible.textContent = count < group.rows.length ? `${number(count)} of ${number(group.rows.length)} shown` : "";
    }
    for (const verdict of verdicts) verdict.hidden = !needed.has(verdict.id.slice(1));
    shown.textContent =
      sum < total ? `${number(sum)} of ${number(total)} workloads` : `${number(total)} workload${total === 1 ? "" : "s"}`;
  };

  // The fragment holds the choices that are not empty, and nothing else.
  const remember = () => {
    const state = new URLSearchParams();
    for (const [name, value] of chosen()) if (value) state.append(name, value);
    const fragment = state.toString();
    history.replaceState(null, "", location.href.split("#")[0] + (fragment ? `#${fragment}` : ""));
  };

  // A fragment without `=` names a place in the document; it leaves the choices as they are.
  const recall = () => {
    const fragment = location.hash.slice(1);
    if (fragment && !fragment.includes("=")) return false;
    const state = new URLSearchParams(fragment);
    for (const control of form.elements) {
      if (control.type === "checkbox") control.checked = state.getAll(control.name).includes(control.value);
      else if (control.tagName === "INPUT") control.value = state.get(control.name) || "";
      else if (control.tagName === "SELECT") {
        control.value = state.get(control.name) || "";
        if (control.selectedIndex < 0) control.selectedIndex = 0;
      }
    }
    apply();
    return Boolean(fragment);
  };

  const copy = async (button, code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
  };

  const withCopying = (verdict) => {
    for (const code of verdict.querySelectorAll("code.copyable")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy ${code.textContent}`);
      button.addEventListener("click", () => copy(button, code));
      code.after(button);
    }
    return verdict;
  };

  const unfold = (row) => {
    for (const use of row.querySelectorAll("[data-verdict]")) {
      if (use.querySelector(".verdict")) continue;
      const verdict = document.getElementById(`v${use.dataset.verdict}`).cloneNode(true);
      verdict.removeAttribute("id");
      verdict.hidden = false;
      use.append(withCopying(verdict));
    }
  };

  list.addEventListener("toggle", (event) => event.target.open && unfold(event.target), true);
  form.addEventListener("input", () => {
    apply();
    remember();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    history.replaceState(null, "", location.href.split("#")[0]);
    recall();
  });
  addEventListener("hashchange", () => {
    if (!recall()) return;
    heading.scrollIntoView();
    heading.focus({ preventScroll: true });
  });
  form.hidden = false;
  recall();
})();
