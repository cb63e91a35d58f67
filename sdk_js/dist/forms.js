// src/forms.ts
var enableForms = (tropa) => {
  const submitted = ({ target }) => {
    const attribute = (name) => target.getAttribute(name);
    tropa.track("Form Submitted", { id: attribute("id"), name: attribute("name"), action: attribute("action") });
  };
  addEventListener("submit", submitted, true);
  return () => removeEventListener("submit", submitted, true);
};
export {
  enableForms
};
