// Opens the chat from the page's own buttons. The queue lets this run before or after the loader has arrived.
window.frontdesk =
  window.frontdesk ||
  function () {
    (window.frontdesk.q = window.frontdesk.q || []).push(arguments);
  };

for (const button of document.querySelectorAll("[data-chat]")) {
  button.addEventListener("click", () => window.frontdesk("open"));
}
