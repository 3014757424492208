// The search runs in a worker, which browsers refuse to pages that are opened from a folder. There,
// its script runs in a hidden frame instead. Nothing is fetched from elsewhere.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      this.terminate = () => frame.remove();
      this.ready = new Promise((resolve) => {
        const begin = () => {
          document.body.append(frame);
          const inside = frame.contentWindow;
          inside.document.open(); // or Firefox replaces the empty page later
          inside.document.write("<body></body>");
          inside.document.close();
          inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          const script = inside.document.createElement("script");
          script.src = new URL(url, location.href);
          script.onload = () => resolve(inside);
          inside.document.body.append(script);
        };
        if (document.body) begin();
        else document.addEventListener("DOMContentLoaded", begin);
      });
    }

    postMessage(data) {
      this.ready.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }
  };
}
