() => {
  // Screen readers tell what changes in these parts, and what a group of buttons asks.
  const name = () => {
    for (const part of document.querySelectorAll(".live")) part.setAttribute("aria-live", "polite");
    for (const label of document.querySelectorAll("fieldset [data-testid=block-info]"))
      label.closest("fieldset").setAttribute("aria-label", label.textContent.trim());
  };
  name();
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
}
