() => {
  // Screen readers tell what changes here.
  for (const part of document.querySelectorAll(".live")) part.setAttribute("aria-live", "polite");
}
