// Answers the questions that edits wait for, by mouse and keyboard, while the probe's scenarios put them.
const PATIENCE = 200_000;

export default async function drive(page) {
  const rows = (label) => page.locator(".quick-input-list .monaco-list-row", { hasText: label });
  const title = page.locator(".quick-input-title");

  // Another quick input takes the list of answers away; it comes back with the difference, whose buttons stay.
  await rows("Discard").waitFor({ timeout: PATIENCE });
  await page.keyboard.press("F1");
  await rows("Add Cursor").first().waitFor();
  await page.keyboard.press("Escape");
  await rows("Discard").waitFor({ state: "hidden" });
  const tabs = page.locator(".tabs-container .tab");
  await tabs.first().click();
  await tabs.last().click();
  await rows("Discard").waitFor();
  await page.keyboard.press("Escape");
  await rows("Discard").waitFor({ state: "hidden" });
  await page.locator(".editor-actions .action-label[aria-label^='Apply the Change']").first().click();

  // Two questions: one after the other.
  await rows("Discard").waitFor({ timeout: PATIENCE });
  await page.waitForTimeout(3_000); // the other one would have had its time to come in between
  const first = await title.innerText();
  await rows("Apply").click();
  await page.waitForFunction(
    (first) => {
      const title = document.querySelector(".quick-input-widget:not([style*='display: none']) .quick-input-title");
      return title && title.innerText !== first;
    },
    first,
    { timeout: PATIENCE },
  );
  await rows("Apply").click();
}
