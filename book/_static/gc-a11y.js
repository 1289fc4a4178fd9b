// Gaps that remain in the theme's pages for people who do not use a mouse.
document.addEventListener("DOMContentLoaded", function () {
  "use strict";
  // The book's name stands outside every landmark.
  var brand = document.querySelector(".sidebar-primary-item .navbar-brand");
  if (brand) {
    brand.parentElement.setAttribute("role", "navigation");
    brand.parentElement.setAttribute("aria-label", "Book home");
  }
  // What scrolls sideways must be reachable with the keyboard.
  function reachable() {
    document.querySelectorAll("div.math, .pst-scrollable-table-container, .bd-article pre").forEach(function (box) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    });
  }
  window.addEventListener("load", function () {
    var ready = window.MathJax && window.MathJax.startup && window.MathJax.startup.promise;
    (ready || Promise.resolve()).then(reachable);
  });
  window.addEventListener("resize", reachable);
});
