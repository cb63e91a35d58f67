// src/storage.ts
var quietly = (work) => {
  try {
    return work();
  } catch {
  }
};

// src/forms.ts
var enableForms = (tropa) => {
  const submitted = ({ target }) => quietly(() => {
    const attribute = (name) => target.getAttribute(name);
    tropa.track("Form Submitted", { id: attribute("id"), name: attribute("name"), action: attribute("action") });
  });
  addEventListener("submit", submitted, true);
  return () => removeEventListener("submit", submitted, true);
};
export {
  enableForms
};
