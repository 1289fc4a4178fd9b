// Runs the book's live figures (anywidget models saved by myst-nb) with no kernel, no require.js, no CDN.
// A classic script on purpose: browsers refuse module scripts on file://. Each widget's code is one ES module
// without imports, kept as text in the saved state; it is imported through a Blob, which file:// allows.
(function () {
  "use strict";
  var STATE = "application/vnd.jupyter.widget-state+json";
  var VIEW = "application/vnd.jupyter.widget-view+json";

  function bytes(base64) {
    var text = atob(base64), out = new Uint8Array(text.length);
    for (var i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
    return out;
  }

  // Binary values are stored beside the state, each with its path: ["weights"] or ["layers", 0, "bias"].
  function putBuffers(state, buffers) {
    (buffers || []).forEach(function (buffer) {
      var place = state, path = buffer.path;
      path.slice(0, -1).forEach(function (key, i) {
        if (place[key] === undefined || place[key] === null) place[key] = typeof path[i + 1] === "number" ? [] : {};
        place = place[key];
      });
      place[path[path.length - 1]] = new DataView(bytes(buffer.data).buffer);
    });
    return state;
  }

  // The part of a Jupyter model that a widget's render() uses. Nothing is sent: there is no kernel.
  function Model(state) {
    var callbacks = {}, self = this;
    function fire(event, value) {
      (callbacks[event] || []).slice().forEach(function (callback) { callback({}, value, {}); });
    }
    this.get = function (key) { return state[key]; };
    this.set = function (key, value) {
      var changes = key, changed = false;
      if (typeof key !== "object") { changes = {}; changes[key] = value; }
      Object.keys(changes).forEach(function (name) {
        if (state[name] === changes[name]) return;
        state[name] = changes[name];
        changed = true;
        fire("change:" + name, changes[name]);
      });
      if (changed) fire("change");
    };
    this.on = function (events, callback) {
      events.split(/\s+/).forEach(function (event) { (callbacks[event] = callbacks[event] || []).push(callback); });
    };
    this.off = function (events, callback) {
      if (!events) { callbacks = {}; return; }
      events.split(/\s+/).forEach(function (event) {
        callbacks[event] = (callbacks[event] || []).filter(function (other) { return callback && other !== callback; });
      });
    };
    this.save_changes = function () {};
    this.send = function () {};
    this.widget_manager = null;
    self.signal = new AbortController().signal;
  }

  var styles = {};
  function addStyle(css) {
    if (!css || styles[css]) return;
    styles[css] = document.createElement("style");
    styles[css].textContent = css;
    document.head.append(styles[css]);
  }

  // A model that points at other models (beside the layout that every widget has) needs the widget manager.
  function withoutKernel(saved) {
    if (!saved || saved.model_module !== "anywidget" || !saved.state._esm) return false;
    return Object.keys(saved.state).every(function (key) {
      return key === "layout" || JSON.stringify(saved.state[key]).indexOf("\"IPY_MODEL_") === -1;
    });
  }

  async function start(saved) {
    var model = new Model(putBuffers(saved.state, saved.buffers));
    var url = URL.createObjectURL(new Blob([model.get("_esm")], { type: "text/javascript" }));
    var widget;
    try { widget = (await import(url)).default; } finally { URL.revokeObjectURL(url); }
    if (typeof widget === "function") widget = await widget();
    addStyle(model.get("_css"));
    if (widget.initialize) await widget.initialize({ model: model, signal: model.signal });
    return { model: model, widget: widget };
  }

  async function run() {
    var saved = {}, started = {};
    document.querySelectorAll('script[type="' + STATE + '"]').forEach(function (script) {
      Object.assign(saved, JSON.parse(script.textContent).state);
    });
    for (var script of document.querySelectorAll('script[type="' + VIEW + '"]')) {
      var id = JSON.parse(script.textContent).model_id, el = document.createElement("div");
      el.className = "gc-widget";
      script.after(el);
      try {
        if (!withoutKernel(saved[id])) throw new Error("this control needs a running kernel");
        // two views of one model share it, as they do in a notebook
        started[id] = started[id] || start(saved[id]);
        var live = await started[id];
        await live.widget.render({ model: live.model, el: el, signal: live.model.signal });
        el.dataset.gcWidget = "ready";
      } catch (error) {
        el.className = "gc-widget gc-widget-off";
        el.textContent = "Interactive figure: open this chapter in Jupyter or Colab to use it.";
        el.dataset.gcWidget = "off: " + error.message;
      }
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", run); else run();
})();
