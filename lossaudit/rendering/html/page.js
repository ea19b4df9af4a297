"use strict";
/* Each figure has a static drawing; where scripts run, the same description is drawn live. */
for (const figure of document.querySelectorAll("figure[data-chart]")) {
  const described = figure.querySelector("script").textContent;
  const still = figure.querySelector(".still");
  const live = figure.querySelector(".live");
  const controls = figure.querySelector(".controls");
  let view = null;

  /* Leaves out the points before `from` and after `to`, in every layer that has points. */
  const cut = (part, from, to) => {
    if (part.data) {
      part.data.values = part.data.values.filter(
        (point) => !("step" in point) || (point.step >= from && point.step <= to),
      );
    }
    for (const layer of part.layer || []) cut(layer, from, to);
  };

  const end = (name, otherwise) => {
    const value = controls ? controls.elements[name].valueAsNumber : NaN;
    return Number.isNaN(value) ? otherwise : value;
  };

  const hide = () => {
    const boxes = controls ? [...controls.querySelectorAll("input[type=checkbox]")] : [];
    if (!boxes.length) return;
    view.signal("hidden", boxes.filter((box) => !box.checked).map((box) => box.value)).runAsync();
  };

  const draw = async () => {
    const description = JSON.parse(described);
    cut(description, end("from", -Infinity), end("to", Infinity));
    description.width = "container";
    live.hidden = false;
    if (view) view.finalize();
    const made = await vegaEmbed(live, description, {
      actions: false,
      ast: true,
      renderer: "svg",
      tooltip: { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" },
    });
    view = made.view;
    live.querySelector("svg").setAttribute("aria-hidden", "true");
    still.hidden = true;
    if (controls) controls.hidden = false;
    hide();
  };

  const attempt = () =>
    draw().catch((error) => {
      console.error(error);
      live.hidden = true;
      still.hidden = false;
      if (controls) controls.hidden = true;
    });

  if (controls) {
    controls.addEventListener("change", (event) => {
      if (event.target.type === "checkbox") hide();
      else attempt();
    });
    controls.addEventListener("reset", () => setTimeout(attempt));
    controls.addEventListener("submit", (event) => event.preventDefault());
  }
  attempt();
}
