// The page for who was told the code and has no link: eight signs become the link's token. The code is sent in a header, never in an address.

const form = /** @type {HTMLFormElement} */ (document.getElementById("form"));
const input = /** @type {HTMLInputElement} */ (document.getElementById("code"));
const why = /** @type {HTMLElement} */ (document.getElementById("why"));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  why.textContent = "";
  try {
    // a header holds no other letters, and no code has any
    const answer = await fetch("api/code", { headers: { "X-Distml-Code": input.value.replace(/[^0-9A-Za-z -]/g, "?") }, cache: "no-store" });
    if (answer.ok) location.href = `./#t=${(await answer.json()).token}`;
    else why.textContent = answer.status === 404 ? "This coordinator has no code: ask for its link." : await answer.text();
  } catch {
    why.textContent = "The coordinator cannot be reached; try again.";
  }
  input.select();
});
