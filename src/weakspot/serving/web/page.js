/* An image that is dropped or pasted anywhere is uploaded through the file input. */
(() => {
  const upload = (files) => {
    const input = document.querySelector(".ws-side input[type=file]");
    const image = files[0];
    if (!input || !image) return;
    const transfer = new DataTransfer();
    transfer.items.add(image);
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const hasFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  const highlight = (on) => document.documentElement.classList.toggle("ws-over", on);
  document.addEventListener("paste", (event) => {
    if (event.clipboardData && event.clipboardData.files.length) {
      event.preventDefault();
      upload(event.clipboardData.files);
    }
  });
  document.addEventListener("dragover", (event) => {
    if (hasFiles(event)) { event.preventDefault(); highlight(true); }
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) highlight(false); });
  document.addEventListener("drop", (event) => {
    highlight(false);
    if (hasFiles(event)) { event.preventDefault(); upload(event.dataTransfer.files); }
  });
  window.weakspotDownload = () => {
    const link = document.querySelector("#ws-file a, a#ws-file, #ws-file");
    if (link) link.click();
  };
})();
