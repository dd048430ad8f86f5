// Opens the workbench in a headless browser, which is what makes code-server start an extension host, and keeps it open
// until the probe is done or a page script has run.  What notifications and dialogs showed is written down as it was seen.
//
// Argument: a JSON file {url, driver, chromium, seen, failure, done?, script?, clicks?}.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { chromium } = createRequire(plan.driver)("playwright-core");
const browser = await chromium.launch({
  executablePath: plan.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1080, height: 640 } });
  const seen = watchNotifications(page);
  await page.goto(plan.url, { waitUntil: "domcontentloaded", timeout: 60_000 });
  await page.waitForSelector(".monaco-workbench", { timeout: 200_000 });
  page.setDefaultTimeout(60_000);
  if (plan.script) await drive(page);
  for (const { toast, dialog, button } of plan.clicks ?? []) {
    const box = page.locator(dialog ? ".monaco-dialog-box" : ".notification-toast", { hasText: dialog ?? toast });
    const wanted = box.getByRole("button", { name: button });
    await wanted.waitFor({ timeout: 300_000 });
    for (const text of await box.allInnerTexts()) seen.add(plain(text)); // the watch below may not have come round yet
    await wanted.click();
  }
  while (plan.done && !existsSync(plan.done)) await page.waitForTimeout(100);
  writeFileSync(plan.seen, JSON.stringify([...seen], null, 1));
} finally {
  await browser.close();
}

/** Let the script use the page; a picture shows what stood there if it fails. */
async function drive(page) {
  try {
    await (await import(plan.script)).default(page, plan);
  } catch (error) {
    await page.screenshot({ path: plan.failure });
    throw error;
  }
}

/** A text as it is read: in one line. */
function plain(text) {
  return text.replace(/\s+/g, " ").trim();
}

/** The texts of all notifications and dialogs, as they change. */
function watchNotifications(page) {
  const seen = new Set();
  void (async () => {
    while (!page.isClosed()) {
      const texts = await page
        .locator(".notification-toast, .monaco-dialog-box")
        .allInnerTexts()
        .catch(() => []);
      for (const text of texts) seen.add(plain(text));
      await page.waitForTimeout(100).catch(() => {});
    }
  })();
  return seen;
}
