// What a user does with mouse and keyboard, from the light bulb to the report, with a picture of each stage.
import { writeFileSync } from "node:fs";

const IMPLEMENT = "Generate & verify implementation";

export default async function drive(page, plan) {
  const seen = {};
  const says = (...replies) => writeFileSync(plan.script_file, JSON.stringify({ replies }));
  const picture = (name) => page.screenshot({ path: `${plan.pictures}/vscode-${name}.png` });
  const toast = (text) => page.locator(".notification-toast", { hasText: text });
  const text = () => shownText(page);
  const head = page.locator(".monaco-editor .view-line", { hasText: "def slugify" }).first();
  const pointAt = () => head.click({ position: { x: 60, y: 8 } });

  await page.getByRole("treeitem", { name: "words.py", exact: true }).dblclick({ timeout: 60_000 });
  await head.waitFor({ timeout: 120_000 });
  seen.before = await text();

  seen.titles = await lightBulb(page, pointAt);
  await picture("light-bulb");
  says({ text: plan.bad }, { text: plan.good, delay_per_token: 0.6 });
  await page.locator(".action-widget .monaco-list-row.action", { hasText: IMPLEMENT }).first().click();
  await toast("tried, best 1/2 tests").waitFor({ timeout: 200_000 });
  seen.progress = await toast("tried").innerText();
  await picture("progress");
  const apply = page.locator(".quick-input-list .monaco-list-row", { hasText: "Apply" });
  await apply.waitFor({ timeout: 200_000 });
  await page.locator(".monaco-diff-editor .view-line", { hasText: '"-".join' }).first().waitFor();
  await picture("preview");
  await apply.click();
  await toast("Show Run").waitFor();
  seen.after = await text();
  await picture("applied");
  await pointAt();
  await page.keyboard.press("Control+z");
  await page
    .locator(".monaco-editor .view-line", { hasText: '"-".join' })
    .waitFor({ state: "detached", timeout: 60_000 });
  seen.undone = await text();
  await clearNotifications(page);

  says({ text: "    title = title\n", repeat: true, delay_per_token: 0.05 });
  seen.menu = await contextMenu(page, head);
  await choose(page, "Greenfinch: Implement");
  await toast("tok/s").waitFor({ timeout: 200_000 });
  await toast("tok/s").getByRole("button", { name: "Cancel" }).click();
  await toast("Greenfinch: slugify").waitFor({ state: "detached", timeout: 60_000 });
  seen.cancelled = await text();

  says({ text: plan.bad });
  await contextMenu(page, head);
  await choose(page, "Greenfinch: Implement");
  await toast("test_slugify_joins_words").waitFor({ timeout: 120_000 });
  const report = page
    .frameLocator("iframe.webview")
    .frameLocator("iframe")
    .locator("body", { hasText: "What was tried" });
  await report.waitFor({ timeout: 120_000 });
  seen.report = await report.innerText();
  seen.failed = await text();
  await picture("report");
  await page.keyboard.press("Control+k");
  await page.keyboard.press("Control+w");

  seen.models = await modelsToPull(page);
  await page.getByRole("treeitem", { name: "words.py", exact: true }).dblclick();
  await head.waitFor();
  seen.status = await languageStatus(page);
  writeFileSync(plan.seen_page, JSON.stringify(seen));
}

/** Open the light bulb's menu; the keys can get lost while the editor is busy or the server has yet to start. */
async function lightBulb(page, pointAt) {
  const rows = page.locator(".action-widget .monaco-list-row.action", { hasText: IMPLEMENT });
  for (let attempt = 0; attempt < 40; attempt++) {
    await pointAt();
    await page.keyboard.press("Control+.");
    const shown = await rows
      .first()
      .waitFor({ timeout: 4_000 })
      .then(
        () => true,
        () => false,
      );
    if (shown) return rows.allInnerTexts();
    await page.keyboard.press("Escape");
  }
  throw new Error("the light bulb's menu never listed the action");
}

/** The lines of the editor from top to bottom, which is not their order in the document. */
function shownText(page) {
  return page
    .locator(".monaco-editor .view-lines")
    .first()
    .evaluate((lines) =>
      [...lines.children]
        .map((line) => ({ top: Number.parseInt(line.style.top, 10), text: line.innerText.replaceAll("\u00a0", " ") }))
        .sort((one, other) => one.top - other.top)
        .map(({ text }) => text.replace(/\n$/, ""))
        .join("\n"),
    );
}

/** What the palette's command offers to pull. */
async function modelsToPull(page) {
  await page.keyboard.press("F1");
  await page.keyboard.type("Greenfinch: Pull");
  await page.locator(".quick-input-list .monaco-list-row", { hasText: "Pull a Model" }).click();
  const rows = page.locator(".quick-input-list .monaco-list-row");
  await rows.filter({ hasText: "qwen2.5-coder-0.5b" }).waitFor();
  const names = await rows.allInnerTexts();
  await page.keyboard.press("Escape");
  return names;
}

/** The text of the language status item, which a hover over the braces in the status bar shows. */
async function languageStatus(page) {
  await page.locator("[id='status.languageStatus']").hover();
  const shown = page.locator(".hover-language-status");
  await shown.first().waitFor();
  const texts = await shown.allInnerTexts();
  await page.keyboard.press("Escape");
  return texts.join("\n");
}

async function contextMenu(page, line) {
  await line.click({ button: "right", position: { x: 60, y: 8 } });
  const labels = page.locator(".monaco-menu .action-label");
  await labels.filter({ hasText: "Greenfinch: Implement" }).waitFor({ timeout: 60_000 });
  return (await labels.allInnerTexts()).map((label) => label.trim()).filter(Boolean);
}

/** Click that entry of the menu until the menu goes: for its first 100 ms it takes no release of the mouse button. */
async function choose(page, label) {
  const entry = page.locator(".monaco-menu .action-label", { hasText: label });
  for (let attempt = 0; attempt < 20; attempt++) {
    await entry.click({ timeout: 2_000 }).catch(() => {}); // the menu went just then
    const gone = await entry.waitFor({ state: "detached", timeout: 2_000 }).then(
      () => true,
      () => false,
    );
    if (gone) return;
  }
  throw new Error(`the menu stays open, however often ${label} is clicked`);
}

async function clearNotifications(page) {
  for (const close of await page.locator(".notification-toast .codicon-notifications-clear").all()) {
    await close.click({ timeout: 2_000 }).catch(() => {}); // it went by itself
  }
}
