// Has the server installed, and plays another window that is at it already and comes to its end.
import { renameSync, rmSync } from "node:fs";

export default async function drive(page, plan) {
  const toast = (text) => page.locator(".notification-toast", { hasText: text });
  await toast("server is not installed").getByRole("button", { name: "Install", exact: true }).click();
  await toast("another window is installing").waitFor();
  await page.waitForTimeout(1_000);
  renameSync(plan.prepared, plan.private);
  rmSync(plan.lock);
}
