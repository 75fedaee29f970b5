/* A photo that is dropped or pasted anywhere goes the way of one that is picked. */
(() => {
  const give = (files) => {
    const field = document.querySelector(".ws-side input[type=file]");
    const photo = files[0];
    if (!field || !photo) return;
    const held = new DataTransfer();
    held.items.add(photo);
    field.files = held.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const carries = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  const over = (on) => document.documentElement.classList.toggle("ws-over", on);
  document.addEventListener("paste", (event) => {
    if (event.clipboardData && event.clipboardData.files.length) {
      event.preventDefault();
      give(event.clipboardData.files);
    }
  });
  document.addEventListener("dragover", (event) => {
    if (carries(event)) { event.preventDefault(); over(true); }
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) over(false); });
  document.addEventListener("drop", (event) => {
    over(false);
    if (carries(event)) { event.preventDefault(); give(event.dataTransfer.files); }
  });
  window.weakspotTake = () => {
    const link = document.querySelector("#ws-file a, a#ws-file, #ws-file");
    if (link) link.click();
  };
})();
